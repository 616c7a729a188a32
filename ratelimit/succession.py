"""The earlier processes in our place: their requests in flight count as ours, while they live and when they are gone.

While one is replaced, both answer for a moment: the old one admits until it learns that it is replaced, so its
admissions and ends are followed in its journal.
"""

from collections.abc import Iterable, Mapping

from ratelimit.in_flight import InFlight
from ratelimit.journal import Entry, Predecessor


class Succession:
    """Counts in what `predecessors` have answered.  Make it before the first request."""

    def __init__(self, in_flight: InFlight, predecessors: Iterable[Predecessor]) -> None:
        self._in_flight, self._left = in_flight, list(predecessors)
        in_flight.inherits = bool(self._left)
        in_flight.inherit(sorted(entry for each in self._left for entry in _answered(each.entries).values()))

    @property
    def over(self) -> bool:
        """Whether all of them are gone."""
        return not self._left

    def follow(self) -> None:
        """What they ended since the last call is over, and what they began is ours too, unless its log entry came here.
        Requests that one had not answered when it went are repeated by Envoy under the same id, or logged."""
        for each in list(self._left):
            before = _answered(each.entries)
            if each.ended():
                self._left.remove(each)
            else:
                each.look()
            after = _answered(each.entries)
            self._in_flight.end_all(before.keys() - after.keys())
            self._in_flight.inherit(sorted(after[lease_id] for lease_id in after.keys() - before.keys()))
        self._in_flight.inherits = bool(self._left)


def _answered(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    return {lease_id: entry for lease_id, entry in entries.items() if entry.answered}
