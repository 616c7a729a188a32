"""/tenants/{id}/statement: a month of a tenant, whose sums are those of the reports."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger.row import dump_parts
from tests.admin.conftest import Admin
from tests.admin.usage.test_explain import PRICES, model, write
from tests.admin.usage.test_export import used


@pytest.fixture(scope="module")
def tenant(admin: Admin) -> tuple[str, str]:
    model(admin, "stated", **PRICES)
    found: str = admin.tenant("Ärzte")["id"]
    return found, admin.key(found, "prod")["key"]["id"]


def test_sums_are_those_of_the_reports_and_of_exports(admin: Admin, tenant: tuple[str, str]) -> None:
    id, key = tenant
    write(
        admin,
        used("2026-02-28T23:59:59.999", model="stated", input_tokens=10**6, tenant_id=id, key_id=key),
        used(
            "2026-03-01", model="stated", input_tokens=900, cached_tokens=7, output_tokens=3, tenant_id=id, key_id=key
        ),
        used(
            "2026-03-31T23:59:59.999", model="stated", input_tokens=1001, output_tokens=7, tenant_id=id, key_id="gone"
        ),
        used("2026-03-09", model="free", input_tokens=11, tenant_id=id, key_id=key),
        used("2026-03-09", model="stated", input_tokens=5, tenant_id="other"),
        used("2026-04-01", model="stated", input_tokens=10**6, tenant_id=id, key_id=key),
    )
    answer = admin.http.get(f"/tenants/{id}/statement", params={"month": "2026-03"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    head = {name: found[name] for name in ("number", "tenant_name", "issuer", "currency", "time_zone", "closed")}
    assert head == {
        "number": f"{id}/2026-03",
        "tenant_name": "Ärzte",
        "issuer": "Tollkeeper",
        "currency": "USD",
        "time_zone": "UTC",
        "closed": True,
    }
    lines = {(line["key_name"], line["model"]): Decimal(line["cost"]) for line in found["lines"]}
    assert lines.keys() == {("prod", "stated"), ("prod", "free"), (None, "stated")}
    assert sum(lines.values()) == Decimal(found["total"]["cost"]) > lines["prod", "free"] == 0
    march = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", "tenant_id": id}
    assert found["total"]["cost"] == admin.http.get("/costs", params=march).json()["total"]["cost"]
    assert found["total"]["input_tokens"] == 900 + 1001 + 11


def test_charges_say_which_kinds_cost_what_at_which_prices(admin: Admin, tenant: tuple[str, str]) -> None:
    id = model(admin, "repriced", **PRICES)
    of = {"model": "repriced", "tenant_id": tenant[0], "key_id": tenant[1]}
    parts = dump_parts(0, 100, 0, 0, 0, 0, 2, 0)
    few = used(
        "2026-02-03", **of, input_tokens=900, cached_tokens=300, output_tokens=20, reasoning_tokens=5, parts=parts
    )
    write(admin, few, used("2026-02-04", **of, input_tokens=4001, output_tokens=0))
    assert admin.http.put(f"/models/{id}", json={"name": "repriced", "input_price": "3.00000001"}).status_code == 200
    write(admin, used("2026-02-05", **of, input_tokens=333, output_tokens=20))
    found = admin.http.get(f"/tenants/{tenant[0]}/statement", params={"month": "2026-02"}).json()
    charges = [each for each in found["charges"] if each["model"] == "repriced"]
    first, second = sorted({each["price_version"] for each in charges})
    shown = [(each["kind"], each["quantity"], each["price"], each["price_version"], each["cost"]) for each in charges]
    assert shown == [
        ("input", 500, "2.5", first, "0.00125"),
        ("input", 4001, "9", first, "0.036009"),
        ("input", 333, "3.00000001", second, "0.000999"),
        ("output", 15, "10", first, "0.00015"),
        ("output", 20, "0", second, "0"),
        ("cached", 300, "2.5", first, "0.00075"),
        ("cache_write_1h", 100, "5.00000001", first, "0.0005"),
        ("reasoning", 5, "10", first, "0.00005"),
        ("image", 2, "0.04", first, "0.08"),
    ]
    assert sum(Decimal(each["cost"]) for each in found["charges"]) == Decimal(found["total"]["cost"])
    february = {"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z", "tenant_id": tenant[0]}
    assert found["total"]["cost"] == admin.http.get("/costs", params=february).json()["total"]["cost"]


def test_a_month_that_is_not_over_is_said_to_grow(admin: Admin, tenant: tuple[str, str]) -> None:
    now = datetime.now(UTC)
    found = admin.http.get(f"/tenants/{tenant[0]}/statement", params={"month": f"{now:%Y-%m}"}).json()
    assert (found["closed"], found["lines"], found["total"]["cost"]) == (False, [], "0")
    assert admin.http.get(f"/tenants/{tenant[0]}/statement").json()["number"] == found["number"]


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "2026-3", "2026-03-01", "2099-01", "٢٠٢٦-٠٣"])
def test_what_is_no_month_that_was_is_refused(admin: Admin, tenant: tuple[str, str], month: str) -> None:
    assert admin.http.get(f"/tenants/{tenant[0]}/statement", params={"month": month}).status_code == 422


def test_of_nobody_there_is_none(admin: Admin) -> None:
    assert admin.http.get("/tenants/nobody/statement", params={"month": "2026-03"}).status_code == 404


def test_what_cannot_be_an_id_is_answered_as_none(admin: Admin) -> None:
    assert admin.http.get(f"/tenants/{'0' * 200}/statement").status_code == 404
