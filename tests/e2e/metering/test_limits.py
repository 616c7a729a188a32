"""Limits from the management API to the refusal that a client sees, through every real part."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.deployment import MODEL, Deployment, wait_for


def test_a_limit_binds_within_a_second_and_names_itself(stack: Deployment) -> None:
    who = stack.tenant()
    assert stack.chat(who).status_code == 200
    body = {"scope": "tenant", "tenant_id": who.tenant_id, "unit": "output_tokens", "calendar": "day", "name": "daily"}
    made = stack.admin.post("/limits", json={**body, "amount": 40, "time_zone": "Asia/Tokyo"})
    assert (made.status_code, made.headers["tollkeeper-propagation"]) == (201, "done")
    limit_id = made.json()["id"]
    began = time.monotonic()
    wait_for(lambda: stack.chat(who, max_tokens=41).status_code == 429 or None, "a refusal", timeout=10)
    assert time.monotonic() - began < 10
    refused = stack.chat(who, max_tokens=41)
    assert "daily" in refused.json()["error"]["message"]
    assert refused.headers["x-ratelimit-limit-output-tokens"] == "40"
    stack.admin.patch(f"/limits/{limit_id}", json={"shadow": True})
    wait_for(lambda: stack.chat(who, max_tokens=41).status_code == 200 or None, "no refusal", timeout=10)
    (budget,) = [
        b for b in stack.admin.get(f"/tenants/{who.tenant_id}/budgets").json()["budgets"] if b["limit"] == "daily"
    ]
    assert budget["would_have_refused"] >= 1


@pytest.fixture
def prices(stack: Deployment) -> Iterator[None]:
    """The other tests of the stack use any model: so the registry is empty again afterwards."""
    made = stack.admin.post("/models", json={"name": MODEL, "input_price": "3", "output_price": "15"})
    assert made.status_code == 201, made.text
    yield
    stack.admin.delete(f"/models/{made.json()['id']}")


@pytest.mark.usefixtures("prices")
@pytest.mark.parametrize("unit", ["cost", "input_tokens"])
def test_what_a_request_used_is_what_its_budget_is_charged(stack: Deployment, unit: str) -> None:
    who = stack.tenant()
    body = {"scope": "model", "model": MODEL, "tenant_id": who.tenant_id, "unit": unit, "kind": "sliding_window"}
    made = stack.admin.post("/limits", json={**body, "amount": 1_000_000, "window_seconds": 86_400 * 30})
    assert made.status_code == 201, made.text

    def charged() -> bool | None:
        usage = stack.chat(who).json()["usage"]
        rows = stack.usage_when(who, 1)
        expected = (
            usage["prompt_tokens"]
            if unit == "input_tokens"
            else 3 * usage["prompt_tokens"] + 15 * usage["completion_tokens"]
        )
        return None if not rows else spent(expected)

    def spent(expected: int) -> bool | None:
        budgets = stack.admin.get(f"/tenants/{who.tenant_id}/budgets").json()["budgets"]
        used = next(b["used"] for b in budgets if b["limit_id"] == made.json()["id"])
        micro = round(float(used) * 1_000_000) if unit == "cost" else used
        return True if micro and micro % expected == 0 else None

    wait_for(charged, "the charge")
