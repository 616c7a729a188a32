"""The rows of a stretch of time, page by page, of every ledger: each row once, in order of time, whoever writes."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from ledger.cost import Cost, PricedRow
from ledger.row import PARTS, UsageSource, dump_parts
from ledger.sums import Interval, Selection
from tests.ledger.adapters import ADAPTERS, BEGIN, Subject, Urls
from tests.ledger.oracle import MemoryLedger
from tests.ledger.test_conformance import EVERYTHING, HOUR, used


@pytest.fixture(params=[name for name in ADAPTERS if "rolled up" not in name])
async def subject(request: pytest.FixtureRequest, urls: Urls) -> AsyncIterator[Subject]:
    async with ADAPTERS[request.param](urls) as made:
        yield made


ANY = Selection()


async def read(
    subject: Subject, selection: Selection = ANY, interval: Interval = EVERYTHING, size: int = 3
) -> list[PricedRow]:
    """All pages; after the first, what is appended behind a reader does not disturb it."""
    found: list[PricedRow] = []
    while page := await subject.pages.page(selection, interval, size, found[-1].usage.id if found else ""):
        assert len(page) <= size
        found += page
    return found


async def test_every_row_is_on_one_page_in_order_of_time(subject: Subject) -> None:
    rows = [used(hours, Cost(number)) for number, hours in enumerate((0, 0, 0, 0.5, 1, 800, 800, 1600.2))]
    await subject.ledger.append(random.sample(rows, len(rows)))
    assert await read(subject) == sorted(rows, key=lambda row: row.usage.id)
    assert await read(subject, size=100) == await read(subject, size=1)


async def test_of_a_stretch_of_time_the_last_instant_is_not_part(subject: Subject) -> None:
    rows = [used(hours) for hours in (0, 1, 2)]
    await subject.ledger.append(rows)
    assert await read(subject, interval=(BEGIN, BEGIN + 2 * HOUR)) == rows[:2]
    assert await read(subject, interval=(BEGIN + timedelta(milliseconds=1), BEGIN + 3 * HOUR)) == rows[1:]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("a"), [0, 2]),
        (Selection("a", model="big"), [0]),
        (Selection(key_id="k"), [1]),
        (Selection(user_id="u", tenants=("a", "b")), [2]),
        (Selection(tenants=("c", "a")), [0, 2, 3]),
        (Selection("b", tenants=("c", "a")), []),
        (Selection("b", tenants=("b",)), [1]),
        (Selection(tenants=()), []),
    ],
)
async def test_only_what_is_selected(subject: Subject, selection: Selection, expected: Sequence[int]) -> None:
    rows = [
        used(0, tenant_id="a", model="big"),
        used(1, tenant_id="b", key_id="k"),
        used(1, tenant_id="a", user_id="u"),
        used(2, tenant_id="c"),
    ]
    await subject.ledger.append(rows)
    assert await read(subject, selection, size=1) == sorted((rows[each] for each in expected), key=lambda r: r.usage.id)


async def test_rows_are_added_up_by_what_they_were_charged_at(subject: Subject) -> None:
    random.seed(7)
    rows = [
        used(
            hours % 50,
            Cost(*(random.randrange(10**15) for _ in Cost._fields)),
            tenant_id=random.choice(("a", "b")),
            model=random.choice(("big", "small")),
            service_tier=random.choice(("", "batch")),
            usage_source=random.choice(list(UsageSource)),
            input_tokens=random.choice((99, 100, 101, 5000)),
            cached_tokens=random.randrange(90),
            output_tokens=random.randrange(40),
            reasoning_tokens=random.randrange(20),
            parts=random.choice((None, dump_parts(*(random.randrange(30) for _ in PARTS)))),
        )._replace(price_version=random.choice((None, 3, 4)))
        for hours in range(200)
    ]
    await subject.ledger.append(rows)
    oracle = MemoryLedger()
    await oracle.append(rows)
    stretch = (BEGIN + HOUR, BEGIN + 40 * HOUR)
    for selection in (ANY, Selection("a"), Selection("a", model="big", tenants=("a", "b")), Selection(tenants=())):
        for steps in ((), (100,), (0, 100, 102)):
            found = await subject.pages.at_prices(selection, stretch, steps, 1000)
            expected = await oracle.at_prices(selection, stretch, steps, 1000)
            assert sorted(found, key=str) == sorted(expected, key=str)
    assert len(await subject.pages.at_prices(ANY, stretch, (100,), 5)) == 5
