"""The port to the usage ledger, and the one that lives in memory."""

from collections.abc import Sequence
from typing import Protocol

from ledger.row import UsageRow, is_final


class LedgerUnavailable(Exception):
    """The ledger cannot be written now; the same rows may be appended again later."""


class RowRejected(Exception):
    """The ledger will never take one of these rows; none of them was written."""


class Ledger(Protocol):
    """Where usage rows are kept for good."""

    async def append(self, rows: Sequence[UsageRow]) -> None:
        """Writes all of `rows` or none, durably.  Idempotent by id: a row that is there stays, unless it only repeated
        the reservation and the new one is final.  Raises LedgerUnavailable, RowRejected."""


class MemoryLedger:
    """The same rules on a dict.  `rows` by id."""

    def __init__(self) -> None:
        self.rows: dict[str, UsageRow] = {}

    async def append(self, rows: Sequence[UsageRow]) -> None:
        for row in rows:
            known = self.rows.get(row.id)
            if known is None or (is_final(row) and not is_final(known)):
                self.rows[row.id] = row


def best_by_id(rows: Sequence[UsageRow]) -> list[UsageRow]:
    """One row an id, the final one if there is one, in order of first appearance."""
    best: dict[str, UsageRow] = {}
    for row in rows:
        known = best.get(row.id)
        if known is None or (is_final(row) and not is_final(known)):
            best[row.id] = row
    return list(best.values())
