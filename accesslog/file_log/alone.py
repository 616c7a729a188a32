"""Of which requests the file log alone is to tell: of those through an Envoy that writes the file read here, and soon.

ratelimit says so in its decision, and Envoy then leaves the request out of its log stream, which would cost both sides
twice as much.  So this is decided anew for each request, by what has just been read: an Envoy of which no line has come
lately, or one that writes its lines late, has its requests in both logs, as one whose file nobody reads has them in the
stream alone.  An Envoy must also have a stream open, since its cut is what tells that the Envoy is gone (streams.py).
"""

import time
from collections.abc import Callable

from tenancy.values.lease_id import NO_ENVOY, envoy_of

LATE_SECONDS = 0.05  # after its end a line was not in the file yet: Envoy flushes it too rarely
LATE_KEPT_SECONDS = 10.0  # how long that counts
LATELY_SECONDS = 2.0  # since the last line: with fewer requests than that nothing is to be spared
MOST_ENVOYS = 100


class Alone:
    """`has_stream`: whether an Envoy has one open here.  `read` and `pause` are for the thread that reads the file."""

    def __init__(self, has_stream: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._has_stream, self._clock = has_stream, clock
        self._until: dict[str, float] = {}  # by Envoy
        self._late_at: dict[str, float] = {}

    def tells(self, lease_id: str) -> bool:
        """Whether the file is to tell alone of the end of this request.  For any thread."""
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
        """How many Envoys it is that write the file, of those that do it at once."""
        now = self._clock()
        return sum(until > now for until in self._until.values())

    def pause(self) -> None:
        """Until another line is read: the file is not read as fast as it grows, or its disk is full."""
        for envoy in self._until:
            self._until[envoy] = 0.0
