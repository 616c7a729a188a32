"""The port to the store of kept answers.  No I/O."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from ratelimit.responses.kept import Place


class Turn(Enum):
    """What to do where no answer is kept.  RUN: nobody else is at it; WAIT: somebody is."""

    RUN = 1
    WAIT = 0


class Look(NamedTuple):
    """A request that would like an answer.  `claims`: if there is none it runs itself, and others wait for it."""

    place: Place
    lease_id: str
    claims: bool = True


class Told(NamedTuple):
    """What came of keeping an answer.  `size`: of what its owner has now, in bytes; `evicted`: how many answers had to
    go for it.  `kept` is false if it alone is more than its owner may have."""

    kept: bool
    evicted: int = 0
    size: int = 0


class Responses(Protocol):
    """Raises BudgetsUnavailable if the store does not answer; then nothing is known."""

    def look(self, looks: Sequence[Look]) -> list[bytes | Turn]:
        """What is kept at each place, or whose turn it is.  A claim ends when its answer is kept, when it is released,
        or after CLAIM_SECONDS of the adapter."""

    def keep(self, place: Place, lease_id: str, stored: bytes, ttl_seconds: int, most_bytes: int) -> Told:
        """Keeps it for so long, and ends the claim of that lease.  Of what has not been used for longest as much goes
        as must, so that its owner has at most `most_bytes`."""

    def release(self, place: Place, lease_id: str) -> None:
        """Ends the claim of that lease, if it is still its."""
