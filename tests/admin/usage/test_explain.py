"""/requests: a bill is recomputed from its row and the prices of its time, whatever has become of the model since."""

import asyncio
import random
import re
from decimal import Decimal
from typing import Any

import pytest
from typer.main import get_command

from admin.commands.queries.denied import BOUNDS, DENIALS, RAISE, REFUSALS
from ledger.cost import priced
from ledger.postgres.ledger import PostgresLedger
from ledger.row import PARTS, UsageRow, UsageSource, dump_parts
from ratelimit.tenants.uploads import READING
from ratelimit.uploads import Full
from store.postgres import open_postgres
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.values.prices import PRICE_FIELDS
from tests.accesslog.entries import row
from tests.admin.conftest import Admin
from tests.conftest import PATIENT
from tollkeeper.__main__ import app

PRICES = {
    "input_price": "2.5",
    "output_price": "10",
    "cache_write_1h_price": "5.00000001",
    "image_price": "0.04",
    "price_tiers": [{"service_tier": "batch", "input_price": "1.25"}, {"above_input_tokens": 1000, "input_price": "9"}],
}


def write(admin: Admin, *rows: UsageRow) -> None:
    """As a sidecar does, at the prices that the registry has now."""

    async def append() -> None:
        async with open_postgres(admin.database_url, timeout=PATIENT) as pool:
            known = await PostgresModelSource(pool, timeout=20).load()
            await PostgresLedger(pool, timeout=20).append(priced(rows, known.prices))

    asyncio.run(append())


def explained(admin: Admin, label: str) -> list[dict[str, Any]]:
    answer = admin.http.get(f"/requests/{label}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["requests"]
    return found


def model(admin: Admin, name: str, **prices: Any) -> str:
    made = admin.post("/models", name=name, **prices)
    assert made.status_code == 201, made.text
    found: str = made.json()["id"]
    return found


def test_a_bill_says_what_each_kind_cost(admin: Admin) -> None:
    id = model(admin, "billed", **PRICES)
    used = row(
        model="billed",
        request_id="billed-1",
        input_tokens=900,
        cached_tokens=300,
        output_tokens=20,
        parts=dump_parts(0, 100, 0, 0, 0, 0, 2, 0),
    )
    write(admin, used)
    admin.http.put(f"/models/{id}", json={"name": "billed", "input_price": "99"})
    (found,) = explained(admin, "billed-1")
    assert [(item["kind"], item["quantity"], item["price"], item["cost"]) for item in found["items"]] == [
        ("input", 500, "2.5", "0.00125"),
        ("output", 20, "10", "0.0002"),
        ("cached", 300, "2.5", "0.00075"),
        ("cache_write_1h", 100, "5.00000001", "0.000500000001"),
        ("image", 2, "0.04", "0.08"),
    ]
    costs = [found[name] for name in ("input_cost", "cached_cost", "output_cost", "cost")]
    assert costs == ["0.00175", "0.00075", "0.0802", "0.0827"]
    assert found["recomputed"] is True
    assert found["parts"] == {"cache_write_1h": 100, "images": 2}
    assert found["decision"] == "admitted, 100 tokens reserved"
    history = admin.http.get(f"/models/{id}/prices").json()["prices"]
    assert [each["prices"] for each in history] == [{"input_price": "99"}, PRICES]
    assert history[1]["version"] == found["price_version"]
    admin.http.delete(f"/models/{id}")
    assert explained(admin, "billed-1") == [found]
    admin.query("UPDATE usage SET input_cost = input_cost + 1e-10 WHERE request_id = 'billed-1'")
    assert explained(admin, "billed-1")[0]["recomputed"] is False


@pytest.mark.parametrize(
    ("service_tier", "input_tokens", "tier", "price"),
    [
        ("batch", 10, "batch", "1.25"),
        ("default", 10, None, "2.5"),
        ("", 1001, "above 1000 input tokens", "9"),
        ("batch", 1001, "batch, above 1000 input tokens", "1.25"),
    ],
)
def test_the_tier_that_held_is_named(
    admin: Admin, service_tier: str, input_tokens: int, tier: str | None, price: str
) -> None:
    id = model(admin, "tiered", **PRICES)
    used = row(model="tiered", request_id="t", service_tier=service_tier, input_tokens=input_tokens)
    write(admin, used)
    (found,) = explained(admin, used.id)
    assert (found["price_tier"], found["items"][0]["price"], found["service_tier"]) == (tier, price, service_tier)
    admin.http.delete(f"/models/{id}")


def test_several_requests_may_have_one_label_and_each_its_own_id(admin: Admin) -> None:
    refused = row(
        request_id="same",
        admission="refused",
        status=429,
        denied_by="daily",
        usage_source=UsageSource.NONE,
        output_tokens=0,
    )
    rows = [row(request_id="same", usage_source=UsageSource.ESTIMATED), refused, row(request_id="other")]
    write(admin, *rows)
    assert {each["lease_id"] for each in explained(admin, "same")} == {rows[0].id, refused.id}
    (found,) = explained(admin, refused.id)
    assert (found["decision"], found["limit"], found["cost"]) == ("refused with 429 by the limit daily", "daily", "0")
    assert found["usage"] == "nothing was used"
    assert [found["items"], found["price_version"], found["recomputed"]] == [[], None, False]
    (found,) = explained(admin, rows[0].id)
    assert found["usage"].startswith("estimated")
    unknown = refused._replace(id=row().id, request_id="unknown", status=404, denied_by="model_not_found")
    write(admin, unknown)
    (found,) = explained(admin, "unknown")
    assert (found["decision"], found["limit"]) == ("refused with 404: the model is not registered, or not enabled", "")


@pytest.mark.parametrize(
    ("fields", "limit", "says"),
    [
        ({"admission": "queued", "queue_ms": 1234}, "", "admitted after 1,234 ms in the queue, 100 tokens reserved"),
        (
            {"admission": "refused", "status": 503, "denied_by": "all:in_flight", "queue_ms": 30_000},
            "all:in_flight",
            "refused with 503: all that may run was running after 30,000 ms in the queue",
        ),
        (
            {"admission": "refused", "status": 429, "denied_by": "model:in_flight", "queue_ms": 90, "requests": 3},
            "model:in_flight",
            "3 requests refused with 429: all that the model may run was running",
        ),
    ],
)
def test_who_waited_for_room_is_told_how_long(admin: Admin, fields: dict[str, Any], limit: str, says: str) -> None:
    used = row(**fields)
    write(admin, used)
    (found,) = explained(admin, used.id)
    assert (found["decision"], found["limit"], found["queue_ms"]) == (says, limit, fields["queue_ms"])


@pytest.mark.parametrize("label", ["nobody", "x" * 512, "01900000-0000-7000-8000-000000000000", "%27%3B--", "é"])
def test_a_request_that_is_not_there_is_not_found(admin: Admin, label: str) -> None:
    assert admin.http.get(f"/requests/{label}").status_code == 404


def test_what_cannot_be_an_id_is_refused(admin: Admin) -> None:
    assert admin.http.get(f"/requests/{'x' * 513}").status_code == 422
    assert admin.http.get("/requests/a%00b").status_code == 422


def test_every_row_is_recomputed_to_the_last_decimal(admin: Admin) -> None:
    """Of models with all kinds of prices, which change between rows."""
    chance = random.Random(7)
    ids = {name: model(admin, name) for name in ("a", "b")}
    rows = []
    for _ in range(12):
        for name, id in ids.items():
            prices = {
                field: f"{Decimal(chance.randrange(10 ** chance.randrange(1, 12))).scaleb(-8):f}"
                for field in PRICE_FIELDS
                if chance.random() < 0.6
            }
            tiers = [
                {**tier, **{field: f"{chance.randrange(1, 99)}.{chance.randrange(10**8):08}" for field in prices}}
                for tier in ({"service_tier": "batch"}, {"above_input_tokens": 500})
                if chance.random() < 0.7
            ]
            changed = admin.http.put(f"/models/{id}", json={"name": name, **prices, "price_tiers": tiers})
            assert changed.status_code == 200, changed.text
        batch = []
        for name in ids:
            parts = tuple(chance.choice([0, chance.randrange(300)]) for _ in PARTS)
            used = {"input_tokens": chance.randrange(1000), "output_tokens": chance.randrange(1000)}
            tier = chance.choice(["", "batch"])
            batch.append(row(model=name, **used, parts=dump_parts(*parts), service_tier=tier))
        write(admin, *batch)
        rows += batch
    for each in rows:
        (found,) = explained(admin, each.id)
        total = sum((Decimal(item["cost"]) for item in found["items"]), Decimal())
        if found["price_version"] is None:
            assert (found["items"], found["cost"]) == ([], "0")
        else:
            assert found["recomputed"] is True
            assert abs(total - Decimal(found["cost"])) <= 3 * Decimal("0.5e-10")
    for id in ids.values():
        admin.http.delete(f"/models/{id}")


def test_an_error_that_was_let_through_says_whose_it_was(admin: Admin) -> None:
    failed = row(request_id="passed on", status=404)
    write(admin, failed, row(request_id="good", status=200))
    (found,) = explained(admin, failed.id)
    assert found["advice"].startswith("Tollkeeper let it through: 404 is what the model server answered")
    assert [each["advice"] for each in explained(admin, "good")] == [""]


@pytest.mark.parametrize("by", [*Full, READING, "too_long"])
def test_a_large_body_is_refused_by_no_limit_that_could_be_raised(admin: Admin, by: str) -> None:
    refused = row(admission="refused", status=413 if by == "too_long" else 429, denied_by=by, output_tokens=0)
    write(admin, refused)
    (found,) = explained(admin, refused.id)
    assert "by the limit" not in found["decision"]
    assert "budget list" not in found["advice"]


def test_advice_names_commands_that_there_are() -> None:
    said = [each.advice for group in (REFUSALS, BOUNDS, DENIALS) for each in group.values()]
    named = re.findall(r"`tollkeeper ([^`]*)`", " ".join([*said, RAISE.format("a-tenant")]))
    assert len(named) > 10
    for words in map(str.split, named):
        command: Any = get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), words  # a whole command, and no group
        assert all(not each.startswith("-") for each in words)
