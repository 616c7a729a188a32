"""How requests are answered while the budgets cannot be reached: the failure modes.  No I/O."""

import threading
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from ratelimit.budgets.local import LocalBudgets
from ratelimit.budgets.port import Admitted, Decision, Reservation
from tenancy.values.admission import Admission

FAST = Admission.FAST


class FailureMode(StrEnum):
    """`deny`: refuse.  `allow`: admit, charge afterwards.  `local`: this process enforces the rates on its own."""

    DENY = "deny"
    ALLOW = "allow"
    LOCAL = "local"


class Outcome(Struct, frozen=True, gc=False):
    """`decision` None: nobody could decide.  `admission` has a meaning only if admitted; only FAST holds a lease."""

    decision: Decision | None
    admission: Admission = FAST

    @property
    def has_lease(self) -> bool:
        return self.admission is FAST


UNDECIDED = Outcome(None)
UNMETERED = Outcome(Admitted(()), Admission.UNMETERED)


class Fallback:
    """Thread-safe.  The number of requests in flight is not bounded here: without leases nothing says when one ends."""

    def __init__(self, mode: FailureMode, now_ms: Callable[[], int]) -> None:
        self._mode, self._now_ms = mode, now_ms
        self._budgets = LocalBudgets()
        self._lock = threading.Lock()

    def decide(self, reservation: Reservation) -> Outcome:
        if self._mode is FailureMode.DENY:
            return UNDECIDED
        if self._mode is FailureMode.ALLOW:
            return UNMETERED
        with self._lock:
            decision = self._budgets.take(reservation.rules.rules, reservation.costs, self._now_ms())
        return Outcome(decision, Admission.LOCAL)
