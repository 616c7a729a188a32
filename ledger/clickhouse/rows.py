"""The rows of a stretch of time from ClickHouse, page by page."""

from collections.abc import Sequence

from ledger.clickhouse.requests import SELECT, micros, read
from ledger.clickhouse.sums_sql import Values, filters_of
from ledger.cost import PricedRow
from ledger.ledger import LedgerUnavailable
from ledger.sums import Interval, Selection
from store.clickhouse import SECONDS, Clickhouse, ClickhouseAway
from tenancy.values.lease_id import lease_time

# An id begins with its time, and as text is in the order of time.
WHERE = """
WHERE ts >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Micro({stop:Int64}, 'UTC')
AND toString(id) > {after:String}
"""
ORDER = "ORDER BY ts, toString(id) LIMIT {limit:Int64}"


class ClickhouseRows:
    """Implements rows.Rows.  `seconds` bound each page."""

    def __init__(self, client: Clickhouse, seconds: float = SECONDS) -> None:
        self._client, self._seconds = client, seconds

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        since, until = interval
        start = max(since, lease_time(after)) if after else since
        values: Values = {"start": micros(start), "stop": micros(until), "after": after, "limit": limit}
        statement = f"{SELECT} {WHERE} {filters_of(selection, values)} {ORDER}"
        try:
            return [read(row) for row in await self._client.select(statement, values, seconds=self._seconds)]
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error
