"""A change of a budget that is asked for again under its Idempotency-Key is made once."""

from typing import Any

import pytest

from tests.admin.conftest import Admin
from tests.admin.problems import refused

ONCE = {"idempotency-key": "once"}
LIMIT = {"scope": "tenant", "unit": "tokens", "amount": 1000, "calendar": "month"}


@pytest.fixture
def budget(admin: Admin) -> str:
    answer = admin.post("/limits", tenant_id=admin.tenant()["id"], **LIMIT)
    found: str = answer.json()["id"]
    return found


@pytest.fixture
def path(admin: Admin, budget: str) -> str:
    return f"/tenants/{admin.http.get('/tenants').json()['tenants'][0]['id']}/budgets"


def used(admin: Admin, path: str) -> int:
    (shown,) = admin.http.get(path).json()["budgets"]
    found: int = shown["used"]
    return found


@pytest.mark.parametrize("how", ["adjust", "reset"])
def test_the_first_answer_is_given_again(admin: Admin, path: str, budget: str, how: str) -> None:
    charge: dict[str, Any] = {"budget": budget, "amount": -400}
    body = charge if how == "adjust" else {"budget": budget}
    first = admin.http.post(f"{path}/{how}", json=body, headers=ONCE)
    assert first.status_code == 200
    admin.http.post(f"{path}/adjust", json=charge)
    seen, entries = used(admin, path), len(admin.audit())
    again = admin.http.post(f"{path}/{how}", json=body, headers=ONCE)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (200, first.json(), "true")
    assert "location" not in again.headers
    assert (used(admin, path), len(admin.audit())) == (seen, entries)
    refused(admin.http.post(f"{path}/adjust", json={**charge, "amount": 7}, headers=ONCE), 422)
    refused(admin.http.post(f"{path}/{how}", json=body, headers={"idempotency-key": "a b"}), 422)


def test_without_a_key_each_charge_counts(admin: Admin, path: str, budget: str) -> None:
    for _ in range(2):
        admin.http.post(f"{path}/adjust", json={"budget": budget, "amount": -400})
    assert used(admin, path) == 800


def test_a_charge_is_made_once_although_its_commit_was_lost(admin: Admin, path: str, budget: str) -> None:
    """Redis had made it; its caller heard 503."""
    charge = {"budget": budget, "amount": -400}
    admin.http.post(f"{path}/adjust", json=charge, headers=ONCE)
    admin.query("DELETE FROM idempotency_keys")
    admin.query("DELETE FROM audit_log WHERE action = 'adjust_budget'")
    again = admin.http.post(f"{path}/adjust", json=charge, headers=ONCE)
    assert (again.status_code, again.json()["used"]) == (200, 400)
    assert admin.audit()[0]["action"] == "adjust_budget"
    other = admin.http.post(f"{path}/adjust", json=charge, headers={"idempotency-key": "next"})
    assert other.json()["used"] == 800
    markers = admin.redis.keys("tollkeeper:changed:*")
    assert len(markers) == 2
    assert all(0 < admin.redis.pttl(marker) < 86_400_000 for marker in markers)
