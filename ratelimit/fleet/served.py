"""What tenants were recently served through this process, and the part of it that is not reported yet."""

from collections import deque
from collections.abc import Sequence
from heapq import nlargest

from ratelimit.scheduler import Served

WINDOW_SECONDS = 60.0
MOST_UNTOLD = 10_000  # tenants kept while reports fail; those who had least are forgotten first
Totals = dict[tuple[str, str], int]


class LatelyServed:
    """Tokens of service by group and tenant over WINDOW_SECONDS.  `now` in seconds.  For one thread."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, Served]] = deque()
        self._totals: Totals = {}

    def add(self, served: Served, now: float) -> None:
        if served:
            self._parts.append((now, served))
            self._count(served, 1)
        while self._parts and self._parts[0][0] <= now - WINDOW_SECONDS:
            self._count(self._parts.popleft()[1], -1)

    def of_tenant(self, group: str, tenant_id: str) -> int:
        """Not below 0, although corrected estimates could make it so."""
        return max(0, self._totals.get((group, tenant_id), 0))

    def of_groups(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (group, _), service in self._totals.items():
            found[group] = found.get(group, 0) + service
        return {group: max(0, service) for group, service in found.items()}

    def _count(self, served: Served, sign: int) -> None:
        for name, service in served.items():
            total = self._totals.get(name, 0) + sign * service
            if total:
                self._totals[name] = total
            else:
                self._totals.pop(name, None)


class Exchange:
    """What each tenant has had in all sidecars together, through totals that all of them add to.

    The totals belong to a period: in a new one they start from 0, and the first ones read give no difference yet.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._untold: Totals = {}
        self._seen: Totals = {}
        self._period = -1

    def add(self, served: Served) -> None:
        for name, service in served.items():
            self._untold[name] = self._untold.get(name, 0) + service
        if len(self._untold) > MOST_UNTOLD:
            kept = nlargest(MOST_UNTOLD, self._untold.items(), key=lambda item: abs(item[1]))
            self._untold = dict(kept)

    def to_tell(self, present: Served) -> Totals:
        """What to add to the totals, and which tenants' totals to read: those that are `present` here, and those with
        the most to report."""
        untold = nlargest(self._most, self._untold, key=lambda name: abs(self._untold[name]))
        names = dict.fromkeys([*untold, *present][: self._most])
        return {name: self._untold.get(name, 0) for name in names}

    def heard(self, told: Served, totals: Sequence[int], period: int) -> Totals:
        """Takes the totals after `told` was added; returns what was had elsewhere since they were last read."""
        if period != self._period:
            self._seen, self._period = {}, period
        elsewhere: Totals = {}
        for (name, service), total in zip(told.items(), totals, strict=True):
            self._untold[name] = self._untold.get(name, 0) - service
            if not self._untold[name]:
                del self._untold[name]
            if name in self._seen and (had := total - self._seen[name] - service):
                elsewhere[name] = had
        self._seen = dict(zip(told, totals, strict=True))
        return elsewhere
