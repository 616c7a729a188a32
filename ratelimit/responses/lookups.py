"""Looking for kept answers, on a thread of its own: one round trip for all requests since the last one.

A request for an answer that another request is just producing waits until that is kept, is given up, or takes too long.
Without Redis nothing is kept, and all requests run.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

import structlog

from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.responses.kept import Kept, Place
from ratelimit.responses.metrics import ResponseMetrics
from ratelimit.responses.port import Look, Responses, Turn
from serving.batch import taken
from serving.call import notify

log = structlog.get_logger(__name__)

MAX_BATCH = 32
MAX_QUEUED = 8192
MAX_WAITING = 8192
MAX_WAITING_OF_ONE = 1024  # waiting for one owner's answers; each has its body in Envoy, and no place in flight
POLL_SECONDS = 0.025  # between two looks for an answer that is awaited
AWAY_SECONDS = 1.0  # before a Redis that did not answer is asked again
TOLD = "response cache"  # names the call in the log if it fails

Tell = Callable[[Kept | None], None]


@dataclass(slots=True, eq=False)
class Asking:
    """`until`: it waits up to this time.monotonic().  `tell` is called once, from the thread of the lookups: with the
    kept answer, or with None: run."""

    place: Place
    lease_id: str
    until: float
    tell: Tell
    gone: bool = field(default=False)

    def leave(self) -> None:
        """Its caller has left: it is not told any more."""
        self.gone = True


class Lookups:
    """`ask` from any thread.  `most_of_one`: how many requests of one owner may wait for answers; further ones run."""

    def __init__(
        self,
        store: Responses,
        metrics: ResponseMetrics,
        clock: Callable[[], float] = time.monotonic,
        most_of_one: int = MAX_WAITING_OF_ONE,
    ) -> None:
        self._store, self._metrics, self._clock, self._most_of_one = store, metrics, clock, most_of_one
        self._queue: SimpleQueue[Asking | None] = SimpleQueue()
        self._waiting: dict[Place, list[Asking]] = {}
        self._owners = Counter[str]()  # how many wait, by owner
        self._count, self._poll_at, self._away_until = 0, 0.0, 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="responses", daemon=True)
        metrics.watch("waiting", "Requests that wait for another's answer", lambda: float(self._count))

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """All waiting requests run."""
        self._closing = True
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def ask(self, place: Place, lease_id: str, wait_seconds: float, tell: Tell) -> Asking | None:
        """None if looking makes no sense: then the request runs, and `tell` is not called."""
        now = self._clock()
        if self._closing or now < self._away_until or self._queue.qsize() >= MAX_QUEUED:
            return None
        asking = Asking(place, lease_id, now + wait_seconds, tell)
        self._queue.put(asking)
        return asking

    def _run(self) -> None:
        while not self._closing:
            try:
                self._serve(self._batch())
                if self._waiting and self._clock() >= self._poll_at:
                    self._poll()
            except Exception:  # the top of the thread: every caller depends on it
                self._metrics.failures.add()
                log.exception("looking for kept answers failed")
        self._tell(self._left())

    def _left(self) -> list[Asking]:
        left = [each for group in self._waiting.values() for each in group]
        while not self._queue.empty():
            asking = self._queue.get()
            left += [] if asking is None else [asking]
        return left

    def _batch(self) -> list[Asking]:
        timeout = max(0.0, self._poll_at - self._clock()) if self._waiting else None
        return [asking for asking in taken(self._queue, MAX_BATCH, timeout) if not asking.gone]

    def _serve(self, batch: Sequence[Asking]) -> None:
        """Of the requests for one answer, one claims it; the others see that claim."""
        if not batch:
            return
        found = self._look([Look(asking.place, asking.lease_id) for asking in batch])
        for asking, each in zip(batch, found, strict=True):
            if each is Turn.WAIT and self._has_room(asking.place.owner) and asking.until > self._clock():
                self._wait(asking)
            else:
                self._tell([asking], each)

    def _has_room(self, owner: str) -> bool:
        return self._count < MAX_WAITING and self._owners.get(owner, 0) < self._most_of_one

    def _wait(self, asking: Asking) -> None:
        if not self._waiting:
            self._poll_at = self._clock() + POLL_SECONDS
        self._waiting.setdefault(asking.place, []).append(asking)
        self._count += 1
        self._owners[asking.place.owner] += 1
        self._metrics.waited.add()

    def _poll(self) -> None:
        """Looks once at each place for all who wait there.  If nobody produces its answer any more and none is kept,
        they all run: what one could not keep, another cannot either."""
        self._poll_at = self._clock() + POLL_SECONDS
        places = [*self._waiting]
        for start in range(0, len(places), MAX_BATCH):
            some = places[start : start + MAX_BATCH]
            found = self._look([Look(place, "", claims=False) for place in some])
            for place, each in zip(some, found, strict=True):
                self._told_at(place, each)

    def _told_at(self, place: Place, found: bytes | Turn) -> None:
        group = self._waiting[place]
        if found is not Turn.WAIT:
            stays: list[Asking] = []
            self._tell(group, found)
        else:
            now = self._clock()
            stays = [asking for asking in group if asking.until > now and not asking.gone]
            self._tell([asking for asking in group if asking.until <= now])
        self._count -= len(group) - len(stays)
        self._owners[place.owner] -= len(group) - len(stays)
        if not self._owners[place.owner]:
            del self._owners[place.owner]
        if stays:
            self._waiting[place] = stays
        else:
            del self._waiting[place]

    def _look(self, looks: Sequence[Look]) -> Sequence[bytes | Turn]:
        started = time.perf_counter()
        try:
            found = self._store.look(looks)
        except BudgetsUnavailable as error:
            self._metrics.errors.add()
            if self._clock() >= self._away_until:
                log.warning("no kept answers while redis does not answer", reason=str(error))
            self._away_until = self._clock() + AWAY_SECONDS
            return [Turn.RUN] * len(looks)
        except Exception:  # whatever it is, callers must be told
            self._metrics.failures.add()
            log.exception("looking for kept answers failed", requests=len(looks))
            return [Turn.RUN] * len(looks)
        self._metrics.look_seconds.observe(time.perf_counter() - started)
        return found

    def _tell(self, askings: Sequence[Asking], found: bytes | Turn = Turn.RUN) -> None:
        kept = Kept.load(found) if isinstance(found, bytes) else None
        for asking in askings:
            if not asking.gone:
                notify(TOLD, lambda tell=asking.tell: tell(kept))  # type: ignore[misc] # bound at once
