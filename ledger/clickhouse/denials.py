"""Denials in ClickHouse: a table of the last ones."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence
from datetime import UTC, datetime

from ledger.clickhouse.requests import TENANTS, listed
from ledger.denials import Denial
from ledger.ledger import LedgerUnavailable
from store.clickhouse import Clickhouse, ClickhouseAway, ClickhouseRejects

MOST = 50_000  # beside the seven days of the table
TRIM_EVERY = 5_000  # rows that are appended: each trimming rewrites parts
COLUMNS = Denial._fields
BY_LABEL = f"""
SELECT {", ".join(COLUMNS)} FROM denials WHERE request_id = {{label:String}} AND {TENANTS}
ORDER BY ts DESC LIMIT {{limit:Int64}}
"""
TRIM = "DELETE FROM denials WHERE ts <= (SELECT ts FROM denials ORDER BY ts DESC LIMIT 1 OFFSET {most:Int64})"


class ClickhouseDenials:
    """Implements ledger.denials.Denials; each write ends within `timeout` s.  Keeps the last `most`, and `trim_every`
    more."""

    def __init__(
        self, client: Clickhouse, *, timeout: float = 5.0, most: int = MOST, trim_every: int = TRIM_EVERY
    ) -> None:
        self._client, self._timeout, self._most, self._trim_every = client, timeout, most, trim_every
        self._untrimmed = 0

    async def append(self, denials: Sequence[Denial]) -> None:
        try:
            await self._client.insert("denials", COLUMNS, denials, seconds=self._timeout)
            self._untrimmed += len(denials)
            if self._untrimmed >= self._trim_every:
                await self._client.execute(TRIM, {"most": self._most}, seconds=self._timeout)
                self._untrimmed = 0
        except (ClickhouseAway, ClickhouseRejects) as error:
            raise LedgerUnavailable(str(error)) from error

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[Denial]:
        try:
            found = await self._client.select(BY_LABEL, {"label": request_id, "limit": limit} | listed(tenants))
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error
        return [Denial(datetime.fromisoformat(ts).replace(tzinfo=UTC), *row) for ts, *row in found]
