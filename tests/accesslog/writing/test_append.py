"""A row costs what its model's prices are when it is written, and waits while nobody knows them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.row import UsageRow
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.prices import Prices
from tests.accesslog.entries import CHAT_USAGE
from tests.accesslog.stack import CAPACITY, RESERVED, Stack, wait_until
from tests.ratelimit.stores import account

PRICES = {"mock-model": Prices.of(Decimal(1), Decimal(10), None)}
COSTS = (Decimal("0.000012"), Decimal(0), Decimal("0.0003"))  # of the 12 and 30 tokens that every entry reports
INSERT_KEY = """
WITH tenant AS (INSERT INTO tenants (id, name) VALUES ('acme', 'acme'))
INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix) VALUES ('key_1', 'acme', 'k', repeat('a', 64), 'sk_')
"""


def costs(stack: Stack) -> set[tuple[Decimal, ...]]:
    return {(row["input_cost"], row["cached_cost"], row["output_cost"]) for row in stack.rows()}


def test_a_row_costs_what_the_prices_are_when_it_is_written(stack: Stack) -> None:
    stack.prices = PRICES
    stack.stream(stack.admit(2))
    stack.wait_for_rows(2)
    assert costs(stack) == {COSTS}
    stack.prices = {}
    stack.stream(stack.admit(1))
    stack.wait_for_rows(3)
    assert costs(stack) == {COSTS, (Decimal(0),) * 3}
    stack.assert_each_once()


def test_rows_wait_on_disk_while_prices_are_not_known(stack: Stack) -> None:
    stack.prices = None
    stack.stream(stack.admit(20))
    wait_until(lambda: stack.metrics.spooled.counts[""] == 20)
    stack.restart()
    stack.stream(stack.admit(5))
    wait_until(lambda: stack.metrics.spooled.counts[""] == 5)
    assert stack.rows() == []
    stack.prices = PRICES
    stack.assert_each_once()
    assert costs(stack) == {COSTS}


def test_rows_without_room_on_disk_wait_for_prices_in_memory(tmp_path: Path, stack: Stack) -> None:
    stack.prices = None
    stack.restart(spool_max_bytes=5_000, spool_dir=tmp_path / "small")
    stack.stream(stack.admit(100))
    wait_until(lambda: stack.gauge("rows_waiting") == 100)
    assert stack.rows() == []
    stack.prices = PRICES
    stack.assert_each_once()
    assert costs(stack) == {COSTS}


def test_rows_on_disk_are_priced_when_they_are_written(stack: Stack) -> None:
    stack.prices = PRICES
    stack.postgres.cut()
    stack.stream(stack.admit(3))
    wait_until(lambda: stack.metrics.spooled.counts[""] == 3)
    stack.prices = {"mock-model": Prices.of(Decimal(100), None, None)}
    stack.postgres.restore()
    stack.assert_each_once()
    assert costs(stack) == {(Decimal("0.0012"), Decimal(0), Decimal(0))}


def test_rows_on_disk_are_kept_as_the_versions_before_kept_them(stack: Stack) -> None:
    stack.prices = None
    stack.stream(stack.admit(1))
    wait_until(lambda: stack.metrics.spooled.counts[""] == 1)
    (segment,) = (stack.directory / "spool").glob("*.jsonl")
    assert json.loads(segment.read_text()).keys() == {*UsageRow._fields} - {"ts"}


def test_budgets_of_money_are_charged_what_the_ledger_charges(stack: Stack) -> None:
    """Also for what a lease knows nothing of: the tier, what was written into a cache, a price that changed since."""
    stack.prices = {
        "mock-model": Prices.of_set(
            {"input_price": "1", "output_price": "10", "cache_write_5m_price": "2.5", "request_price": "0.00001"},
            [{"service_tier": "priority", "output_price": "20.1"}],
        )
    }
    metered = "usage.input_tokens=12 usage.cache_creation_input_tokens=1000 usage.output_tokens=30"
    usage = {**CHAT_USAGE, "usage": metered, "service_tier": "Priority"}
    spend = account(Limit(Scope.TENANT, Unit.COST, CAPACITY, 10**9), prices=Prices.of(Decimal(1), Decimal(1)))
    entries = [{**each, "usage": usage} for each in stack.admit(3, spend)]
    stack.stream(entries)
    stack.wait_for_rows(3)
    expected = Decimal("0.000012") + Decimal("0.0025") + Decimal("0.000603") + Decimal("0.00001")
    assert [sum(each) for each in costs(stack)] == [expected]
    wait_until(lambda: stack.used(spend) == 3 * -(-expected * 10**6 // 1))


def test_an_orphan_costs_what_was_reserved(tmp_path: Path, database_url_sync: str, redis_url: str) -> None:
    stack = Stack(tmp_path, database_url_sync, redis_url, lease_seconds=0.2)
    stack.admit(1)
    stack.prices = {"m": Prices.of(Decimal(1), Decimal(1), None)}  # the model that the lease names
    stack.start()
    try:
        stack.wait_for_rows(1)
        assert [row["usage_source"] for row in stack.rows()] == ["reserved"]
        assert [sum(each) for each in costs(stack)] == [Decimal(RESERVED) / 1_000_000]
    finally:
        stack.close()


@pytest.mark.parametrize("column", ["last_used_at", "elsewhere"])
def test_the_last_use_of_a_key_is_noted_and_no_row_depends_on_it(stack: Stack, column: str) -> None:
    stack.query(INSERT_KEY)
    if column != "last_used_at":
        stack.query(f"ALTER TABLE api_keys RENAME COLUMN last_used_at TO {column}")
    stack.stream(stack.admit(3))
    stack.assert_each_once()
    latest = max(row["ts"] for row in stack.rows())
    expected = latest if column == "last_used_at" else None
    wait_until(lambda: [row[column] for row in stack.query(f"SELECT {column} FROM api_keys")] == [expected])  # noqa: S608
