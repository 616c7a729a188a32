"""The port to live budgets: the values that go in and come out, and what each step promises.  No I/O.

A request reserves its estimated cost from the budget of every rule that it must fit, or from none.  If it takes a
lease, what it really used is settled later by the lease's id: the difference is refunded or charged, once.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from ratelimit.budgets.rule import Rule, RuleSet, Used

LOST = "the store has lost its budgets; they are being restored from the ledger"


class BudgetsUnavailable(Exception):
    """The budgets cannot be reached now; whether the step was taken is unknown."""


class BudgetsLost(BudgetsUnavailable):
    """The store answers, but has lost the budgets: nothing was done, until they are restored from the ledger."""


class Reservation(Struct, frozen=True):
    """One request that wants to run: `costs` for each of the rules, in their order.

    If the rules take leases, `lease_id` names its own (unique for ever), and the lease keeps the members of `keeps`, so
    that a request which nobody settles can still be accounted for.
    """

    rules: RuleSet
    costs: Sequence[int]
    lease_id: str = ""
    keeps: Mapping[str, str | int] = {}


class Admitted(Struct, frozen=True, gc=False):
    """Reserved.  `held`: what the budget of each rule holds now.  `shadow` names the shadow rule that would have
    refused the request (the one with the longest wait, if several would have); "" if there is none."""

    held: tuple[int, ...]
    shadow: str = ""


class Refused(Struct, frozen=True, gc=False):
    """Nothing was reserved.  `limit` names the rule that refused: the one with the longest wait, if several did.

    `wait_ms` until the request would fit if nothing else ran; None if it never will.
    """

    limit: str
    wait_ms: int | None
    held: tuple[int, ...]


Decision = Admitted | Refused


class Settlement(Struct, frozen=True):
    """What one request used.

    `direct`: admitted without a lease (failure mode `local` or `allow`), so its whole use is charged by `rules`.
    """

    owner: str
    lease_id: str
    used: Used
    direct: bool = False
    rules: tuple[Rule, ...] = ()


class Settled(Enum):
    """`GONE`: there was nothing to settle: the lease was settled or released before, or expired a day ago."""

    SETTLED = "settled"
    GONE = "gone"


class LeaseName(NamedTuple):
    """What finds a lease."""

    owner: str
    lease_id: str


SWEPT_AGAIN_MS = 60_000


class Orphan(NamedTuple):
    """A lease that expired unsettled: its costs stay charged, unless it is settled within a day after all.  `kept` is
    what the lease kept: empty if it cannot be read, and with other members if another version wrote it.  `again`: an
    earlier receiver did not report that its row is safe."""

    owner: str
    lease_id: str
    kept: Mapping[str, Any]
    again: bool = False


class Budgets(Protocol):
    """Live budgets and leases.  Every method may raise BudgetsUnavailable, and may be called from any thread.

    The clock is the store's own.  An absent budget is a full one.
    """

    def reserve(self, batch: Sequence[Reservation]) -> Sequence[Decision | None]:
        """Decides each request in order, each atomically: all of its budgets or none.  None: unknown, because the part
        of the store that holds its budgets did not answer.  A request that already has its lease is admitted and takes
        nothing more, so a batch may be repeated."""

    def look(self, batch: Sequence[Reservation]) -> Sequence[Decision | None]:
        """What `reserve` would decide of each; takes nothing."""

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        """Charges what was used beyond the reserve (a budget may go below zero) or refunds the rest (never beyond the
        capacity), and ends the lease.  Once per lease id, so a batch may be repeated.  Requests stay counted; a
        reservation made in a window that is over is settled in that window."""

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        """Ends leases of requests that never ran: everything is refunded, requests too."""

    def renew(self, batch: Sequence[LeaseName]) -> None:
        """Moves the expiry of these leases.  One that has ended stays so; one that expired unsettled counts again."""

    def expire(self, batch: Sequence[LeaseName]) -> None:
        """Makes these leases expire now, if they are there: their slots are free, and `orphans` returns them."""

    def running(self) -> Iterator[Sequence[LeaseName]]:
        """The leases that have not expired, in pages.  Looks at the whole store."""

    def orphans(self, limit: int) -> list[Orphan]:
        """Up to about `limit` expired leases.  Each is given to one caller, and again every SWEPT_AGAIN_MS until
        `accounted` is called for it or it is settled after all.  Call it repeatedly: one call looks at a part of the
        store."""

    def accounted(self, batch: Sequence[LeaseName]) -> None:
        """The rows of these orphans are safe: `orphans` does not return them again."""
