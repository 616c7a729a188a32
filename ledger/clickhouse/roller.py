"""The roller: sums up days that are over, off the path of the requests.

Any number of processes may roll at once: each writes lines of its own under a new id, and the last that is listed is
the one that counts.  A day that rows come for later is summed anew, once they have settled (sums.SETTLING).
"""

import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ledger.clickhouse.sums import FIRST, LAST, SETTLING, days_between
from ledger.clickhouse.sums_sql import roll_rows
from ledger.cover import DAY, HOUR, floor
from ledger.rounds import for_ever
from serving.metrics import Counter
from store.clickhouse import Clickhouse

STATEMENT_SECONDS = 300.0  # one day of rows
KEPT = timedelta(minutes=10)  # lines that nobody begins to read any more: longer than any question takes
NOW = "SELECT toUnixTimestamp64Milli(now64(3))"
SETTLED = """
SELECT toString(day) FROM usage_days WHERE day >= (SELECT max(rows_from) FROM usage_horizon) GROUP BY day
HAVING max(touched_at) <= fromUnixTimestamp64Milli({before:Int64}, 'UTC')
"""
# Each roll but the last one of its day.
SUPERSEDED = """
SELECT toString(roll) FROM usage_rolls WHERE rolled_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC')
AND (day, roll) NOT IN (SELECT day, argMax(roll, (rolled_at, roll)) FROM usage_rolls GROUP BY day)
"""
FORGET = "DELETE FROM {table} WHERE roll IN {{rolls:Array(UUID)}}"


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

    async def roll(self) -> int:
        """Sums up the days that are over, have settled and have no sums that are good; how many that were."""
        now = await self._now()
        known = await days_between(self._client, FIRST, LAST, STATEMENT_SECONDS, self._settling)
        values = {"before": _millis(now - self._settling)}
        settled = {day for (day,) in await self._client.select(SETTLED, values, seconds=STATEMENT_SECONDS)}
        over = floor(now, DAY)
        days = [day.day for day in known if not day.roll and day.day < over and f"{day.day:%Y-%m-%d}" in settled]
        random.shuffle(days)  # rollers that begin together should not do the same
        for day in days:
            await self._roll(day)
        await self._forget(now - self._kept)
        return len(days)

    async def _roll(self, day: datetime) -> None:
        """`now` comes before the sums: what they do not have came later."""
        now, roll = await self._now(), str(uuid4())
        for width in (HOUR, DAY):
            values = {"roll": roll, "start": f"{day:%Y-%m-%d %H:%M:%S}"}
            await self._client.execute(roll_rows(width), values, seconds=STATEMENT_SECONDS)
        line = (f"{day:%Y-%m-%d}", roll, now)
        await self._client.insert("usage_rolls", ("day", "roll", "rolled_at"), [line], seconds=STATEMENT_SECONDS)

    async def _forget(self, before: datetime) -> None:
        found = await self._client.select(SUPERSEDED, {"before": _millis(before)}, seconds=STATEMENT_SECONDS)
        if rolls := [roll for (roll,) in found]:
            for table in ("usage_sums", "usage_rolls"):
                await self._client.execute(FORGET.format(table=table), {"rolls": rolls}, seconds=STATEMENT_SECONDS)

    async def _now(self) -> datetime:
        ((millis,),) = await self._client.select(NOW, seconds=STATEMENT_SECONDS)
        return datetime.fromtimestamp(millis / 1000, UTC)


def _millis(time: datetime) -> int:
    return int(time.timestamp() * 1000)
