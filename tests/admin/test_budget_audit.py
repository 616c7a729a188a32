"""/budgets/audit and /budgets/mend: what budgets do not count, over HTTP."""

import asyncio
from typing import Any

from ledger.cost import priced
from ledger.postgres.ledger import PostgresLedger
from store.postgres import open_postgres
from tenancy.values.lease_id import lease_time, mint_lease_id
from tests.accesslog.entries import row
from tests.admin.conftest import Admin
from tests.conftest import PATIENT
from tests.reconcile.conftest import now_ms

MONTH = {"scope": "tenant", "unit": "tokens", "amount": 1000, "kind": "fixed_window", "calendar": "month"}


def used(admin: Admin, tenant_id: str, tokens: int) -> None:
    """A row of which the budgets know nothing."""
    lease_id = mint_lease_id(now_ms())
    written = row(id=lease_id, ts=lease_time(lease_id), tenant_id=tenant_id, input_tokens=tokens, output_tokens=0)

    async def append() -> None:
        async with open_postgres(admin.database_url, timeout=PATIENT) as pool:
            await PostgresLedger(pool).append(priced([written], {}))

    asyncio.run(append())


def audited(admin: Admin, **query: Any) -> dict[str, Any]:
    answer = admin.http.get("/budgets/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_is_missing_is_shown_and_charged_once(admin: Admin) -> None:
    tenant, other = admin.tenant("acme")["id"], admin.tenant("other")["id"]
    for each in (tenant, other):
        assert admin.post("/limits", **MONTH, tenant_id=each, name="month").status_code == 201
    used(admin, tenant, 300)
    used(admin, other, 50)
    found = audited(admin)
    assert (found["audited"], found["drifting"]) == (2, 2)
    assert [(each["tenant_id"], each["missing"]) for each in found["budgets"]] == [(tenant, 300), (other, 50)]
    assert audited(admin, tenant_id=other)["drifting"] == 1
    mended = admin.post("/budgets/mend", tenant_id=tenant)
    assert mended.status_code == 200, mended.text
    assert [(each["counted"], each["spent"]) for each in mended.json()["budgets"]] == [(0, 300)]
    assert admin.post("/budgets/mend", tenant_id=tenant).json() == {"budgets": []}
    (budget,) = admin.http.get(f"/tenants/{tenant}/budgets").json()["budgets"]
    assert (budget["used"], budget["remaining"]) == (300, 700)
    assert audited(admin)["drifting"] == 1
    assert admin.audit()[0]["action"] == "mend_budgets"


def test_an_audit_of_a_tenant_that_is_not_there_is_not_found(admin: Admin) -> None:
    assert admin.http.get("/budgets/audit", params={"tenant_id": "nobody"}).status_code == 404
    assert admin.post("/budgets/mend", tenant_id="nobody").status_code == 404
