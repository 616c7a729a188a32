"""Reservations that may or may not have been made: remembered, and released once Redis is back.

A batch that timed out may have been executed, or may still be: its bytes can lie in Redis's socket buffer until it
wakes up.  So its release waits until well after Redis answers again, and any that finds nothing is tried again.  If one
is forgotten, its lease expires and its tokens stay charged; there is no other harm.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratelimit.budgets.port import Budgets, LeaseName, Settled

SETTLE_DOWN_SECONDS = 2.0  # after Redis answers again; also between two tries
TRIES = 3
BOUND = 20_000
BATCH = 32  # as accesslog/settle.py's


@dataclass(frozen=True, slots=True)
class _Doubt:
    name: LeaseName
    due: float
    tries: int = 0


class InDoubt:
    """Not thread-safe: one thread owns it.  `clock` in seconds."""

    def __init__(self, clock: Callable[[], float], settle_down: float = SETTLE_DOWN_SECONDS) -> None:
        self._clock, self._settle_down = clock, settle_down
        self._doubts: deque[_Doubt] = deque()

    def __len__(self) -> int:
        return len(self._doubts)

    def add(self, names: Sequence[LeaseName], *, at_once: bool = False) -> int:
        """Returns how many had to be forgotten for lack of room, the oldest first."""
        if at_once:
            self._doubts.extendleft(_Doubt(name, self._clock()) for name in names)
        else:
            due = self._clock() + self._settle_down
            self._doubts += [_Doubt(name, due) for name in names]
        forgotten = max(0, len(self._doubts) - BOUND)
        for _ in range(forgotten):
            self._doubts.popleft()
        return forgotten

    def postpone(self) -> None:
        """Redis has just come back: the delay starts from now."""
        due = self._clock() + self._settle_down
        self._doubts = deque(_Doubt(doubt.name, due, doubt.tries) for doubt in self._doubts)

    def seconds_until_due(self) -> float | None:
        """None if nothing waits."""
        return max(0.0, self._doubts[0].due - self._clock()) if self._doubts else None

    def release_due(self, budgets: Budgets, everything: bool = False) -> None:
        """Releases a batch of what is due, or of `everything`; on BudgetsUnavailable all of it stays in doubt."""
        now = self._clock()
        batch = [doubt for doubt, _ in zip(self._doubts, range(BATCH), strict=False) if everything or doubt.due <= now]
        if not batch:
            return
        outcomes = budgets.release([doubt.name for doubt in batch])
        for _ in batch:
            self._doubts.popleft()
        for doubt, outcome in zip(batch, outcomes, strict=True):
            if outcome is Settled.GONE and doubt.tries + 1 < TRIES:
                self._doubts.append(_Doubt(doubt.name, now + self._settle_down, doubt.tries + 1))
