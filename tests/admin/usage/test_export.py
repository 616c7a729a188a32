"""/usage/export: the ledger as files that real tools read, and as FOCUS has it; each row once, to the last decimal."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest
from focus_data_toolkit.model.validator import lint_focus_1_4_structure

from ledger.row import UsageRow, dump_parts
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import row
from tests.admin.conftest import Admin
from tests.admin.usage.test_explain import PRICES, model, write

MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
CURSOR = "tollkeeper-next-cursor"


def used(time: str, **columns: Any) -> UsageRow:
    at = datetime.fromisoformat(time).replace(tzinfo=UTC)
    plain = {"cached_tokens": 0, "reasoning_tokens": 0, "user_id": "", "tenant_id": "acme", "key_id": "k1"}
    return row(lease_id=mint_lease_id(int(at.timestamp() * 1000)), **{**plain, **columns})


@pytest.fixture(scope="module")
def named(admin: Admin) -> tuple[str, str]:
    """A tenant and its key; and a model with every kind of price."""
    model(admin, "billed", **PRICES)
    tenant: str = admin.tenant("Ärzte & Söhne")["id"]
    return tenant, admin.key(tenant, "prod")["key"]["id"]


@pytest.fixture
def march(admin: Admin, named: tuple[str, str]) -> Admin:
    """A month of usage at prices, for free, and refused."""
    tenant, key = named
    parts = dump_parts(0, 100, 0, 0, 0, 0, 2, 0)
    write(
        admin,
        used("2026-03-01T10:15:30.123", model="billed", input_tokens=900, cached_tokens=300, parts=parts),
        used("2026-03-01T10:45", model="billed", input_tokens=1, output_tokens=1, tenant_id=tenant, key_id=key),
        used("2026-03-01T10:46", model="billed", input_tokens=2, output_tokens=1, tenant_id=tenant, key_id=key),
        used("2026-03-09T23:59:59.999", model="billed", input_tokens=1001, output_tokens=7, user_id="ann"),
        used("2026-03-10", model="billed", input_tokens=5, output_tokens=7, service_tier="batch"),
        used("2026-03-11", model="=cmd|' /C calc'!A0", input_tokens=5, output_tokens=7, key_id=""),
        used("2026-03-12", model="", input_tokens=0, output_tokens=0, admission="refused", usage_source="none"),
        used("2026-04-01", model="billed", input_tokens=10**9),
    )
    return admin


def export(admin: Admin, limit: int = 5000, **query: Any) -> list[httpx.Response]:
    """All pages."""
    pages, cursor = list[httpx.Response](), ""
    while not pages or cursor:
        asked = {**MARCH, "limit": str(limit), **query, **({"cursor": cursor} if cursor else {})}
        answer = admin.http.get("/usage/export", params=asked)
        assert answer.status_code == 200, answer.text
        pages.append(answer)
        cursor = answer.headers.get(CURSOR, "")
    return pages


def rows(answers: Sequence[httpx.Response]) -> list[dict[str, str]]:
    return [each for answer in answers for each in csv.DictReader(io.StringIO(answer.text, newline=""))]


def ledger_cost(admin: Admin) -> Decimal:
    return Decimal(admin.http.get("/costs", params=MARCH).json()["total"]["cost"])


@pytest.mark.parametrize("limit", [5000, 1])
def test_focus_1_4_is_what_its_specification_asks_for(march: Admin, limit: int) -> None:
    found = rows(export(march, limit))
    report = lint_focus_1_4_structure(
        "Cost and Usage", found, supported_conditions=["SupportsUnitPricing", "SupportsMultiplePricingCategories"]
    )
    assert report.messages() == []
    assert sum(Decimal(each["BilledCost"]) for each in found) == ledger_cost(march) > 0
    for each in found:
        product = Decimal(each["ListUnitPrice"]) * Decimal(each["PricingQuantity"])
        assert product == Decimal(each["ListCost"]) == Decimal(each["ContractedCost"])
    assert len(found) == (15 if limit == 1 else 13)


def test_a_charge_says_what_was_used_and_at_which_price(march: Admin) -> None:
    found = {(each["BillingAccountName"], each["SkuId"]): each for each in rows(export(march))}
    each = found["Ärzte & Söhne", "billed/input"]
    shown = {
        name: each[name]
        for name in (
            "BilledCost",
            "PricingQuantity",
            "PricingUnit",
            "ListUnitPrice",
            "ConsumedQuantity",
            "ConsumedUnit",
        )
    }
    assert shown == {
        "BilledCost": "0.0000075",
        "PricingQuantity": "0.000003",
        "PricingUnit": "1000000 Tokens",
        "ListUnitPrice": "2.5",
        "ConsumedQuantity": "3.0",
        "ConsumedUnit": "Tokens",
    }
    assert (each["SubAccountName"], each["BillingCurrency"], each["InvoiceIssuerName"]) == ("prod", "USD", "Tollkeeper")
    assert (each["ChargePeriodStart"], each["ChargePeriodEnd"]) == ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z")
    assert (each["BillingPeriodStart"], each["BillingPeriodEnd"]) == ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    tiers = [
        json.loads(each["SkuPriceDetails"] or "{}")
        for each in rows(export(march))
        if each["SkuMeter"] == "Output tokens"
    ]
    assert {each.get("x_ServiceTier") for each in tiers} == {None, "batch"}
    assert {each.get("x_AboveInputTokens") for each in tiers} == {None, 1000}


def test_a_spreadsheet_computes_nothing(march: Admin) -> None:
    for schema in ("focus-1.4", "focus-1.2", "rows"):
        cells = [cell for each in rows(export(march, schema=schema)) for cell in each.values()]
        assert any(cell.startswith("'=cmd") for cell in cells)
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_rows_are_the_ledger_s_own(march: Admin) -> None:
    found = rows(export(march, limit=2, schema="rows"))
    assert [each["ts"] for each in found] == sorted(each["ts"] for each in found)
    assert (len(found), found[0]["ts"]) == (7, "2026-03-01T10:15:30.123Z")
    assert sum(Decimal(each["cost"]) for each in found) == ledger_cost(march)
    assert json.loads(found[0]["parts"]) == {"cache_write_1h": 100, "images": 2}
    assert (found[1]["tenant_name"], found[1]["key_name"], found[1]["currency"]) == ("Ärzte & Söhne", "prod", "USD")


@pytest.mark.parametrize("schema", ["focus-1.4", "focus-1.2", "rows"])
def test_parquet_holds_what_csv_holds(march: Admin, schema: str, tmp_path: Path) -> None:
    (answer,) = export(march, format="parquet", schema=schema)
    assert answer.headers["content-disposition"] == f'attachment; filename="usage-{schema}.parquet"'
    path = tmp_path / "usage.parquet"
    path.write_bytes(answer.content)
    table, text = pq.read_table(path), rows(export(march, schema=schema))
    assert table.column_names == list(text[0])
    assert table.num_rows == len(text)
    cost = "cost" if schema == "rows" else "BilledCost"
    assert sum(table.column(cost).to_pylist()) == sum(Decimal(each[cost]) for each in text) == ledger_cost(march)
    summed = duckdb.sql(f"SELECT sum({cost}), count(*) FROM read_parquet('{path}')").fetchall()  # noqa: S608
    assert summed == [(ledger_cost(march), len(text))]


def test_what_nobody_used_is_a_file_without_rows(march: Admin) -> None:
    nothing: dict[str, Any] = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-02T00:00:00Z"}
    (answer,) = export(march, **nothing)
    assert answer.text.startswith("BilledCost,")
    assert rows([answer]) == []
    (answer,) = export(march, format="parquet", **nothing)
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0


def test_without_pyarrow_it_is_said_what_to_install(march: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = march.http.get("/usage/export", params={**MARCH, "format": "parquet"})
    assert answer.status_code == 422
    assert "pip install 'tollkeeper[parquet]'" in answer.json()["detail"]


def test_only_what_is_asked_for(march: Admin) -> None:
    assert {each["BillingAccountId"] for each in rows(export(march, tenant_id="acme"))} == {"acme"}
    assert [each["user_id"] for each in rows(export(march, user_id="ann", schema="rows"))] == ["ann"]
    assert rows(export(march, model="nothing")) == []


@pytest.mark.parametrize(
    "query",
    [{"schema": "focus-9"}, {"format": "xlsx"}, {"limit": "5001"}, {"cursor": "abc"}, {"from": "2026-04-02T00:00:00Z"}],
)
def test_what_cannot_be_is_refused(march: Admin, query: dict[str, str]) -> None:
    assert march.http.get("/usage/export", params={**MARCH, **query}).status_code == 422


def test_a_cost_that_no_kept_price_explains_is_an_adjustment(march: Admin) -> None:
    march.query("UPDATE usage SET output_cost = output_cost + 1 WHERE user_id = 'ann'")
    found = rows(export(march))
    assert lint_focus_1_4_structure("Cost and Usage", found).messages() == []
    odd = [each for each in found if each["ChargeCategory"] == "Adjustment"]
    assert {each["ChargeDescription"] for each in odd} == {
        "input cost of billed, not explained by a kept price",
        "output cost of billed, not explained by a kept price",
    }
    assert sum(Decimal(each["BilledCost"]) for each in found) == ledger_cost(march)
