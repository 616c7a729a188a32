"""Many connections of one engine: what each may have read in a turn, and which is closed where there are too many, or
where they hold too much together.  A caller that floods the engine must not keep it from Envoy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

log = structlog.get_logger(__name__)

# Read in one turn, of all connections together; of each at least the second.
TURN_BYTES, LEAST_BYTES = 256 * 1024, 4096


def share_of(connections: int) -> int:
    """How many bytes are read of each connection in a turn, if this many have some; the rest is read in the next."""
    return max(LEAST_BYTES, TURN_BYTES // max(1, connections))


class Held(Protocol):
    """What is asked of a connection."""

    now: float
    """When something was received last."""

    @property
    def idle(self) -> bool:
        """No call is open."""

    @property
    def held(self) -> int:
        """Bytes."""


C = TypeVar("C", bound=Held)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of all connections together.  `held_bytes`: of messages that are not complete and answers that are not read."""

    connections: int = 1024
    held_bytes: int = 256 * 1024 * 1024


BOUNDS = Bounds()


class Crowd(Generic[C]):
    """Names the connection to be closed, and closes none itself.  Each kind is logged once until it is over."""

    def __init__(self, connections: Mapping[int, C], bounds: Bounds) -> None:
        self._connections, self._bounds = connections, bounds
        self._many = self._much = False

    @property
    def full(self) -> bool:
        """Whether there are as many connections as allowed."""
        return len(self._connections) >= self._bounds.connections

    def make_room(self) -> C | None:
        """The connection without a call that has been silent for longest; None if each has a call."""
        if not self._many:
            self._many = True
            most = self._bounds.connections
            log.error("too many connections: those that are silent are closed for new ones", most=most)
        idle = (each for each in self._connections.values() if each.idle)
        return min(idle, key=lambda each: each.now, default=None)

    def holds_too_much(self) -> C | None:
        """The connection that holds the most, if all together hold too much.  To be asked from time to time."""
        self._many = self._many and len(self._connections) > self._bounds.connections // 2
        held, most = sum(each.held for each in self._connections.values()), self._bounds.held_bytes
        if held <= most:
            self._much = self._much and held > most // 2
            return None
        if not self._much:
            self._much = True
            log.error("connections hold too much: those that hold most are closed", bytes=held, most=most)
        return max(self._connections.values(), key=lambda each: each.held)
