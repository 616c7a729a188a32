"""The port to the rows of a stretch of time, one after another, to be exported, or added up by what they were charged
at.  Other sums of them are in ledger/sums.py."""

from collections.abc import Sequence
from typing import Protocol

from ledger.by_price import AtPrices
from ledger.cost import PricedRow
from ledger.sums import Interval, Selection


class Rows(Protocol):
    """Raises LedgerUnavailable."""

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        """At most `limit` rows, in order of their ids and so of their times, from the one behind the id `after`.  Each
        page is read by itself: no store holds anything for a reader between two of them."""

    async def at_prices(
        self, selection: Selection, interval: Interval, steps: Sequence[int], limit: int
    ) -> Sequence[AtPrices]:
        """Sums of all rows, apart for each model, version of its prices and number of `steps` (rising) that the input
        reached; with any steps for each service tier too.  At most `limit`."""
