"""The ledger in ClickHouse: a block of JSON a batch; the table keeps one row an id, whatever comes and in any order.

A batch is written whole, unless its rows are of two months: these are two parts, and a server that dies between them
has one.  It was not acknowledged then, so it comes again.
"""

from collections.abc import Sequence

from ledger.cost import COLUMNS, UNIT_DECIMALS, PricedRow
from ledger.ledger import LedgerUnavailable, RowRejected, best_by_id
from store.clickhouse import Clickhouse, ClickhouseAway, ClickhouseRejects

_UNIT = f"e-{UNIT_DECIMALS}"


class ClickhouseLedger:
    """See ledger.Ledger.  `timeout` s bounds one batch."""

    def __init__(self, client: Clickhouse, *, timeout: float = 5.0) -> None:
        self._client, self._timeout = client, timeout

    async def append(self, rows: Sequence[PricedRow]) -> None:
        records = [
            (*usage, version, f"{input_}{_UNIT}", f"{cached}{_UNIT}", f"{output}{_UNIT}", f"{saved}{_UNIT}")
            for usage, (input_, cached, output), version, saved in best_by_id(rows)
        ]
        if not records:
            return
        try:
            await self._client.insert("usage", COLUMNS, records, seconds=self._timeout)
        except ClickhouseRejects as error:
            raise RowRejected(str(error)) from error
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error
