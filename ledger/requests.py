"""The port to the rows of single requests, to explain what one was charged."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ledger.cost import PricedRow
from ledger.row import UsageRow


class NoSuchRequest(LookupError):
    """The ledger has no row of this request: it does not exist, has no row yet, or no longer has one."""


class Refusals(NamedTuple):
    """How many requests of a tenant were refused for one reason.  `denied_by` names a limit, or what else refused."""

    tenant_id: str
    denied_by: str
    status: int
    requests: int


class Requests(Protocol):
    """Raises LedgerUnavailable."""

    async def by_id(self, id: str, ts: datetime) -> PricedRow | None:
        """The row with this id, which has the time in it."""

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[PricedRow]:
        """At most `limit` rows of requests that came with this `x-request-id`, newest first.  Clients choose it, so
        several may have the same.  With `tenants` only those of one of them."""

    async def refusals(
        self, since: datetime, limit: int, tenants: Sequence[str] | None = None, until: datetime | None = None
    ) -> Sequence[Refusals]:
        """The `limit` largest numbers of requests that were refused since then, and before `until`, largest first; of
        very many, some.  With `tenants` only those of one of them."""


class OpenJobs(Protocol):
    """Raises LedgerUnavailable."""

    async def open_jobs(self, since: datetime, before: datetime, after: str, limit: int) -> Sequence[UsageRow]:
        """Rows of requests between the two times whose job nobody has read to its end, by id; those behind `after`."""
