"""Months that are forgotten: their rows go, what is summed up of them stays as it is."""

from datetime import UTC, datetime, timedelta

from ledger.clickhouse.rolls import FIRST, SETTLING, days_between
from store.clickhouse import Clickhouse

SECONDS = 60.0  # of a statement
ROWS_FROM = "SELECT toString(max(rows_from)) FROM usage_horizon"


class NotSummedUp(Exception):
    """Days of a month are not summed up yet, so that its rows cannot go; nothing was forgotten."""


async def forget_usage_before(client: Clickhouse, cutoff: datetime, settling: timedelta = SETTLING) -> list[str]:
    """Forgets the months that ended by `cutoff`, and returns their names; NotSummedUp.

    A row that comes later for such a month is kept and not summed up, if the day has sums; one that comes in the moment
    in which its month is dropped goes with it."""
    end = cutoff.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ((known,),) = await client.select(ROWS_FROM, seconds=SECONDS)
    before = datetime.fromisoformat(known).replace(tzinfo=UTC)
    days = await days_between(client, FIRST, end, SECONDS, settling)
    found = [day for day in days if before <= day.start < end]
    if unsummed := [f"{day.start:%Y-%m-%d}" for day in found if not day.roll]:
        raise NotSummedUp(f"not summed up yet: {', '.join(unsummed[:5])}{' and others' if unsummed[5:] else ''}")
    if not found:
        return []
    horizon = [(f"{end:%Y-%m-%d}",)]
    await client.insert("usage_horizon", ("rows_from",), horizon, seconds=SECONDS)  # from now on no day is summed anew
    months = sorted({f"{day.start:%Y%m}" for day in found})
    for month in months:
        await client.execute(f"ALTER TABLE usage DROP PARTITION {month}", seconds=SECONDS)
    return [f"usage_{month[:4]}_{month[4:]}" for month in months]
