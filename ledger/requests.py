"""The port to the rows of single requests, to explain what one was charged."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ledger.cost import PricedRow


class NoSuchRequest(LookupError):
    """The ledger has no row of it: no such request, or one that is not there yet, or not any more."""


class Requests(Protocol):
    """Raises LedgerUnavailable."""

    async def by_id(self, id: str, ts: datetime) -> PricedRow | None:
        """The row with this id, which has the time in it."""

    async def by_label(self, request_id: str, limit: int) -> Sequence[PricedRow]:
        """At most `limit` rows of requests that came with this `x-request-id`, newest first.  Clients choose it, so
        several may have the same."""
