"""Which requests only the file log is to report: those through an Envoy that writes the file read here, and promptly.

ratelimit says so in its decision, and Envoy then leaves the request out of its log stream, which would cost both sides
twice as much.  This is decided anew for each request, by what has just been read.  An Envoy of which no line has come
lately, or whose lines come late, reports to both logs; one whose file nobody reads, in effect to the stream alone.  An
Envoy must also have a stream open, because its cut is the sign that the Envoy is gone (streams.py).
"""

import time
from collections.abc import Callable

from tenancy.values.lease_id import NO_ENVOY, envoy_of

LATE_SECONDS = 0.05  # a line that comes later than this after the end: Envoy flushes its file too rarely
LATE_KEPT_SECONDS = 10.0  # how long a late line counts
LATELY_SECONDS = 2.0  # since the last line: with fewer requests there is nothing to save
MOST_ENVOYS = 100


class Alone:
    """`has_stream`: whether an Envoy has a stream open here.  `read` and `pause` are for the thread that reads the
    file."""

    def __init__(self, has_stream: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._has_stream, self._clock = has_stream, clock
        self._until: dict[str, float] = {}  # by Envoy
        self._late_at: dict[str, float] = {}

    def tells(self, lease_id: str) -> bool:
        """Whether only the file is to report the end of this request.  Thread-safe."""
        return self._until.get(envoy_of(lease_id), 0.0) > self._clock()

    def read(self, lease_id: str, late_seconds: float) -> None:
        """A line of this request was read, at least `late_seconds` after its end."""
        envoy, now = envoy_of(lease_id), self._clock()
        if envoy == NO_ENVOY:
            return
        if envoy not in self._until and len(self._until) >= MOST_ENVOYS:
            self._until.clear()
            self._late_at.clear()
        if late_seconds > LATE_SECONDS:
            self._late_at[envoy] = now
        late = now - self._late_at.get(envoy, float("-inf")) < LATE_KEPT_SECONDS
        self._until[envoy] = 0.0 if late or not self._has_stream(envoy) else now + LATELY_SECONDS

    @property
    def writers(self) -> int:
        """The number of Envoys that write the file promptly."""
        now = self._clock()
        return sum(until > now for until in self._until.values())

    def pause(self) -> None:
        """Nothing is left to the file until another line is read: it grows faster than it is read, or its disk is
        full."""
        for envoy in self._until:
            self._until[envoy] = 0.0
