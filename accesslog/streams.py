"""Which Envoys have log streams open, and so: when one of them is gone, with everything that ran through it.

Each worker of an Envoy keeps one stream open from its first entry on, and the ids of its requests say which Envoy it is
(`tenancy.values.lease_id`).  An Envoy that reloads or stops ends its streams; one that was killed leaves them cut, and
no entry will ever come of what it had in flight.  So it is gone if streams of it were cut and none is open, here or in
a process beside this one.  Envoys with a configuration from before they said so are all one: gone, if no stream is left
of those that it had open before.  Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from tenancy.values.lease_id import NO_ENVOY, envoy_of

GRACE_SECONDS = 3.0  # the streams of one Envoy are cut one after another
HEARD_SECONDS = 1.5  # of a cut, until what is heard of streams elsewhere is of later
MOST_NAMES = 8  # of one stream: one, unless its sidecar is being upgraded
MOST_ENVOYS = 1000


class Gone(NamedTuple):
    """What began through this Envoy before that time, in seconds since 1970, is over."""

    envoy: str
    before: float


@dataclass(slots=True)
class _Stream:
    opened: float
    envoys: dict[str, None] = field(default_factory=dict)  # the latest last


class Streams:
    """`opened`, `brought` and `ended` are for the thread that serves, the others for one that looks every second.
    `clock`: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count()
        self._open: dict[int, _Stream] = {}
        self._cut: dict[str, float] = {}  # by Envoy: when the last stream was
        self._elsewhere: dict[str, float] = {}  # by Envoy: when a process beside this one had one

    def opened(self) -> int:
        """Its number."""
        number = next(self._numbers)
        self._open[number] = _Stream(self._clock())
        return number

    def brought(self, number: int, lease_id: str) -> None:
        """A believed entry of this request."""
        envoys, envoy = self._open[number].envoys, envoy_of(lease_id)
        if envoy not in envoys:
            if len(envoys) >= MOST_NAMES:
                del envoys[next(iter(envoys))]
            envoys[envoy] = None

    def ended(self, number: int, ok: bool) -> None:
        """`ok`: by its Envoy; if not, it was cut."""
        stream = self._open.pop(number, None)
        if stream is None or ok:
            return
        for envoy in stream.envoys:
            if len(self._cut) < MOST_ENVOYS:
                self._cut[envoy] = self._clock()

    def here(self) -> list[str]:
        """The Envoys that have streams open."""
        return sorted({envoy for stream in list(self._open.values()) for envoy in list(stream.envoys)})

    def is_open(self, envoy: str) -> bool:
        """Whether it has one."""
        return any(envoy in stream.envoys for stream in list(self._open.values()))

    def heard(self, envoys: Iterable[str]) -> None:
        """These have streams open in a process beside this one."""
        now = self._clock()
        self._elsewhere = {name: at for name, at in self._elsewhere.items() if now - at < 2 * GRACE_SECONDS}
        for envoy in envoys:
            if len(self._elsewhere) < MOST_ENVOYS:
                self._elsewhere[envoy] = now

    def gone(self) -> list[Gone]:
        """Each told once."""
        now = self._clock()
        due = [Gone(envoy, cut_at) for envoy, cut_at in list(self._cut.items()) if now - cut_at >= GRACE_SECONDS]
        for each in due:
            if self._cut.get(each.envoy) == each.before:
                del self._cut[each.envoy]
        return [each for each in due if not self._is_left(each)]

    def _is_left(self, gone: Gone) -> bool:
        if self._elsewhere.get(gone.envoy, 0.0) >= gone.before + HEARD_SECONDS:
            return True
        return any(
            gone.envoy in stream.envoys and (gone.envoy != NO_ENVOY or stream.opened <= gone.before)
            for stream in list(self._open.values())
        )
