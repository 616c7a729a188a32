"""Which days and hours are summed up, by which rolls, and which of those are still good: no rows came since.

A roll is the result of one run of the roller: lines of `usage_sums` under one id.  The roll of a day has lines for the
day and for each of its hours; the roll of an hour is for days that are not over, and for hours that late rows came to.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from store.clickhouse import Clickhouse

# A roll counts a row as seen if it begins this long after the row came, by the server's clock: until then the insert
# that brought the row may not be done.  Appends end after 5 s.
SETTLING = timedelta(seconds=60)
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2149, 6, 5, tzinfo=UTC)  # what a Date holds
# Days with rows between two.
DAYS = """
SELECT toString(days.day), if(rolled > touched + INTERVAL {settling:Int64} SECOND
    OR days.day < (SELECT max(rows_from) FROM usage_horizon), last, '') AS good,
    touched <= now64(3) - INTERVAL {settling:Int64} SECOND AND days.day >= (SELECT max(rows_from) FROM usage_horizon)
FROM (
    SELECT day, max(touched_at) AS touched FROM usage_days WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY day
) AS days LEFT JOIN (
    SELECT day, toString(argMax(roll, (rolled_at, roll))) AS last, max(rolled_at) AS rolled FROM usage_rolls
    WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY day
) AS rolls ON days.day = rolls.day ORDER BY days.day SETTINGS join_use_nulls = 0
"""
# Hours of these days with rows.  The roll of a day is one of each of its hours.
HOURS = """
SELECT toUnixTimestamp(hours.hour), if(rolled > touched + INTERVAL {settling:Int64} SECOND, last, '') AS good,
    touched <= now64(3) - INTERVAL {settling:Int64} SECOND
FROM (
    SELECT hour, max(touched_at) AS touched FROM usage_hours WHERE toDate(hour) IN {days:Array(Date)}
    AND toDate(hour) >= (SELECT max(rows_from) FROM usage_horizon) GROUP BY hour
) AS hours LEFT JOIN (
    SELECT hour, toString(argMax(roll, (rolled_at, roll))) AS last, max(rolled_at) AS rolled FROM (
        SELECT hour, roll, rolled_at FROM usage_hour_rolls WHERE toDate(hour) IN {days:Array(Date)}
        UNION ALL
        SELECT arrayJoin(arrayMap(n -> toDateTime(day, 'UTC') + 3600 * n, range(24))) AS hour, roll, rolled_at
        FROM usage_rolls WHERE day IN {days:Array(Date)}
    ) GROUP BY hour
) AS rolls ON hours.hour = rolls.hour ORDER BY hours.hour SETTINGS join_use_nulls = 0
"""


class Rolled(NamedTuple):
    """A day or an hour that has rows.  `roll`: the id of its sums, "" if rows came since, or there are none.
    `settled`: it can be summed up, if it is over."""

    start: datetime
    roll: str
    settled: bool


async def days_between(
    client: Clickhouse, start: datetime, stop: datetime, seconds: float, settling: timedelta
) -> list[Rolled]:
    """Those that have rows, in order."""
    first, last = (min(max(time.astimezone(UTC), FIRST), LAST).date().isoformat() for time in (start, stop))
    values = {"first": first, "last": last, "settling": int(settling.total_seconds())}
    rows = await client.select(DAYS, values, seconds=seconds)
    return [Rolled(midnight(date.fromisoformat(day)), roll, bool(settled)) for day, roll, settled in rows]


async def hours_of(client: Clickhouse, days: Sequence[Rolled], seconds: float, settling: timedelta) -> list[Rolled]:
    """The hours of the days that have no good roll, in order: those that are known to have rows."""
    if not (unsummed := [f"{day.start:%Y-%m-%d}" for day in days if not day.roll]):
        return []
    values = {"days": unsummed, "settling": int(settling.total_seconds())}
    rows = await client.select(HOURS, values, seconds=seconds)
    return [Rolled(datetime.fromtimestamp(hour, UTC), roll, bool(settled)) for hour, roll, settled in rows]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
