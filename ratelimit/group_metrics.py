"""What ratelimit counts by fairshare group.  Operators make groups, and their names are labels, so only the first MOST
get one; further groups count under OTHERS."""

from collections.abc import Mapping

from ratelimit.scheduler import Served
from serving.metrics import Counter, Histogram, MetricSet

MOST = 50
OTHERS = "(others)"  # no group can be called so
WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class GroupMetrics(MetricSet):
    """Made once a process.  Waits are counted by one thread, everything else by another."""

    def __init__(self) -> None:
        name = "tollkeeper_ratelimit_"
        super().__init__(name)
        self.wait_seconds = Histogram(
            f"{name}wait_seconds", "What was queued, by how long until it ran", WAIT_BUCKETS, "group", (OTHERS,)
        )
        self.served = Counter(f"{name}served_tokens", "Tokens of service that were had here", "group", (OTHERS,))
        self.queued: dict[str, float] = {OTHERS: 0.0}  # requests that wait now
        self.gap = 0.0  # the fairness gap of the fleet, as far as this process knows it
        self._owed: dict[str, int] = {}  # what was counted too much, to be taken off what comes next

    def waited(self, group: str, seconds: float) -> None:
        self.wait_seconds.allow(group, MOST)
        self.wait_seconds.observe(seconds, group if group in self.wait_seconds else OTHERS)

    def had(self, served: Served) -> None:
        """Counts what was served since the last call.  A wrong estimate is taken off what comes next, because a counter
        only grows."""
        sums: dict[str, int] = {}
        for (group, _), service in served.items():
            self.served.allow(group, MOST)
            label = group if group in self.served.counts else OTHERS
            sums[label] = sums.get(label, 0) + service
        for label, service in sums.items():
            more = service - self._owed.pop(label, 0)
            if more < 0:
                self._owed[label] = -more
            else:
                self.served.add(label, more)

    def wait(self, queued: Mapping[str, int]) -> None:
        """How many wait now, by group."""
        found: dict[str, float] = {OTHERS: 0.0}
        for group, count in queued.items():
            label = group if group in self.served.counts or len(found) <= MOST else OTHERS
            found[label] = found.get(label, 0.0) + count
        self.queued = found
