"""The port to the usage ledger, and the rule that every adapter keeps.  Reports are in ledger/sums.py."""

from collections.abc import Sequence
from typing import Protocol

from ledger.cost import PricedRow
from ledger.row import replaces


class LedgerUnavailable(ConnectionError):
    """The ledger cannot be asked or written now; the same rows may be appended again later."""


class RowRejected(Exception):
    """The ledger will never take one of these rows; none of them was written."""


class Ledger(Protocol):
    """Where usage rows are kept for good."""

    async def append(self, rows: Sequence[PricedRow]) -> None:
        """Writes all of `rows` or none, durably.  Idempotent by id: a row that is there stays, unless it was not final
        and the new one is, or has more tokens.  Raises LedgerUnavailable, RowRejected."""


def best_by_id(rows: Sequence[PricedRow]) -> list[PricedRow]:
    """One row an id, the final one if there is one, in order of first appearance."""
    best: dict[str, PricedRow] = {}
    for row in rows:
        known = best.get(row.usage.id)
        if known is None or replaces(row.usage, known.usage):
            best[row.usage.id] = row
    return list(best.values())
