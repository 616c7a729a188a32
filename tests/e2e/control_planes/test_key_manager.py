"""The key manager's quickstart: its blocks run as they stand, host names and tokens apart, its answers field by field.

Then which models a key may ask for."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.control_planes.conftest import MODELS, Fresh
from tests.e2e.deployment import wait_for
from tests.web import NO_TLS
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

DOCUMENT = (Path(__file__).parent / "key_manager_quickstart.md").read_text()
STEPS = {int(number): text for number, text in re.findall(r"^### (\d+)\. (.*?)(?=^### |\Z)", DOCUMENT, re.M | re.S)}
BLOCK = re.compile(r"^```(bash|json|)\n(.*?)^```$", re.M | re.S)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{9})?Z")
NAME = re.compile(r"apikey-[a-z0-9-]+-[0-9a-f]{8}")
MARK = "== next block =="


def commands(step: int) -> list[str]:
    """The step's blocks; there is no TLS here."""
    return [text.replace("https://", "http://") for kind, text in BLOCK.findall(STEPS[step]) if kind == "bash"]


def examples(step: int) -> list[Any]:
    """The answers that the document shows."""
    return [json.loads(text) for kind, text in BLOCK.findall(STEPS[step]) if kind != "bash"]


def alike(example: Any, found: Any, where: str = "") -> None:
    """The same fields in the same order, with values of the same kind."""
    if isinstance(example, dict):
        assert [*found] == [*example], where
        for name, value in example.items():
            alike(value, found[name], f"{where}.{name}")
    elif isinstance(example, list):
        assert isinstance(found, list), where
        for place, value in enumerate(found):
            alike(example[0], value, f"{where}[{place}]")
    else:
        assert type(found) is type(example), where
        for form in (TIME, NAME):
            if isinstance(example, str) and form.fullmatch(example):
                assert form.fullmatch(found), f"{where}: {found}"


class Walk:
    """The answers of each step's blocks."""

    def __init__(self, fresh: Fresh) -> None:
        self.fresh = fresh
        self.said: dict[int, list[str]] = {}
        self.variables = {
            "ADMIN_KEY": DEV_ADMIN_TOKEN,
            "TEAM_ID": "walk-team",
            "USER_ID": "walk-user",
            "KEY_MANAGER_ROUTE": fresh.up.admin,
            "QWEN3_ROUTE": fresh.up.listen,
            "SIMULATOR_ROUTE": fresh.up.listen,
        }

    def run(self, *steps: int) -> None:
        """In one shell, as somebody who pastes block after block."""
        blocks = [block for step in steps for block in commands(step)]
        said = self.fresh.run(f"\necho '{MARK}'\n".join(blocks), **self.variables).split(f"{MARK}\n")
        for step in steps:
            self.said[step], said = said[: len(commands(step))], said[len(commands(step)) :]

    def answer(self, step: int) -> Any:
        (text,) = self.said[step]
        return json.loads(text)

    def used(self) -> dict[str, Any]:
        return self.fresh.used("walk-team")

    def calls(self) -> tuple[int, int]:
        """Admitted and refused, as the ledger has them."""
        used = self.used()
        return used["requests"], used["refused"]


@pytest.fixture(scope="module")
def walk(fresh: Fresh) -> Walk:
    walk = Walk(fresh)
    walk.run(*range(1, 11))
    walk.variables["API_KEY"] = walk.said[2][0].removeprefix("API Key: ").strip()
    wait_for(lambda: True if walk.calls() == (1, 1) else None, "both calls in the ledger")
    walk.run(11, 12, 13)
    return walk


def test_a_team_is_made_and_a_key_for_one_of_its_users(walk: Walk) -> None:
    team = walk.answer(1)
    shown = ("team_id", "team_name", "policy", "token_limit", "time_window")
    assert [team[name] for name in shown] == ["walk-team", "Test Team", "test-tokens", 100_000, "1h"]
    assert re.fullmatch(r"sk_[0-9a-f]{48}", walk.variables["API_KEY"])


def test_a_new_limit_binds_on_the_next_call(walk: Walk) -> None:
    assert walk.answer(3)["object"] == "chat.completion"
    changed = walk.answer(4)
    assert (changed["token_limit"], changed["time_window"], changed["policy"]) == (20, "1m", "test-tokens")
    error = walk.answer(5)["error"]
    assert (error["code"], "token_limit" in error["message"]) == ("request_too_large", True)
    assert walk.calls() == (1, 1)


def test_models_are_listed_in_both_shapes(walk: Walk) -> None:
    services, models = (json.loads(text) for text in walk.said[6])
    alike(examples(6)[0], services)
    alike(examples(6)[1], models)
    assert [model["name"] for model in services["models"]] == [model["id"] for model in models["data"]] == [*MODELS]
    assert {(model["namespace"], model["ready"]) for model in services["models"]} == {("llm", True)}


def test_teams_are_listed_the_default_one_among_them(walk: Walk) -> None:
    listed = walk.answer(7)
    alike(examples(7)[0], listed)
    assert listed["total_teams"] == len(listed["teams"])
    teams = {team["team_id"]: team for team in listed["teams"]}
    documented = {**examples(7)[0]["teams"][0], "key_count": 0, "user_count": 0}
    assert {**teams["default"], "created_at": documented["created_at"]} == documented
    assert (teams["walk-team"]["key_count"], teams["walk-team"]["user_count"]) == (1, 1)


@pytest.mark.parametrize("step", [8, 9, 10])
def test_teams_and_keys_are_shown_as_documented(walk: Walk, step: int) -> None:
    shown = walk.answer(step)
    alike(examples(step)[0], shown)
    keys = [key if isinstance(key, str) else key["secret_name"] for key in shown["keys"]]
    assert [key.rpartition("-")[0] for key in keys] == ["apikey-walk-user-walk-team"]
    for user in shown.get("users", []):
        assert (user["user_id"], user["user_email"], user["role"]) == ("walk-user", "walk-user@test.com", "member")
    for key in (key for key in shown["keys"] if isinstance(key, dict)):
        assert (key["status"], key["models_allowed"], key["policy"]) == ("active", "", "test-tokens")


@pytest.mark.parametrize(("step", "parts"), [(11, "team_breakdown"), (12, "user_breakdown")])
def test_usage_is_the_sum_of_its_parts_and_the_ledgers(walk: Walk, step: int, parts: str) -> None:
    found = walk.answer(step)
    alike(examples(step)[0], found)
    spent = walk.answer(3)["usage"]["total_tokens"]
    for total, value in (("token_usage", spent), ("authorized_calls", 1), ("limited_calls", 1)):
        assert found[f"total_{total}"] == sum(part[total] for part in found[parts]) == value
    assert walk.used()["input_tokens"] + walk.used()["output_tokens"] == spent


def test_after_the_cleanup_neither_key_nor_team_is_there(walk: Walk) -> None:
    key, team = re.findall(r"\{.*?\}", walk.said[13][0])
    assert json.loads(key)["message"] == "API key deleted"
    assert json.loads(team) == {"message": "Team deleted", "team_id": "walk-team", "keys_deleted": 0}
    headers = {"authorization": f"APIKEY {walk.variables['API_KEY']}"}
    models = walk.fresh.models
    wait_for(lambda: True if models.get("/v1/models", headers=headers).status_code == 401 else None, "a 401")
    assert walk.calls() == (1, 1)


def test_a_limit_of_one_surface_binds_what_another_made(fresh: Fresh) -> None:
    """Under the limit a call that may use 50 tokens never fits."""
    who = fresh.tenant()
    assert fresh.chat(who.headers).status_code == 200
    team = f"{fresh.admin_url}/teams/{who.tenant_id}"
    admin = {"authorization": f"ADMIN {DEV_ADMIN_TOKEN}"}
    limit = {"token_limit": 20, "time_window": "1m"}
    fresh.models.patch(team, json=limit, headers=admin).raise_for_status()
    wait_for(lambda: True if fresh.chat(who.headers).status_code == 429 else None, "the limit")
    (stored,) = fresh.admin.get(f"/tenants/{who.tenant_id}/limits").json()["limits"]
    fresh.admin.patch(f"/limits/{stored['id']}", json={"amount": 10_000}).raise_for_status()
    wait_for(lambda: True if fresh.chat(who.headers).status_code == 200 else None, "the other limit")
    shown = fresh.models.patch(team, json={}, headers=admin).json()
    assert (shown["token_limit"], shown["time_window"]) == (10_000, "1m")


def test_a_client_sees_the_models_that_its_key_may_ask_for(fresh: Fresh) -> None:
    restricted = fresh.tenant(models_allowed=["vllm-simulator", "unregistered"])
    for who, names in ((fresh.tenant(), [*MODELS]), (restricted, ["vllm-simulator"])):
        with openai.OpenAI(base_url=f"{fresh.models_url}/v1", api_key=who.secret, max_retries=0) as client:
            assert [model.id for model in client.models.list()] == names
            assert client.models.retrieve("vllm-simulator").id == "vllm-simulator"
            with pytest.raises(openai.NotFoundError, match="may not use it"):
                client.models.retrieve("unregistered")
        for path in ("//v1/models", "/v1/./models", "/V1/MODELS/", "/x/../v1/models"):  # nor does another spelling
            answer = httpx.get(f"{fresh.models_url}{path}", headers=who.headers, verify=NO_TLS)
            assert [model["id"] for model in answer.json()["data"]] == names, path
        head = fresh.models.head("/v1/models", headers=who.headers)
        assert (head.status_code, head.headers["content-type"], head.content) == (200, "application/json", b"")
        assert fresh.used(who.tenant_id)["requests"] == 0
