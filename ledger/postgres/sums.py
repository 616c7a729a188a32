"""Sums of the ledger from Postgres: buckets that are rolled up, and rows where they are not, in one snapshot.

What has been committed when the question is asked is in the answer; how far the roller has come decides only how long
it takes.
"""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg

from ledger.cover import DAY, HOUR, ROWS, Cover, Mark, Stretch, floor
from ledger.ledger import LedgerUnavailable
from ledger.postgres.roller import MINUTES_KEPT
from ledger.postgres.rollup_sql import TABLES, figures, grain_for
from ledger.sums import DIMENSIONS, FIGURES, MEASURES, Figures, Group, Interval, Line, NotSummedYet, Selection
from store.postgres import READ_SECONDS, UNAVAILABLE, Connection, PostgresPool, reading

# What can be read of the rollups; without a mark width and bucket are null.  JIT is off for what follows: compiling a
# statement of that many sums takes longer than running it.  In one round trip, since every question begins with it.
COVER = """
SELECT set_config('jit', 'off', true), minutes_from, width, bucket FROM usage_horizon LEFT JOIN
    (SELECT DISTINCT width, bucket FROM usage_marks WHERE bucket >= $1 AND bucket < $2) AS marks ON true
"""

# Rows of the last hours are always read: the roller is a few seconds behind.
SOON_READ = timedelta(hours=2)

LARGEST_SECONDS = 8.0
MONEY = frozenset({"input_cost", "cached_cost", "output_cost", "saved_cost"})

Slots = dict[timedelta, list[tuple[int, Stretch]]]


class PostgresSums:
    """Implements sums.Sums on `usage` and `usage_rollups`.  `seconds` bound each answer."""

    def __init__(self, pool: PostgresPool, seconds: float = READ_SECONDS) -> None:
        self._pool, self._seconds = pool, seconds

    @property
    def minutes_kept(self) -> timedelta:
        return MINUTES_KEPT

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        if not set(group_by) <= set(DIMENSIONS):  # they become part of the statement
            raise ValueError(f"cannot group by {group_by}")
        if not intervals:
            return ()
        slots: Slots = {}
        try:
            async with (
                reading(self._pool, self._seconds) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                cover = await self._cover(connection, intervals)
                slots = slots_of(cover, intervals, 0 if after is None else after[0])
                statement, values = statement_of(slots, selection, group_by, limit, after)
                if not statement:
                    return ()
                rows = await connection.fetch(statement, *values)
        except UNAVAILABLE as error:
            raise _why(error, slots) from error
        return [_line(row, len(group_by)) for row in rows]

    async def largest(
        self, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
    ) -> Sequence[Line]:
        """First of all groups the one figure, then of the largest all of them: most of the work is adding up."""
        if not group_by or not set(group_by) <= set(DIMENSIONS):
            raise ValueError(f"cannot group by {group_by}")
        slots: Slots = {}
        try:
            async with (
                reading(self._pool, LARGEST_SECONDS) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                slots = slots_of(await self._cover(connection, [interval]), [interval], 0)
                if not slots:
                    return ()
                statement, values = largest_of(slots, selection, group_by, MEASURES[by], limit)
                rows = await connection.fetch(statement, *values, timeout=LARGEST_SECONDS)
                groups = [tuple(row) for row in rows]
                statement, values = statement_of(slots, selection, group_by, limit, None, groups)
                found = await connection.fetch(statement, *values, timeout=LARGEST_SECONDS) if groups else []
        except UNAVAILABLE as error:
            raise _why(error, slots) from error
        lines = {line.group: line for line in (_line(row, len(group_by)) for row in found)}
        return [lines[group] for group in groups]

    async def _cover(self, connection: Connection, intervals: Sequence[Interval]) -> Cover:
        start, stop = min(start for start, _ in intervals), max(stop for _, stop in intervals)
        rows = await connection.fetch(COVER, floor(start, DAY), stop)
        marks = (Mark(timedelta(seconds=row["width"]), row["bucket"]) for row in rows if row["width"] is not None)
        return Cover(marks, rows[0]["minutes_from"])


def slots_of(cover: Cover, intervals: Sequence[Interval], first: int) -> Slots:
    """What is to be added up, by width, for the intervals from number `first` on."""
    found: Slots = {}
    for slot in range(first, len(intervals)):
        for stretch in cover.of(*intervals[slot]):
            found.setdefault(stretch.width, []).append((slot, stretch))
    return found


def statement_of(
    slots: Slots,
    selection: Selection,
    group_by: Sequence[str],
    limit: int,
    after: tuple[int, Group] | None,
    groups: Sequence[Group] | None = None,
) -> tuple[str, list[Any]]:
    """The query and its values; "" if there is nothing to ask.  `groups`: only these."""
    values: list[Any] = []
    parts = _parts(slots, selection, group_by, FIGURES, values, groups)
    if not parts:
        return "", []
    keys = ", ".join(("slot", *group_by))
    bound = partial(_bound, values)
    position = f"WHERE ({keys}) > ({', '.join(bound(value) for value in (after[0], *after[1]))})" if after else ""
    sums = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
    return (
        f"SELECT {keys}, {sums} FROM ({' UNION ALL '.join(parts)}) AS parts {position}"
        f" GROUP BY {keys} ORDER BY {keys} LIMIT {bound(limit)}",
        values,
    )


def largest_of(
    slots: Slots, selection: Selection, group_by: Sequence[str], measure: Sequence[str], limit: int
) -> tuple[str, list[Any]]:
    """The query for the groups with most of a measure, and its values."""
    values: list[Any] = []
    parts = _parts(slots, selection, group_by, measure, values)
    keys, most = ", ".join(group_by), " + ".join(f"sum({name})" for name in measure)
    return (
        f"SELECT {keys} FROM ({' UNION ALL '.join(parts)}) AS parts GROUP BY {keys}"
        f" ORDER BY {most} DESC, {keys} LIMIT {_bound(values, limit)}",
        values,
    )


def _bound(values: list[Any], value: Any) -> str:
    """The place of a value among those of a statement."""
    values.append(value)
    return f"${len(values)}"


def _parts(
    slots: Slots,
    selection: Selection,
    group_by: Sequence[str],
    wanted: Sequence[str],
    values: list[Any],
    groups: Sequence[Group] | None = None,
) -> list[str]:
    """A query for each width, of the figures that are wanted."""
    bound = partial(_bound, values)
    filters = "".join(f" AND {name} = {bound(value)}" for name, value in selection.items())
    dimensions = [*group_by, *(name for name, _ in selection.items())]
    if selection.tenants is not None:
        filters += f" AND tenant_id = ANY ({bound([*selection.tenants])}::text[])"
        dimensions.append("tenant_id")
    if groups is not None:
        arrays = ", ".join(f"{bound([group[at] for group in groups])}::text[]" for at in range(len(group_by)))
        filters += f" AND ({', '.join(group_by)}) IN (SELECT * FROM unnest({arrays}))"
    parts = []
    for width, stretches in slots.items():
        numbers = bound([slot for slot, _ in stretches])
        starts = bound([stretch.start for _, stretch in stretches])
        stops = bound([stretch.stop for _, stretch in stretches])
        table, time, where = "usage", "ts", filters
        if width != ROWS:
            seconds = int(width.total_seconds())
            table, time = TABLES[seconds], "bucket"
            where = f" AND grain = {grain_for(seconds, dimensions)}{filters}"
        columns = ", ".join((*group_by, *figures(width == ROWS, wanted)))
        grouping = f"GROUP BY {', '.join(group_by)}" if group_by else "HAVING count(*) > 0"
        # LATERAL: one short index scan a stretch, each summed before it is joined to the others.
        parts.append(f"""
SELECT slot, found.* FROM unnest({numbers}::int[], {starts}::timestamptz[], {stops}::timestamptz[])
    AS stretch (slot, start, stop) CROSS JOIN LATERAL (
    SELECT {columns} FROM {table} WHERE {time} >= start AND {time} < stop{where} {grouping}
) AS found""")
    return parts


def _why(error: Exception, slots: Slots) -> Exception:
    """What went wrong: adding up rows took too long, or Postgres is away."""
    unsummed = sum((stretch.stop - stretch.start for _, stretch in slots.get(ROWS, ())), timedelta())
    if isinstance(error, TimeoutError) and unsummed > SOON_READ:
        return NotSummedYet(round(unsummed / HOUR))
    return LedgerUnavailable(f"{type(error).__name__}: {error}")


def _line(row: asyncpg.Record, keys: int) -> Line:
    """Postgres makes a sum of bigint a numeric; counts become ints again."""
    slot, *rest = row
    sums: dict[str, Any] = dict(zip(FIGURES, rest[keys:], strict=True))
    numbers = {name: int(value) for name, value in sums.items() if name not in MONEY}
    return Line(slot, tuple(rest[:keys]), Figures(**sums | numbers))
