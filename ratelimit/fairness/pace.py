"""How fast a queue is served, and so how long a wait will be.  Pure.

Measured only while something waits: what is admitted at once says nothing about how fast room comes free.  Older
measurements fade: after MEMORY_SECONDS they count for a third.
"""

import math

MEMORY_SECONDS = 10.0
LEAST_TAKEN = 3.0  # admissions before a pace is known; faded ones count in part


class Pace:
    """`now` in seconds, of a monotonic clock."""

    def __init__(self) -> None:
        self._taken = self._tokens = self._seconds = 0.0
        self._since: float | None = None  # the last admission, or when the queue began
        self._ended: float | None = None

    def anew(self) -> "Pace":
        """A pace that has measured nothing yet, at the same moment."""
        pace = Pace()
        pace._since = self._since
        return pace

    def begins(self, now: float) -> None:
        """Something begins to wait; before, nothing did."""
        if self._ended is not None:
            self._fade(now - self._ended)
        self._since = now

    def ends(self, now: float) -> None:
        """Nothing waits any more."""
        self._since, self._ended = None, now

    def took(self, now: float, service: int) -> None:
        """A waiting request was admitted, for `service` tokens of service."""
        since = now if self._since is None else self._since
        passed = max(0.0, now - since)
        self._fade(passed)
        self._taken += 1
        self._tokens += service
        self._seconds += passed
        self._since = now

    def seconds_for(self, tokens: float, requests: float, now: float) -> float | None:
        """Seconds until a request is admitted that has this much ahead of it, counted in tokens of service or in
        requests, whichever is sooner: the estimates of what waits may be too high.  None while the pace is not
        known."""
        if self._taken < LEAST_TAKEN:
            return None
        waited = self._seconds + (max(0.0, now - self._since) if self._since is not None else 0.0)
        return waited * (min(tokens / self._tokens, requests / self._taken) + 1 / self._taken)

    def _fade(self, passed: float) -> None:
        kept = math.exp(-max(0.0, passed) / MEMORY_SECONDS)
        self._taken, self._tokens, self._seconds = self._taken * kept, self._tokens * kept, self._seconds * kept
