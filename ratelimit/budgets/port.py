"""The port to live budgets: the values that go in and come out, and what each step promises.  No I/O.

A request reserves its estimated cost from every budget of its account, or from none.  What it really used is settled
later by the id of its lease: the difference is refunded or charged, once.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from ratelimit.budgets.meter import Meter, Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimate import Estimate

IN_FLIGHT = "tenant:in_flight"  # the name under which `max_in_flight` binds


class BudgetsUnavailable(Exception):
    """The budgets cannot be asked now; whether the step was taken is unknown."""


class Reservation(NamedTuple):
    """One request that wants to run: its estimated cost from each budget of the account, and one lease.

    The rest is kept in the lease, so that a request which nobody settles can still be accounted for.
    """

    lease_id: str
    account: Account
    estimate: Estimate
    end_user_id: str = ""
    model: str = ""
    path: str = ""

    def costs(self) -> list[int]:
        """Of each bucket."""
        return [bucket.cost(self.estimate) for bucket in self.account.buckets]


class Admitted(NamedTuple):
    """Reserved.  `levels`: what each bucket of the account holds now.  `shadow` names the limit that would have refused
    the request, were it not a shadow (of several, the one to wait for longest); "" if there is none."""

    levels: tuple[int, ...]
    shadow: str = ""


class Refused(NamedTuple):
    """Nothing was reserved.  `limit` names what bound: of several, the one to wait for longest.

    `wait_ms` until the request would fit if nothing else ran; None if it never will.
    """

    limit: str
    wait_ms: int | None
    levels: tuple[int, ...]


Decision = Admitted | Refused


class Settlement(NamedTuple):
    """The actual use of one request.

    `direct`: admitted without a lease (failure mode `local` or `allow`), so its whole use is charged to `meters`.
    """

    tenant_id: str
    lease_id: str
    used: Used
    direct: bool = False
    meters: tuple[Meter, ...] = ()


class Settled(Enum):
    """`GONE`: there was nothing to settle; it was settled or released before, or its lease expired and was swept."""

    SETTLED = "settled"
    GONE = "gone"


class LeaseName(NamedTuple):
    """Where a lease is found."""

    tenant_id: str
    lease_id: str


class Orphan(NamedTuple):
    """A lease that expired unsettled; it stays charged at `reserved_tokens`."""

    tenant_id: str
    lease_id: str
    key_id: str
    user_id: str
    end_user_id: str
    model: str
    path: str
    reserved_tokens: int
    input_estimate: int


class Budgets(Protocol):
    """Live budgets and leases.  Every method may raise BudgetsUnavailable, and may be called from any thread.

    The clock is the store's own.  An absent budget is a full one.
    """

    def reserve(self, batch: Sequence[Reservation]) -> Sequence[Decision | None]:
        """Decides each request in order, each atomically: all of its budgets or none.  None: that one is unknown, the
        part of the store that holds its tenant did not answer."""

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        """Charges what was used beyond the reserve (a level may go below zero) or refunds the rest (never beyond the
        capacity), and ends the lease.  Once per lease id, so a batch may be repeated.  Requests stay counted; what was
        reserved in a window that is over is settled with that window."""

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        """Ends leases of requests that never ran: everything is refunded, requests too."""

    def peek(self, account: Account) -> list[int]:
        """What each bucket of the account holds now.  Spends nothing, changes nothing."""

    def orphans(self, limit: int) -> list[Orphan]:
        """Takes up to about `limit` expired leases out, each one once over all callers.  Call it again and again: one
        call looks at a part of the store."""
