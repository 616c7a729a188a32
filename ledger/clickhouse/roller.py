"""The roller: sums up days and hours that are over, off the path of the requests.

Any number of processes may roll at once: each writes lines of its own under a new id, and the last that is listed is
the one that counts.  What rows come for later is summed anew, once they have settled (rolls.SETTLING): of a day that is
over all of it, of today the hour.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ledger.clickhouse.rolls import FIRST, LAST, SETTLING, Rolled, days_between, hours_of
from ledger.clickhouse.sums_sql import ROLL_DAY, ROLL_HOURS
from ledger.cover import DAY, HOUR, floor
from ledger.rounds import for_ever
from serving.metrics import Counter
from store.clickhouse import Clickhouse

STATEMENT_SECONDS = 300.0  # one day of rows
KEPT = timedelta(minutes=20)  # after this nobody begins to read replaced lines: longer than a roll and a question take
NOW = "SELECT toUnixTimestamp64Milli(now64(3))"
# Of these rolls, which have ended, each but the last one of its day, and of its hour.
SUPERSEDED = """
WITH days AS (
    SELECT day, argMax(roll, (rolled_at, roll)) AS last, max(rolled_at) AS rolled FROM usage_rolls
    WHERE rolled_at < {before:DateTime64(3, 'UTC')} GROUP BY day
), hours AS (
    SELECT hour, argMax(roll, (rolled_at, roll)) AS last FROM usage_hour_rolls
    WHERE rolled_at < {before:DateTime64(3, 'UTC')} GROUP BY hour
)
SELECT toString(roll) FROM usage_rolls WHERE rolled_at < {before:DateTime64(3, 'UTC')}
    AND (day, roll) NOT IN (SELECT day, last FROM days)
UNION ALL
SELECT toString(roll) FROM usage_hour_rolls LEFT JOIN days ON toDate(hour) = days.day
WHERE rolled_at < {before:DateTime64(3, 'UTC')}
    AND ((hour, roll) NOT IN (SELECT hour, last FROM hours) OR rolled_at < days.rolled)
SETTINGS join_use_nulls = 0
"""
# Of lines with an ordinary mutation: DELETE FROM on a table with projections can end servers of before July 2025.
FORGET = (
    "ALTER TABLE usage_sums DELETE WHERE roll IN {rolls:Array(UUID)} SETTINGS mutations_sync = 1",
    "DELETE FROM usage_rolls WHERE roll IN {rolls:Array(UUID)}",
    "DELETE FROM usage_hour_rolls WHERE roll IN {rolls:Array(UUID)}",
)


class Roller:
    """`run` for ever, or `roll` once.  `rolled` counts days, `errors` rounds that failed."""

    def __init__(
        self,
        client: Clickhouse,
        rolled: Counter | None = None,
        errors: Counter | None = None,
        settling: timedelta = SETTLING,
        kept: timedelta = KEPT,
    ) -> None:
        self._client, self._settling, self._kept = client, settling, kept
        self._rolled = rolled or Counter("rolled", "")
        self._errors = errors or Counter("errors", "")

    async def run(self) -> None:
        await for_ever(self.roll, self._rolled, self._errors)

    async def roll(self, until: datetime | None = None) -> int:
        """Sums up the days and hours that are over, have settled and have no sums that are good; how many that were.
        `until`: as if it were then; by default by the server's clock."""
        now = await self._now()
        days = await days_between(self._client, FIRST, LAST, STATEMENT_SECONDS, self._settling)
        over = _due(days, floor(until or now, DAY))
        random.shuffle(over)  # rollers that begin together should not do the same
        for day in over:
            await self._roll(day, DAY)
        others = [day for day in days if day.start not in over]
        hours = await hours_of(self._client, others, STATEMENT_SECONDS, self._settling)
        for hour in (ended := _due(hours, floor(until or now, HOUR))):
            await self._roll(hour, HOUR)
        await self._forget(now - self._kept)
        return len(over) + len(ended)

    async def _roll(self, start: datetime, width: timedelta) -> None:
        """`now` comes before the sums: what they do not have came later."""
        now, roll, bucket = await self._now(), str(uuid4()), f"{start:%Y-%m-%d %H:%M:%S}"
        values = {"roll": roll, "start": bucket, "hours": width // HOUR}
        await self._client.execute(ROLL_HOURS, values, seconds=STATEMENT_SECONDS)
        table, name = "usage_hour_rolls", "hour"
        if width == DAY:
            await self._client.execute(ROLL_DAY, values, seconds=STATEMENT_SECONDS)
            table, name, bucket = "usage_rolls", "day", f"{start:%Y-%m-%d}"
        line = (bucket, roll, now)
        await self._client.insert(table, (name, "roll", "rolled_at"), [line], seconds=STATEMENT_SECONDS)

    async def _forget(self, before: datetime) -> None:
        values = {"before": f"{before:%Y-%m-%d %H:%M:%S.%f}"[:-3]}
        found = await self._client.select(SUPERSEDED, values, seconds=STATEMENT_SECONDS)
        if rolls := [roll for (roll,) in found]:
            for statement in FORGET:
                await self._client.execute(statement, {"rolls": rolls}, seconds=STATEMENT_SECONDS)

    async def _now(self) -> datetime:
        ((millis,),) = await self._client.select(NOW, seconds=STATEMENT_SECONDS)
        return datetime.fromtimestamp(millis / 1000, UTC)


def _due(found: Sequence[Rolled], before: datetime) -> list[datetime]:
    return [each.start for each in found if each.start < before and each.settled and not each.roll]
