"""Sums of the ledger from ClickHouse: days and hours that are summed up, and rows for the others.

ClickHouse has no snapshot over several tables.  So a question first reads which days are summed up since rows of them
last came, and of the other days which hours are (`rolls`); then it reads the lines of just these rolls: a newer one of
the same day adds other lines, and the old ones stay for as long as any question takes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.clickhouse.rolls import SETTLING, Rolled, days_between, hours_of
from ledger.clickhouse.sums_sql import MONEY, Slots, sums_of
from ledger.cover import DAY, HOUR, ROWS, Cover, Mark
from ledger.ledger import LedgerUnavailable
from ledger.sums import DIMENSIONS, FIGURES, Figures, Group, Interval, Line, NotSummedYet, Selection
from store.clickhouse import SECONDS, Clickhouse, ClickhouseAway, ClickhouseLate

NO_MINUTES = datetime.max.replace(tzinfo=UTC)
SOON_READ = timedelta(hours=3)  # the hour that is not over is always read from rows, and the one before for a while
LARGEST_SECONDS = 8.0


class ClickhouseSums:
    """Implements sums.Sums on `usage` and `usage_sums`.  `seconds` bound each answer."""

    minutes_kept = timedelta.max  # minutes are always added up from rows

    def __init__(self, client: Clickhouse, seconds: float = SECONDS, settling: timedelta = SETTLING) -> None:
        self._client, self._seconds, self._settling = client, seconds, settling

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        first = 0 if after is None else after[0]
        return await self._ask(selection, intervals, group_by, limit, after, first=first, seconds=self._seconds)

    async def largest(
        self, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
    ) -> Sequence[Line]:
        if not group_by:
            raise ValueError("no groups to compare")
        return await self._ask(selection, [interval], group_by, limit, None, by, seconds=LARGEST_SECONDS)

    async def _ask(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str],
        limit: int,
        after: tuple[int, Group] | None,
        by: str = "",
        *,
        first: int = 0,
        seconds: float,
    ) -> Sequence[Line]:
        if not set(group_by) <= set(DIMENSIONS):  # they become part of the statement
            raise ValueError(f"cannot group by {group_by}")
        slots: Slots = {}
        if not intervals:
            return ()
        try:
            start, stop = min(start for start, _ in intervals), max(stop for _, stop in intervals)
            days = await days_between(self._client, start, stop, seconds, self._settling)
            hours = await hours_of(self._client, days, seconds, self._settling)
            slots = slots_of(days, hours, intervals, first)
            if not slots:
                return ()
            rolls = [day.roll for day in days if day.roll]
            of_hours = [(f"{hour.start:%Y-%m-%d %H:%M:%S}", hour.roll) for hour in hours if hour.roll]
            statement, values = sums_of(slots, (rolls, of_hours), selection, group_by, limit, after, by)
            rows = await self._client.select(statement, values, seconds=seconds)
        except ClickhouseAway as error:
            raise _why(error, slots) from error
        return [_line(row, len(group_by)) for row in rows]


def slots_of(days: Iterable[Rolled], hours: Iterable[Rolled], intervals: Sequence[Interval], first: int) -> Slots:
    """What is to be added up, by width, for the intervals from number `first` on."""
    summed = {hour.start for hour in hours if hour.roll}
    unsummed = [day.start for day in days if not day.roll]
    marks = [Mark(DAY, day) for day in unsummed]
    marks += [Mark(HOUR, hour) for day in unsummed for n in range(24) if (hour := day + n * HOUR) not in summed]
    cover, found = Cover(marks, NO_MINUTES), Slots()
    for slot in range(first, len(intervals)):
        for stretch in cover.of(*intervals[slot]):
            found.setdefault(stretch.width, []).append((slot, stretch))
    return found


def _why(error: ClickhouseAway, slots: Slots) -> Exception:
    """What went wrong: adding up rows took too long, or ClickHouse is away."""
    unsummed = sum((stretch.stop - stretch.start for _, stretch in slots.get(ROWS, ())), timedelta())
    if isinstance(error, ClickhouseLate) and unsummed > SOON_READ:
        return NotSummedYet(round(unsummed / HOUR))
    return LedgerUnavailable(str(error))


def _line(row: Sequence[Any], keys: int) -> Line:
    slot, *rest = row
    sums: dict[str, Any] = dict(zip(FIGURES, rest[keys:], strict=True))
    return Line(slot, tuple(rest[:keys]), Figures(**sums | {name: Decimal(sums[name]) for name in MONEY}))
