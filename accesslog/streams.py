"""Which log streams are open, and so: when an Envoy is gone, with everything that ran through it.

Each worker of an Envoy keeps one stream open from its first entry on.  An Envoy that reloads or stops ends its streams;
one that was killed leaves them cut, and no entry will ever come of what it had in flight.  If streams were cut and none
that was open before is left, whatever began before is over.  With streams of another Envoy still open nobody can tell
whose it was, and leases end by themselves.  Pure.
"""

from collections.abc import Callable
from itertools import count

GRACE_SECONDS = 3.0  # the streams of one Envoy are cut one after another


class Streams:
    """Belongs to the thread that serves, but for `gone_before`.  `clock`: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count()
        self._open: dict[int, float] = {}  # when each was opened
        self._cut_at: float | None = None  # the last that was

    def opened(self) -> int:
        """Its number."""
        number = next(self._numbers)
        self._open[number] = self._clock()
        return number

    def ended(self, number: int, ok: bool) -> None:
        """`ok`: by its Envoy; if not, it was cut."""
        self._open.pop(number, None)
        if not ok:
            self._cut_at = self._clock()

    def gone_before(self) -> float | None:
        """Told once: the time before which everything began through an Envoy that is gone."""
        cut_at = self._cut_at
        if cut_at is None or self._clock() - cut_at < GRACE_SECONDS:
            return None
        self._cut_at = None
        return None if any(opened <= cut_at for opened in list(self._open.values())) else cut_at
