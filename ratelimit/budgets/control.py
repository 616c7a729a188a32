"""What an operator does to live budgets: look, reset, adjust.  The port and its Memory implementation; no I/O.

Requests have a port of their own (budgets.py), for threads; this one is for an event loop.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from cachetools import TTLCache

from ratelimit.budgets.level import opened
from ratelimit.budgets.memory import LocalBudgets
from ratelimit.budgets.meter import Meter
from ratelimit.budgets.peek import Held

# A little less than the day for which the management API keeps what it answered: never longer.
MARKER_MS = 86_400_000 - 60_000
MARKERS = 10_000  # of one process


class BudgetControl(Protocol):
    """Raises ratelimit.budgets.port.BudgetsUnavailable; what was to change may then have changed.

    `once` names a change that may be asked for again: it is made the first time only, for almost a day.
    """

    @property
    def shares_groups(self) -> bool:
        """Whether the tenants of a fairshare group share one budget: on a Redis Cluster they cannot."""

    async def peek(self, meters: Sequence[Meter]) -> list[Held]:
        """What each holds now.  Changes nothing."""

    async def reset(self, meters: Sequence[Meter], once: str = "") -> list[Held]:
        """They are full; what they hold then.  All are of one owner.  Requests in flight are settled as before: what
        they use beyond their reserve is charged."""

    async def adjust(self, meter: Meter, units: int, once: str = "") -> Held:
        """Gives units back (never beyond the capacity) or, below zero, charges them (debt is possible).  What it holds
        then."""


class MemoryControl:
    """For the budgets of one process."""

    shares_groups = True

    def __init__(self, budgets: LocalBudgets, now_ms: Callable[[], int]) -> None:
        self._budgets, self._now_ms = budgets, now_ms
        self._made: TTLCache[str, None] = TTLCache(MARKERS, MARKER_MS, now_ms)

    async def peek(self, meters: Sequence[Meter]) -> list[Held]:
        now_ms, found = self._now_ms(), list[Held]()
        for meter in meters:
            level = self._budgets.level(meter, now_ms)
            level.resize(meter.capacity)
            full_in_ms = level.full_in_ms(meter.window_ms, now_ms)
            found.append(Held(level.held, now_ms + full_in_ms, 0))
        return found

    async def reset(self, meters: Sequence[Meter], once: str = "") -> list[Held]:
        if self._first(once):
            for meter in meters:
                full = opened(None, meter, self._now_ms())
                full.changed = True
                self._budgets.keep(meter, full)
        return await self.peek(meters)

    async def adjust(self, meter: Meter, units: int, once: str = "") -> Held:
        if self._first(once):
            level = self._budgets.level(meter, self._now_ms())
            level.resize(meter.capacity)
            level.add(units)
            self._budgets.keep(meter, level)
        (held,) = await self.peek([meter])
        return held

    def _first(self, once: str) -> bool:
        if once in self._made:
            return False
        if once:
            self._made[once] = None
        return True
