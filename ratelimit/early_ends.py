"""Ends of requests that arrived before their decisions.  Not thread-safe."""

from collections import OrderedDict

MAX_EARLY = 10_000  # about 2 MB; the oldest are forgotten first


class EarlyEnds:
    """By lease id: requests that ended before they were decided, so that nobody will hear the decision."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, lease_id: str) -> None:
        self._ids[lease_id] = None
        if len(self._ids) > MAX_EARLY:
            self._ids.popitem(last=False)

    def take(self, lease_id: str) -> bool:
        """Whether this request has ended already; True only once."""
        if not self._ids or lease_id not in self._ids:
            return False
        del self._ids[lease_id]
        return True
