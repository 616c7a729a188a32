"""The oracle of kept answers: the port in memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ratelimit.responses.kept import Place
from ratelimit.responses.port import Look, Told, Turn

BESIDE = 400  # bytes that the adapter counts for an answer besides its own


@dataclass
class Answer:
    stored: bytes
    ends: float
    used: int


class MemoryResponses:
    """Implements Responses."""

    def __init__(self, claim_seconds: float) -> None:
        self._claim_seconds = claim_seconds
        self._answers: dict[Place, Answer] = {}
        self._claims: dict[Place, tuple[str, float]] = {}
        self._turns = 0

    def look(self, looks: Sequence[Look]) -> list[bytes | Turn]:
        return [self._one(look) for look in looks]

    def _one(self, look: Look) -> bytes | Turn:
        now = time.monotonic()
        answer, (by, until) = self._answers.get(look.place), self._claims.get(look.place, ("", 0.0))
        if answer is not None and answer.ends > now:
            self._turns += 1
            answer.used = self._turns
            return answer.stored
        if until > now and by != look.lease_id:
            return Turn.WAIT
        if look.claims and until <= now:
            self._claims[look.place] = look.lease_id, now + self._claim_seconds
        return Turn.RUN

    def keep(self, place: Place, lease_id: str, stored: bytes, ttl_seconds: int, most_bytes: int) -> Told:
        self.release(place, lease_id)
        now, size = time.monotonic(), len(stored) + BESIDE
        self._answers = {each: answer for each, answer in self._answers.items() if answer.ends > now}
        if size > most_bytes:
            return Told(False, 0, self._size(place.owner))
        self._answers.pop(place, None)
        evicted = 0
        while self._size(place.owner) + size > most_bytes:
            mine = {each: answer.used for each, answer in self._answers.items() if each.owner == place.owner}
            del self._answers[min(mine, key=mine.__getitem__)]
            evicted += 1
        self._turns += 1
        self._answers[place] = Answer(stored, now + ttl_seconds, self._turns)
        return Told(True, evicted, self._size(place.owner))

    def release(self, place: Place, lease_id: str) -> None:
        if place in self._claims and self._claims[place][0] == lease_id:
            del self._claims[place]

    def _size(self, owner: str) -> int:
        return sum(len(each.stored) + BESIDE for place, each in self._answers.items() if place.owner == owner)
