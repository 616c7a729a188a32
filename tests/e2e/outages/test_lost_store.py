"""FLUSHALL under load: a used-up month stays used up, requests get the failure mode meanwhile, keys come back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.load import Load

pytestmark = pytest.mark.alone

MONTH = {"scope": "tenant", "unit": "tokens", "kind": "fixed_window", "calendar": "month"}


@pytest.fixture
def own_stack(public_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(public_path / "stack")
    yield deployment
    deployment.close()


def test_a_used_up_month_is_not_full_again(own_stack: Deployment) -> None:
    who, idle = own_stack.tenant(), own_stack.tenant()
    for tenant, amount in ((who, 2_000), (idle, 1_000_000)):
        answer = own_stack.admin.post("/limits", json={**MONTH, "tenant_id": tenant.tenant_id, "amount": amount})
        assert answer.status_code == 201, answer.text
    with Load(own_stack, who, clients=2) as load:
        wait_for(lambda: True if set(load.during(1.0).values()) == {429} else None, "the month is used up", 60)
    assert own_stack.chat(idle).status_code == 200
    counted = {tenant.tenant_id: len(own_stack.usage(tenant)) for tenant in (who, idle)}
    with own_stack.redis() as redis, Load(own_stack, who, clients=2) as load:
        assert set(load.during(1.0).values()) == {429}
        redis.flushall()
        load.during(3.0)
        wait_for(lambda: True if redis.exists("tollkeeper:epoch:{0}") else None, "the budgets are restored")
        assert set(load.during(1.0).values()) == {429}
        assert redis.keys(f"tollkeeper:budget:{{{who.tenant_id}}}:lim_*")
        # The records of keys were lost too: Postgres answered, and they are in Redis again.
        assert own_stack.chat(idle).status_code == 200
        wait_for(lambda: True if redis.keys("tollkeeper:key:*") else None, "key records are written again")
    assert set(load.answers.values()) <= {429, 503}  # nothing ran on a budget that only looked full
    assert counted[who.tenant_id] > 0
    audit = own_stack.admin.get("/budgets/audit").json()
    assert [budget for budget in audit["budgets"] if budget["missing"]] == []
    assert 'tollkeeper_budgets_restorations_total{process="ratelimit"} 2.0' in own_stack.metrics()
