"""Requests that were refused before their budgets were asked: kept so that they can be explained, not charged.

They have no row in the ledger: most are of nobody (no key, or an unknown one), and a report has nothing to add up.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ledger.row import clean

REASON_MAX = 64  # characters


class Denial(NamedTuple):
    """`reason`: what authz says (authz.decision.Outcome, or the code of its answer), or Envoy (its response code
    details).  `key_prefix`: the part of the secret that may be shown, "" if it did not look like one of ours.
    `tenant_id` and `key_id` are "" if the key is not known."""

    ts: datetime
    request_id: str
    reason: str
    status: int
    key_prefix: str = ""
    tenant_id: str = ""
    key_id: str = ""
    method: str = ""
    path: str = ""

    def cleaned(self) -> "Denial":
        """A form that a database takes: everything but the times was written by a client, or by another process on the
        socket."""
        _, request_id, reason, status, *rest = self
        return Denial(self.ts, clean(request_id), clean(reason)[:REASON_MAX], min(status, 999), *map(clean, rest))


class Denials(Protocol):
    """Raises LedgerUnavailable."""

    async def append(self, denials: Sequence[Denial]) -> None:
        """Adds them, and forgets the oldest beyond a bound of its own."""

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[Denial]:
        """At most `limit` with this `x-request-id`, newest first.  With `tenants` only those of one of them."""
