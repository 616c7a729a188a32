"""Ends that came before their requests.  Not for several threads at once."""

from collections import OrderedDict

MAX_EARLY = 10_000  # about 2 MB; the oldest are forgotten first


class EarlyEnds:
    """Of requests whose decision nobody will hear, by lease id."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, lease_id: str) -> None:
        self._ids[lease_id] = None
        if len(self._ids) > MAX_EARLY:
            self._ids.popitem(last=False)

    def take(self, lease_id: str) -> bool:
        """Whether this one has ended already; said once."""
        if not self._ids or lease_id not in self._ids:
            return False
        del self._ids[lease_id]
        return True
