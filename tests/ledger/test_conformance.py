"""What every ledger does, whatever store it is on.  A new adapter is one more entry in ADAPTERS (adapters.py).

Two halves: rows appended (idempotent, final over reserved, all or none) and reports of their sums.
"""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.row import row_of
from accesslog.usage import usage_of
from ledger.cost import Cost, PricedRow
from ledger.ledger import RowRejected
from ledger.row import UsageSource, dump_parts
from ledger.sums import DIMENSIONS, Interval, Selection
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line, row
from tests.ledger.adapters import ADAPTERS, BEGIN, Subject, Urls, by_id
from tests.ledger.oracle import MemoryLedger


@pytest.fixture(params=ADAPTERS)
async def subject(request: pytest.FixtureRequest, urls: Urls) -> AsyncIterator[Subject]:
    async with ADAPTERS[request.param](urls) as made:
        yield made


# Rows.


def cost_row(cost: Cost = Cost(3, 0, 7), **changes: Any) -> PricedRow:  # noqa: B008 - immutable
    return PricedRow(row(**changes), cost)


async def test_a_row_is_read_back_as_it_was_written(subject: Subject) -> None:
    written = [
        cost_row(),
        cost_row(ttft_ms=None, aborted=True, streamed=True, status=0),
        cost_row(model="\u00e9\U0001f600", denied_by="tenant:tokens:60s", input_tokens=10**12, bytes_out=2**60),
        cost_row(Cost(0, 0, 0)),
        cost_row(Cost(1, 10**12 - 1, 10**27)),
        cost_row(parts=dump_parts(5, 0, 0, 0, 0, 2**40, 1, 3), service_tier="batch")._replace(price_version=2**62),
    ]
    await subject.ledger.append(written)
    assert await subject.rows() == by_id(*written)


async def test_no_rows_are_no_work(subject: Subject) -> None:
    await subject.ledger.append([])
    assert await subject.rows() == {}


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1, 1)])
@pytest.mark.parametrize("together", [True, False])
async def test_a_final_row_replaces_a_reservation_in_any_order(
    subject: Subject, order: Sequence[int], together: bool
) -> None:
    final = cost_row(Cost(5, 1, 2), output_tokens=7)
    reserved = final.usage._replace(usage_source=UsageSource.RESERVED, output_tokens=80)
    versions = [final, PricedRow(reserved, Cost(8, 0, 9))]
    for batch in [[versions[i] for i in order]] if together else [[versions[i]] for i in order]:
        await subject.ledger.append(batch)
    assert await subject.rows() == by_id(final)


async def test_the_first_of_two_final_rows_stays(subject: Subject) -> None:
    first = cost_row(output_tokens=7)
    again = [PricedRow(first.usage._replace(output_tokens=tokens), Cost(tokens)) for tokens in (8, 9)]
    await subject.ledger.append([first, again[0]])
    await subject.ledger.append([again[1]])
    assert await subject.rows() == by_id(first)


async def test_a_reservation_stays_until_there_is_better(subject: Subject) -> None:
    reserved = cost_row(usage_source=UsageSource.RESERVED)
    await subject.ledger.append([reserved])
    await subject.ledger.append([PricedRow(reserved.usage._replace(output_tokens=1), Cost(1))])
    assert await subject.rows() == by_id(reserved)


HOSTILE = ["a\0b", "\ud800", "\udfff\ud800", "x" * 1_000_000, "\u0000" * 600, "'; DROP TABLE usage; --", "\U0010ffff"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_what_a_client_sends_cannot_poison_a_batch(subject: Subject, text: str) -> None:
    found = read_line(line(entry(decision(model=text, end_user_id=text), CHAT_USAGE, path=f"/{text}", request_id=text)))
    assert isinstance(found, LogEntry)
    bad, good = PricedRow(row_of(found, usage_of(found)), Cost(1)), cost_row()
    await subject.ledger.append([good, bad])
    assert (await subject.rows()).keys() == {good.usage.id, bad.usage.id}


@pytest.mark.parametrize("odd", [{"path": "a\0b"}, {"status": 2**40}, {"request_id": "\ud800"}, {"total_ms": 2**70}])
async def test_a_batch_is_written_whole_or_rejected_whole(subject: Subject, odd: dict[str, Any]) -> None:
    batch = [cost_row(), cost_row(**odd), cost_row()]
    expected = {each.usage.id for each in batch}
    try:
        await subject.ledger.append(batch)
    except RowRejected:
        expected = set()
    assert (await subject.rows()).keys() == expected


# Reports.

HOUR = timedelta(hours=1)
EVERYTHING: Interval = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def used(hours: float, cost: Cost = Cost(), **changes: Any) -> PricedRow:  # noqa: B008 - immutable
    """A request so long after BEGIN."""
    at = BEGIN + hours * HOUR
    return cost_row(cost, lease_id=mint_lease_id(int(at.timestamp() * 1000)), **changes)


async def test_a_line_adds_up_every_figure(subject: Subject) -> None:
    tokens = {"input_tokens": 10, "output_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2, "reserved_tokens": 50}
    await subject.ledger.append(
        [
            used(0.1, Cost(1, 2, 3), **tokens, total_ms=45),
            used(0.2, Cost(10**10, 0, 1), status=503, input_tokens=1, output_tokens=0, reserved_tokens=7, total_ms=5),
            used(0.3, admission="refused", status=503, input_tokens=0, output_tokens=0, reserved_tokens=0, total_ms=1),
        ]
    )
    (found,) = await subject.sums.sums(Selection(), [EVERYTHING])
    figures = found.figures
    assert (found.slot, found.group) == (0, ())
    assert (figures.requests, figures.refused, figures.errors, figures.cache_hits, figures.total_ms) == (2, 1, 1, 1, 51)
    assert (figures.input_tokens, figures.output_tokens, figures.cached_tokens) == (11, 5, 4)
    assert (figures.reasoning_tokens, figures.reserved_tokens) == (2, 57)
    assert (figures.input_cost, figures.cached_cost, figures.output_cost) == (
        *(Decimal("1.0000000001"), Decimal("0.0000000002"), Decimal("0.0000000004")),
    )
    assert figures.cost == Decimal("1.0000000007")


async def test_a_line_says_what_the_response_cache_answered_and_saved(subject: Subject) -> None:
    cached = {"admission": "cached", "saved_input_tokens": 30, "saved_output_tokens": 5, "output_tokens": 0}
    hits = [used(0.1 * n, Cost(1), **cached, bytes_out=100)._replace(saved=2 * 10**10) for n in (1, 2)]
    await subject.ledger.append([*hits, used(0.3, bytes_out=7)])
    (found,) = await subject.sums.sums(Selection(), [EVERYTHING])
    figures = found.figures
    assert (figures.requests, figures.response_cache_hits, figures.response_cache_bytes) == (3, 2, 200)
    assert (figures.saved_input_tokens, figures.saved_output_tokens, figures.saved_cost) == (60, 10, Decimal(4))
    assert {row.saved for row in (await subject.rows()).values()} == {2 * 10**10, 0}


async def test_an_interval_holds_its_beginning_and_not_its_end(subject: Subject) -> None:
    await subject.ledger.append([used(0), used(1)])
    hours = [(BEGIN + n * HOUR, BEGIN + (n + 1) * HOUR) for n in range(-1, 2)]
    found = await subject.sums.sums(Selection(), hours, limit=10)
    assert [(line.slot, line.figures.requests) for line in found] == [(1, 1), (2, 1)]
    assert await subject.sums.sums(Selection(), []) in ([], ())


async def test_a_selection_leaves_out_the_others(subject: Subject) -> None:
    await subject.ledger.append(
        [used(0, tenant_id=tenant, model=model) for tenant in ("a", "b") for model in ("x", "y", "y")]
    )
    for selection, count in (
        *((Selection(), 6), (Selection(tenant_id="a"), 3), (Selection(model="y"), 4)),
        *((Selection(tenant_id="b", model="x"), 1), (Selection(key_id="nobody"), None)),
    ):
        found = await subject.sums.sums(selection, [EVERYTHING])
        assert [line.figures.requests for line in found] == ([] if count is None else [count])


async def test_lines_are_in_order_and_paged_by_slot_and_group(subject: Subject) -> None:
    await subject.ledger.append(
        [used(hour, tenant_id=tenant, key_id=key) for hour in (0, 2) for tenant in ("b", "a") for key in ("", "k")]
    )
    hours = [(BEGIN + n * HOUR, BEGIN + (n + 1) * HOUR) for n in range(3)]
    expected = [(slot, (tenant, key)) for slot in (0, 2) for tenant in ("a", "b") for key in ("", "k")]
    whole = await subject.sums.sums(Selection(), hours, ("tenant_id", "key_id"), 100)
    assert [(line.slot, line.group) for line in whole] == expected
    for number, position in enumerate(expected):
        page = await subject.sums.sums(Selection(), hours, ("tenant_id", "key_id"), 3, position)
        assert list(page) == list(whole[number + 1 : number + 4])


LARGEST = {"tokens": "bac", "cost": "bac", "requests": "abc", "refused": "cab"}


async def test_the_largest_groups_come_first(subject: Subject) -> None:
    rows = [used(hours, tenant_id="a", input_tokens=10, output_tokens=0) for hours in (0.1, 20.5, 30)]
    rows += [used(hours, Cost(input=3), tenant_id="b", input_tokens=90, model=f"m{hours}") for hours in (0.2, 21)]
    rows += [used(1, tenant_id="c", admission="refused", status=429, input_tokens=0, output_tokens=0)]
    rows += [used(50, Cost(input=9), tenant_id="a", input_tokens=10**6)]  # behind the interval
    await subject.ledger.append(rows)
    interval, ledger = (BEGIN, BEGIN + 40 * HOUR), subject.sums
    same = list(await ledger.sums(Selection(), [interval], ("tenant_id",), 10))
    for by, largest in LARGEST.items():
        found = list(await ledger.largest(Selection(), interval, ("tenant_id",), by, 3))
        assert "".join(line.group[0] for line in found) == largest, by
        assert sorted(found, key=lambda line: line.group) == same
        assert list(await ledger.largest(Selection(), interval, ("tenant_id",), by, 2)) == found[:2]
        of_keys = await ledger.largest(Selection("b"), interval, ("tenant_id", "key_id"), by, 3)
        assert [line.group for line in of_keys] == [("b", "key_1")]
        assert list(await ledger.largest(Selection("nobody"), interval, ("model",), by, 3)) == []


async def test_sums_follow_a_row_that_gives_way(subject: Subject) -> None:
    reserved = used(0, Cost(9), usage_source=UsageSource.RESERVED, output_tokens=80)
    await subject.ledger.append([reserved])
    (before,) = await subject.sums.sums(Selection(), [EVERYTHING])
    final = reserved.usage._replace(usage_source=UsageSource.REPORTED, output_tokens=30)
    await subject.ledger.append([PricedRow(final, Cost(4))])
    (after,) = await subject.sums.sums(Selection(), [EVERYTHING])
    assert [(each.figures.output_tokens, each.figures.input_cost) for each in (before, after)] == [
        (80, Decimal("9E-10")),
        (30, Decimal("4E-10")),
    ]


@pytest.mark.parametrize("seed", range(2))
async def test_any_report_is_that_of_the_oracle(subject: Subject, seed: int) -> None:
    chance, memory = random.Random(seed), MemoryLedger()
    for _ in range(3):
        rows = [
            used(
                chance.uniform(-30, 3),
                Cost(chance.randrange(10**12), 0, chance.randrange(10)),
                tenant_id=chance.choice("abc"),
                key_id=chance.choice("kl"),
                user_id=chance.choice(["", "ann"]),
                model=chance.choice("xyz"),
                admission=(admission := chance.choice(["fast", "refused"])),
                requests=chance.choice([1, 40]) if admission == "refused" else 1,
                status=chance.choice([200, 404, 503]),
                input_tokens=chance.randrange(5000),
            )
            for _ in range(60)
        ]
        await subject.ledger.append(rows)
        await memory.append(rows)
        for _ in range(8):
            start, width = BEGIN + chance.uniform(-40, 2) * HOUR, chance.choice([0.01, 1, 7, 50]) * HOUR
            question: tuple[Any, ...] = (
                Selection(tenant_id=chance.choice([None, "a"]), model=chance.choice([None, "x"])),
                [(start + n * width, start + (n + 1) * width) for n in range(chance.choice([1, 4]))],
                tuple(chance.sample(DIMENSIONS, chance.randrange(4))),
                chance.choice([5, 1000]),
            )
            assert list(await subject.sums.sums(*question)) == await memory.sums(*question)
