"""What pages show of the ledger, the registry, the groups and the audit log, and what their forms change."""

import asyncio
import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from admin.console.chart import stacked
from admin.console.soon import Soon
from admin.console.words import ago, change, compact, duration, money, rule
from ledger.cost import Cost, PricedRow
from ledger.postgres.ledger import PostgresLedger
from store.postgres import open_postgres
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Limit
from tests.accesslog import entries
from tests.admin.conftest import Admin, wait_until
from tests.conftest import PATIENT
from tests.console.conftest import Visitor, text_of

NASTY = "<svg onload=alert(1)>"


def used(admin: Admin, *rows: dict[str, object], hours_ago: float = 0.1, cost: int = 2 * 10**10) -> list[str]:
    """Puts rows into the ledger; their ids."""
    made = []
    for number, fields in enumerate(rows):
        lease_id = mint_lease_id(int((time.time() - hours_ago * 3600) * 1000) - number)
        row = entries.row(lease_id=lease_id)._replace(**fields)  # type: ignore[arg-type] # by name
        made.append(PricedRow(row, Cost(input=cost)))

    async def append() -> None:
        async with open_postgres(admin.database_url, timeout=PATIENT) as pool:
            await PostgresLedger(pool).append(made)

    asyncio.run(append())
    return [each.usage.id for each in made]


def test_usage_is_drawn_and_listed_by_tenant_key_user_and_model(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("Drawn")
    of = {"tenant_id": tenant["id"], "key_id": "k-1", "user_id": "ann"}
    used(admin, {**of, "model": NASTY}, {**of, "model": "other"}, {**of, "key_id": "=cmd()", "user_id": NASTY})
    page = whole(owner, period="24h", by="tenant", measure="cost")
    assert "Drawn" in text_of(page)
    assert re.search(r"<title>[^<]*Drawn: 6\.00</title>", page.text)
    for by, names in {"key": ("k-1", "=cmd()"), "user": ("ann", NASTY), "model": (NASTY, "other")}.items():
        answer = whole(owner, period="24h", by=by, tenant=tenant["id"])
        assert NASTY not in answer.text, by
        text = text_of(answer)
        assert all(name.replace("<", "&lt;").replace(">", "&gt;") in text for name in names), (by, text)
    key = admin.key(tenant["id"], "of the drawn")["key"]
    used(admin, {**of, "key_id": key["id"], "model": "other"})
    assert "of the drawn" in text_of(whole(owner, period="24h", by="key", tenant=tenant["id"], measure="refused"))
    answer = owner.get("/console/usage.csv", period="24h", by="key", tenant=tenant["id"])
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-by-key-24h.csv"'
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert sorted((row["key_name"], row["requests"], row["cost"]) for row in rows) == [
        ("", "1", "2.0"),
        ("", "2", "4.0"),
        ("of the drawn", "1", "2.0"),
    ]
    assert {row["key_id"] for row in rows} == {"'=cmd()", "k-1", key["id"]}
    assert "Nothing was used" in text_of(whole(owner, tenant=admin.tenant("idle")["id"], period="24h"))
    for odd in ({"period": "x"}, {"by": "x"}, {"measure": "x"}, {"model": "\x00"}):
        assert owner.get("/console/usage", **odd).status_code == 200, odd


def whole(owner: Visitor, **query: str) -> httpx.Response:
    """The page once everything is added up, which a busy machine may show without what comes later."""
    page: list[httpx.Response] = []

    def there() -> bool:
        page[:] = [owner.get("/console/usage", **query)]
        return "data-pending" not in page[0].text

    wait_until(there)
    return page[0]


async def test_what_takes_long_is_worked_out_once_and_a_failure_is_not_kept() -> None:
    soon, made = Soon[int](), list[int]()

    async def slow() -> int:
        made.append(1)
        await asyncio.sleep(0.05)
        return len(made)

    async def fails() -> int:
        made.append(1)
        raise ValueError

    assert await soon.get("a", slow, 0) is None
    assert await asyncio.gather(*(soon.get("a", slow, 20) for _ in range(3))) == [1, 1, 1]
    assert await soon.get("b", slow, 20) == 2
    for tries in (3, 4):
        with pytest.raises(ValueError):  # noqa: PT011 - which it is does not matter
            await soon.get("c", fails, 20)
        assert len(made) == tries
    assert await soon.get("c", slow, 20) == 5


def test_the_overview_says_what_is_refused_spent_and_nearly_spent(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("Nearly", tokens_per_minute=None)
    limit = {"scope": "tenant", "tenant_id": tenant["id"], "unit": "tokens", "amount": 1000, "calendar": "month"}
    budget = admin.post("/limits", **limit, name="monthly").json()["id"]
    admin.post(f"/tenants/{tenant['id']}/budgets/adjust", budget=budget, amount=-900)
    refused = {"tenant_id": tenant["id"], "admission": "refused", "status": 429, "denied_by": "monthly"}
    used(admin, refused, refused, {**refused, "denied_by": "unavailable", "status": 503})
    for path in ("/console", "/console/live"):
        text = text_of(owner.get(path))
        for part in ("Limit monthly 429 1 2", "Tollkeeper could not decide 503 1 1"):
            assert part in text, text
        assert "Nearly monthly 10%" in text
        assert "No sidecar reports" in text
        assert "1 request answered with 503" in text
    assert "<html" not in owner.get("/console/live").text


def test_a_request_is_explained_by_its_id(owner: Visitor, admin: Admin) -> None:
    of = {"tenant_id": "acme", "model": "mock-model", "request_id": "asked-for", "input_tokens": 12, "status": 200}
    (lease_id,) = used(admin, of)
    used(admin, {**of, "admission": "refused", "status": 429, "denied_by": "monthly", "request_id": NASTY})
    for asked in ("asked-for", lease_id, " asked-for "):
        text = text_of(owner.get("/console/requests", id=asked))
        assert "Admitted, " in text
        assert "Cost 2.00" in text
        assert "acme" in text
    answer = owner.get("/console/requests", id=NASTY)
    assert "Refused with 429 by the limit monthly" in text_of(answer)
    assert NASTY not in answer.text
    missing = owner.get("/console/requests", id="nobody-s")
    assert (missing.status_code, "Nothing is known of a request nobody-s" in text_of(missing)) == (404, True)
    assert owner.get("/console/requests").status_code == 200


def test_the_audit_log_is_shown_field_by_field_and_filtered(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant(NASTY, weight=100)
    admin.http.patch(f"/tenants/{tenant['id']}", json={"weight": 250})
    answer = owner.get("/console/audit", target=tenant["id"])
    assert answer.text.count("<tr>") == 3
    assert "<dt>weight</dt><dd><del>100</del> <ins>250</ins></dd>" in answer.text
    assert NASTY not in answer.text
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for query, shown in (
        ({"action": "update_tenant"}, True),
        ({"action": "delete_model"}, False),
        ({"actor": "admin", "from": today, "to": today}, True),
        ({"to": "2020-01-01"}, False),
        ({"from": "yesterday", "before": "x"}, True),
    ):
        found = owner.get("/console/audit", **{**query, "target": tenant["id"]})
        assert (tenant["id"] + "</code>" in found.text) == shown, query


def test_the_audit_log_is_paged(owner: Visitor, admin: Admin) -> None:
    tenant = admin.tenant("Paged")
    for weight in range(1, 52):
        admin.http.patch(f"/tenants/{tenant['id']}", json={"weight": weight})
    first = owner.get("/console/audit", target=tenant["id"])
    (before,) = re.findall(r'name="before" value="(\d+)"', first.text)
    second = owner.get("/console/audit", target=tenant["id"], before=before)
    assert [page.text.count("<ins>") > 0 for page in (first, second)] == [True, True]
    assert "create tenant" in text_of(second)
    assert 'name="before"' not in second.text


def test_a_model_is_registered_priced_and_taken_out(owner: Visitor, admin: Admin) -> None:
    assert "No model is registered" in text_of(owner.get("/console/models"))
    fields = {"name": NASTY, "input_price": "3", "output_price": "15.50", "context_window": "128k", "enabled": "true"}
    assert owner.send("/console/models/new", **fields).status_code == 303
    (model,) = admin.http.get("/models").json()["models"]
    assert (model["input_price"], model["output_price"], model["context_window"]) == ("3", "15.5", 128_000)
    tier = {"service_tier": "batch", "input_price": "1.5"}
    body = {name: model[name] for name in ("name", "input_price", "output_price", "context_window", "weight")}
    admin.http.put(f"/models/{model['id']}", json={**body, "price_tiers": [tier]})
    page = f"/console/models/{model['id']}"
    assert NASTY not in owner.get(page).text + owner.get("/console/models").text
    assert owner.send(page, **{**fields, "input_price": "4"}).status_code == 303
    model = admin.http.get(f"/models/{model['id']}").json()
    assert (model["input_price"], model["price_tiers"][0]["service_tier"]) == ("4", "batch")
    assert "input 3, output 15.5" in text_of(owner.get(page))
    answer = owner.send(page, **{**fields, "input_price": "four"})
    assert (answer.status_code, "must be a decimal" in text_of(answer)) == (422, True)
    assert owner.send(page, f"{page}/delete").status_code == 303
    assert admin.http.get("/models").json()["models"] == []


def test_groups_are_weighed(owner: Visitor, admin: Admin) -> None:
    assert owner.send("/console/groups", name="research", weight="300").status_code == 303
    assert "research 300" in text_of(owner.get("/console/groups/live"))
    taken = owner.send("/console/groups", name="research", weight="1")
    assert (taken.status_code, "already a fairshare group" in text_of(taken)) == (409, True)
    page = "/console/groups/research"
    assert owner.send(page, weight="50").status_code == 303
    assert admin.http.get("/fairshare/groups/research").json()["weight"] == 50
    tenant = admin.tenant("of research", fairshare_group="research")
    assert owner.send(page, f"{page}/delete").status_code == 409
    admin.http.delete(f"/tenants/{tenant['id']}")
    assert owner.send(page, f"{page}/delete").status_code == 303
    assert owner.get(page).status_code == 404


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"unit": "tokens", "amount": "2m", "every": "day", "kind": "fixed_window", "time_zone": "Europe/Paris"},
         "at most 2,000,000 tokens each day in Europe/Paris"),
        ({"unit": "cost", "amount": "12.50", "every": "month", "kind": "fixed_window"},
         "at most 12.50 spent each month in UTC"),
        ({"unit": "requests", "amount": "100", "every": "hour", "kind": "sliding_window"},
         "at most 100 requests in any hour"),
    ],
)  # fmt: skip
def test_a_limit_is_made_from_words_and_said_in_words(
    owner: Visitor, admin: Admin, fields: dict[str, str], says: str
) -> None:
    tenant = admin.tenant(f"limited by {fields['unit']}")
    where = f"/console/tenants/{tenant['id']}"
    assert owner.send(f"{where}/limits/new", **fields, name="mine").status_code == 303
    assert says in text_of(owner.get(where))
    (limit,) = admin.http.get("/limits", params={"tenant_id": tenant["id"]}).json()["limits"]
    page = f"/console/limits/{limit['id']}"
    assert says in text_of(owner.get(page))
    assert owner.send(page, amount="5").status_code == 303
    assert admin.http.get(f"/limits/{limit['id']}").json()["amount"] in (5, "5")
    assert owner.send(page, f"{page}/delete").status_code == 303
    assert owner.get(page).status_code == 404


def test_a_limit_that_is_impossible_is_said(owner: Visitor, admin: Admin) -> None:
    form = f"/console/tenants/{admin.tenant('impossible')['id']}/limits/new"
    for fields, says in (
        ({"amount": "5", "unit": "tokens", "every": "day", "scope": "model"}, "model required with scope model"),
        ({"amount": "5", "unit": "tokens", "every": "day", "time_zone": "Europe/Paris"}, "fixed_window of a calendar"),
        ({"amount": "0.5", "unit": "tokens", "every": "day"}, "a whole number of tokens"),
        ({"amount": "-5", "unit": "tokens", "every": "day"}, "greater than 0"),
        ({"amount": "5", "unit": "apples", "every": "day"}, "should be"),
    ):
        answer = owner.send(form, **fields)
        assert (answer.status_code, says in text_of(answer).lower()) == (422, True), text_of(answer)


def test_charts_are_stacked_to_scale() -> None:
    starts = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(3)]
    chart = stacked(starts, [("a", [10, 0, 30]), ("b", [30, 0, 0])], compact)
    assert chart is not None
    assert [label for _, label in chart.ticks] == ["0", "10", "20", "30", "40"]
    first, last = chart.bars
    low, high = first.parts
    assert (low.y + low.height, high.y + high.height) == (chart.foot, low.y)
    assert (high.height, last.parts[0].height) == (3 * low.height, 3 * low.height)
    assert chart.paths()[1] == f"M{first.x:g} {high.y:g}h{first.width:g}v{high.height:g}h-{first.width:g}z"
    assert [path.count("M") for path in chart.paths()] == [2, 1]
    assert first.says == "01 Jan, 00:00\na: 10\nb: 30"
    assert stacked(starts, [("a", [0, 0, 0])], compact) is None


def test_numbers_and_times_in_words() -> None:
    assert [compact(n) for n in (0, 9999, 12_345, 1_234_567, 5 * 10**9)] == ["0", "9,999", "12.3k", "1.23M", "5G"]
    costs = [money(Decimal(each)) for each in ("0", "12.5", "0.0389", "0.00001234", "0.999")]
    assert costs == ["0.00", "12.50", "0.0389", "1.2e-5", "1.00"]
    assert [change(Decimal(3), Decimal(2)), change(Decimal(1), Decimal(2)), change(Decimal(1), Decimal(0))] == [
        "+50%",
        "-50%",
        "",
    ]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert ago(now - timedelta(minutes=3), now) == "3 minutes ago"
    assert ago(now + timedelta(days=2), now) == "in 2 days"
    assert duration(3600) == "1 hour"
    assert rule(Limit.of_fields({"scope": "tenant", "unit": "tokens", "amount": 1, "window_seconds": 90})) == (
        "at most 1 token per 90 seconds, refilled steadily"
    )
