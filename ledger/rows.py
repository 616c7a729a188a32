"""The port to the rows of a stretch of time, one after another, to be exported.  Sums of them are in ledger/sums.py."""

from collections.abc import Sequence
from typing import Protocol

from ledger.cost import PricedRow
from ledger.sums import Interval, Selection


class Rows(Protocol):
    """Raises LedgerUnavailable."""

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        """At most `limit` rows, in order of their ids and so of their times, from the one behind the id `after`.  Each
        page is read by itself: no store holds anything for a reader between two of them."""
