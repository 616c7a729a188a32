"""What the official clients do, with their own defaults, when a budget refuses them."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment

DAY = {"unit": "tokens", "amount": 3000, "calendar": "day", "kind": "fixed_window"}


def ask_openai(stack: Deployment, who: Credential, max_tokens: int) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    with openai.OpenAI(base_url=f"http://{stack.envoy_address}/v1", api_key=who.secret) as client:
        client.chat.completions.create(model=MODEL, messages=messages, max_tokens=max_tokens)


def ask_anthropic(stack: Deployment, who: Credential, max_tokens: int) -> None:
    with anthropic.Anthropic(base_url=f"http://{stack.envoy_address}", api_key=who.secret) as client:
        client.messages.create(model=MODEL, max_tokens=max_tokens, messages=[{"role": "user", "content": "hi"}])


CLIENTS: dict[str, tuple[Callable[[Deployment, Credential, int], None], Any]] = {
    "openai": (ask_openai, openai.RateLimitError),
    "anthropic": (ask_anthropic, anthropic.RateLimitError),
}


@pytest.fixture
def spent(stack: Deployment) -> Credential:
    """A tenant that has used up its day."""
    who = stack.tenant(tokens_per_minute=None)
    made = stack.admin.post("/limits", json={"scope": "tenant", "tenant_id": who.tenant_id, **DAY})
    assert made.status_code == 201, made.text
    charge = {"budget": made.json()["id"], "amount": -3000}
    charged = stack.admin.post(f"/tenants/{who.tenant_id}/budgets/adjust", json=charge)
    assert charged.status_code == 200, charged.text
    return who


@pytest.mark.parametrize("name", CLIENTS)
def test_with_the_day_spent_a_client_gives_up_instead_of_sleeping_for_hours(
    stack: Deployment, spent: Credential, name: str
) -> None:
    ask, error = CLIENTS[name]
    with pytest.raises(error, match="Rate limit reached") as refused:
        ask(stack, spent, 16)
    headers = refused.value.response.headers
    assert (headers["retry-after"], headers["x-should-retry"]) == ("60", "false")
    family = "anthropic-ratelimit-tokens-limit" if name == "anthropic" else "x-ratelimit-limit-tokens"
    assert headers[family] == "3000"
    assert [row["admission"] for row in stack.usage_when(spent, 1)] == ["refused"]


@pytest.mark.parametrize("name", CLIENTS)
def test_what_can_never_fit_is_asked_for_once(stack: Deployment, name: str) -> None:
    ask, error = CLIENTS[name]
    who = stack.tenant(tokens_per_minute=3000)
    with pytest.raises(error, match="can never fit") as refused:
        ask(stack, who, 4000)
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.value.response.headers
    assert len(stack.usage_when(who, 1)) == 1


def test_an_anthropic_client_reads_its_own_headers(stack: Deployment) -> None:
    with anthropic.Anthropic(base_url=f"http://{stack.envoy_address}", api_key=stack.tenant().secret) as client:
        raw = client.messages.with_raw_response.create(
            model=MODEL, max_tokens=16, messages=[{"role": "user", "content": "hi"}]
        )
    assert raw.headers["anthropic-ratelimit-tokens-limit"] == "1000000"
    assert raw.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
    assert "x-ratelimit-limit-tokens" not in raw.headers
