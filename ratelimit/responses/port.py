"""The port to the store of kept answers.  No I/O."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from ratelimit.responses.kept import Place


class Turn(Enum):
    """What to do where no answer is kept.  RUN: no other request is producing it; WAIT: one is."""

    RUN = 1
    WAIT = 0


class Look(NamedTuple):
    """A request that would like an answer.  `claims`: if none is kept, it runs itself and the others wait for it."""

    place: Place
    lease_id: str
    claims: bool = True


class Told(NamedTuple):
    """The result of keeping an answer.  `size`: what its owner has now, in bytes; `evicted`: the number of answers that
    were removed for it.  `kept` is false if it alone exceeds the owner's bound."""

    kept: bool
    evicted: int = 0
    size: int = 0


class Responses(Protocol):
    """Raises BudgetsUnavailable if the store does not answer; then nothing is known."""

    def look(self, looks: Sequence[Look]) -> list[bytes | Turn]:
        """What is kept at each place, or whose turn it is.  A claim ends when its answer is kept, when it is released,
        or after the adapter's CLAIM_SECONDS."""

    def keep(self, place: Place, lease_id: str, stored: bytes, ttl_seconds: int, most_bytes: int) -> Told:
        """Keeps it for `ttl_seconds`, and ends the claim of that lease.  The least recently used answers are removed so
        that the owner has at most `most_bytes`."""

    def release(self, place: Place, lease_id: str) -> None:
        """Ends the claim, if that lease still holds it."""
