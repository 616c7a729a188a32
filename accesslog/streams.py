"""Which Envoys have log streams open, and so when one of them is gone, with all requests through it.

Each worker of an Envoy keeps one stream open from its first entry on, and the ids of its requests name the Envoy
(`tenancy.values.lease_id`).  An Envoy that reloads or stops ends its streams; a killed one leaves them cut, and no
entry will come of its requests in flight.  So an Envoy is gone if streams of it were cut and none is open, here or in
another process of this sidecar.  Envoys whose configuration does not name them yet count as one: gone, if none of the
streams that it had open before is left.  Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from tenancy.values.lease_id import NO_ENVOY, envoy_of

GRACE_SECONDS = 3.0  # the streams of one Envoy are cut one after another
HEARD_SECONDS = 1.5  # after a cut, until news of streams elsewhere is newer than the cut
MOST_NAMES = 8  # Envoys named on one stream: one, unless its sidecar is being upgraded
MOST_ENVOYS = 1000


class Gone(NamedTuple):
    """Requests that began through this Envoy before that time, in seconds since 1970, are over."""

    envoy: str
    before: float


@dataclass(slots=True)
class _Stream:
    opened: float
    envoys: dict[str, None] = field(default_factory=dict)  # the latest last


class Streams:
    """`opened`, `brought` and `ended` are for the serving thread, the others for one that looks every second.  `clock`:
    seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count()
        self._open: dict[int, _Stream] = {}
        self._cut: dict[str, float] = {}  # by Envoy: when its last stream was cut
        self._elsewhere: dict[str, float] = {}  # by Envoy: when another process of this sidecar last had a stream of it

    def opened(self) -> int:
        """Returns the number of the new stream."""
        number = next(self._numbers)
        self._open[number] = _Stream(self._clock())
        return number

    def brought(self, number: int, lease_id: str) -> None:
        """The stream brought a believed entry of this request."""
        envoys, envoy = self._open[number].envoys, envoy_of(lease_id)
        if envoy not in envoys:
            if len(envoys) >= MOST_NAMES:
                del envoys[next(iter(envoys))]
            envoys[envoy] = None

    def ended(self, number: int, ok: bool) -> None:
        """`ok`: its Envoy ended the stream; if not, it was cut."""
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
        """Whether the Envoy has a stream open here."""
        return any(envoy in stream.envoys for stream in list(self._open.values()))

    def heard(self, envoys: Iterable[str]) -> None:
        """These Envoys have streams open in another process of this sidecar."""
        now = self._clock()
        self._elsewhere = {name: at for name, at in self._elsewhere.items() if now - at < 2 * GRACE_SECONDS}
        for envoy in envoys:
            if len(self._elsewhere) < MOST_ENVOYS:
                self._elsewhere[envoy] = now

    def gone(self) -> list[Gone]:
        """The Envoys that are gone; each is returned once."""
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
