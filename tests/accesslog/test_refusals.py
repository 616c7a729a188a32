"""Refusals beyond a rate are summed up."""

import asyncio

from accesslog.delivery import Deliveries, Step
from accesslog.refusals import FEW, MAX_ROWS, SECONDS, RefusalSums, summed
from ledger.row import UsageRow
from tenancy.values.lease_id import lease_time
from tests.accesslog.entries import row
from tests.accesslog.test_siblings import until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Sums:
    """With a queue that can be full, and a clock of its own."""

    def __init__(self) -> None:
        self.queued: list[UsageRow] = []
        self.full, self.clock, self.done = False, Clock(), list[str]()
        self.deliveries = Deliveries(done=self.done.extend)
        self.sums = RefusalSums(self.offer, self.deliveries, self.clock)

    def offer(self, row: UsageRow) -> bool:
        if not self.full:
            self.queued.append(row)
        return not self.full

    def add(self, *rows: UsageRow) -> list[bool]:
        for each in rows:
            self.deliveries.begin(each.id)
        taken = [self.sums.add(each) for each in rows]
        self.deliveries.mark([each.id for each in rows], Step.SETTLED)
        return taken


def refused(**changes: object) -> UsageRow:
    base = row()._replace(admission="refused", status=429, denied_by="limit")
    return base._replace(**changes)  # type: ignore[arg-type]


def test_the_first_few_of_a_kind_stand_alone() -> None:
    of = Sums()
    assert of.add(*(refused() for _ in range(FEW + 2))) == [False] * FEW + [True] * 2
    assert of.add(refused(key_id="another"), refused(denied_by="another")) == [False, False]
    of.clock.now = SECONDS
    of.sums.flush(0.0)
    assert of.add(refused()) == [False]  # a new stretch of time
    (found,) = of.queued
    assert found.requests == 2


def test_all_are_done_when_their_row_is_written_and_none_if_it_has_no_room() -> None:
    of = Sums()
    flood = [refused() for _ in range(FEW + 5)]
    of.add(*flood)
    of.sums.flush()
    assert of.done == []
    of.deliveries.mark([of.queued[0].id], Step.WRITTEN)
    assert sorted(of.done) == sorted(each.id for each in flood[FEW:])
    more = [refused() for _ in range(FEW + 5)]
    of.add(*more)
    of.full = True
    of.sums.flush()
    assert [of.deliveries.is_known(each.id) for each in more] == [True] * FEW + [False] * 5


def test_a_sum_is_bounded() -> None:
    of = Sums()
    of.add(*(refused() for _ in range(FEW + MAX_ROWS + 1)))
    assert [each.requests for each in of.queued] == [MAX_ROWS]
    of.sums.flush()
    assert [each.requests for each in of.queued] == [MAX_ROWS, 1]


def test_a_sum_has_the_first_id_and_what_all_have_in_common() -> None:
    # Those of one millisecond are in no order.
    rows = sorted((refused(model="m", path=f"/{n}", total_ms=1, bytes_in=10) for n in range(3)), key=lambda row: row.id)
    found = summed(rows[::-1])
    assert found == rows[0]._replace(
        path="", ts=lease_time(rows[0].id), total_ms=3, bytes_in=30, requests=3, bytes_out=3 * rows[0].bytes_out
    )


async def test_it_hands_on_by_itself() -> None:
    of = Sums()
    of.add(*(refused() for _ in range(FEW + 1)))
    of.clock.now = SECONDS
    task = asyncio.create_task(of.sums.run())
    await until(lambda: of.queued)
    task.cancel()
    assert len(of.queued) == 1
