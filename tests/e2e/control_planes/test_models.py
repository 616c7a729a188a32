"""GET /v1/models while no model is registered, and the quick start of docs/client/key-manager.md with its one model."""

import re
import subprocess
from pathlib import Path

from tests.e2e.deployment import MODEL, Deployment

PAGE = Path(__file__).parents[3] / "docs/client/key-manager.md"


def test_a_key_with_a_list_is_answered_at_no_cost_and_without_the_model_server(stack: Deployment) -> None:
    """Nor does a spent budget keep the list from it."""
    who = stack.tenant(key={"models_allowed": ["a", MODEL]})
    limit = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "requests", "amount": 1, "window_seconds": 3600}
    stack.admin.post("/limits", json=limit).raise_for_status()
    before = len(stack.seen_upstream())
    for _ in range(3):
        answer = stack.envoy.get("/v1/models", headers=who.headers)
        assert [model["id"] for model in answer.json()["data"]] == ["a", MODEL]
    assert len(stack.seen_upstream()) == before
    assert stack.usage(who) == []


def test_a_key_without_a_list_gets_the_model_servers_own(stack: Deployment) -> None:
    who = stack.tenant()
    before = len(stack.seen_upstream())
    answer = stack.envoy.get("/v1/models", headers=who.headers)
    assert [(model["id"], model["owned_by"]) for model in answer.json()["data"]] == [(MODEL, "tollkeeper")]
    assert len(stack.seen_upstream()) == before + 1
    (row,) = stack.usage_when(who, 1)
    assert (row["input_tokens"], row["output_tokens"], row["reserved_tokens"]) == (0, 0, 0)


def test_the_key_managers_quick_start_works(stack: Deployment) -> None:
    quick_start = PAGE.read_text().split("## Quick start")[1]
    found = re.search(r"^```sh\n(.*?)^```$", quick_start, re.M | re.S)
    assert found is not None
    block = found[1].replace("127.0.0.1:9090", stack.admin_address).replace("127.0.0.1:10000", stack.envoy_address)
    done = subprocess.run(["bash", "-c", block], capture_output=True, text=True, timeout=60, check=True)
    said = ['"time_window":"1h"', '"chat.completion"', '"time_window":"1m"', '"total_authorized_calls":1']
    places = [done.stdout.index(text) for text in (*said, "API key deleted", "Team deleted")]
    assert places == sorted(places), done.stdout
    assert '"error"' not in done.stdout.split('"chat.completion"')[0]
