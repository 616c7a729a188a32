"""Keeping answers, on a thread of its own: compressing one takes some milliseconds.

An answer that finds no room here, or that Redis does not take, is not kept; only the next request for it notices.
"""

import heapq
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

import structlog

from ratelimit.budgets.port import BudgetsUnavailable
from ratelimit.responses.kept import Header, Kept, Place, Ticket, read_answer
from ratelimit.responses.metrics import AWAY, CROWDED, KEPT, TOO_LARGE, UNREADABLE, ResponseMetrics
from ratelimit.responses.port import Responses
from serving.call import Answer, Call, Unary
from tenancy.values.lease_id import is_recent
from tenancy.values.seal import Seal

log = structlog.get_logger(__name__)

PATH = "/tollkeeper.Responses/Keep"
MAX_BYTES = 64 * 1_048_576  # of answers that wait to be kept
MAX_CLAIMS = 50_000
# How long after a request's end its answer may still arrive: it takes another way than the access log.
GRACE_SECONDS = 0.5
DONE = b""


class _Job(NamedTuple):
    ticket: Ticket
    headers: tuple[Header, ...]
    body: bytes


class Keeper:
    """`keep` is a handler; `claimed` and `over` from any thread.  `most_bytes`: of one owner."""

    def __init__(
        self,
        store: Responses,
        seal: Seal,
        metrics: ResponseMetrics,
        most_bytes: int,
        *,
        now_ms: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._seal, self._metrics, self._most_bytes = store, seal, metrics, most_bytes
        self._now_ms, self._clock = now_ms, clock
        self._queue: SimpleQueue[_Job | str | None] = SimpleQueue()  # str: the lease id of a request that is over
        self._lock, self._size = threading.Lock(), 0  # of the bodies in the queue
        self._claims: dict[str, Place] = {}  # by lease id
        self._due: list[tuple[float, str]] = []  # when the claims of requests that are over are given up
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def methods(self) -> tuple[Unary, ...]:
        return (Unary(PATH, self.keep),)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        self._closing = True
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def keep(self, message: bytes, _call: Call) -> Answer:
        """Handler.  Envoy does not wait for the answer."""
        read = read_answer(message)
        ticket = Ticket.load(read[0], self._seal) if read else None
        if read is None or ticket is None or not is_recent(ticket.lease_id, self._now_ms()):
            self._metrics.answers.add(UNREADABLE)
        elif len(read[2]) > ticket.max_bytes:
            self._metrics.answers.add(TOO_LARGE)
        elif not self._grows(len(read[2])):
            self._metrics.answers.add(CROWDED)
        else:
            self._queue.put(_Job(ticket, read[1], read[2]))
        return DONE

    def _grows(self, size: int) -> bool:
        """Whether there is room for `size` more bytes."""
        with self._lock:
            fits = self._size + size <= MAX_BYTES
            self._size += size if fits else 0
        return fits

    def claimed(self, lease_id: str, place: Place) -> None:
        """The request runs, and others wait for its answer.  Beyond the bound on claims, a claim is left to expire."""
        if len(self._claims) < MAX_CLAIMS:
            self._claims[lease_id] = place

    def over(self, lease_id: str) -> None:
        """The request has ended; if its answer is not kept soon, it will not be."""
        if lease_id in self._claims:
            self._queue.put(lease_id)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._next()
            except BudgetsUnavailable:
                self._metrics.errors.add()
            except Exception:  # the top of the thread
                self._metrics.failures.add()
                log.exception("an answer could not be kept")

    def _next(self) -> None:
        try:
            item = self._queue.get(timeout=max(0.0, self._due[0][0] - self._clock()) if self._due else None)
        except Empty:
            item = None
        if isinstance(item, _Job):
            self._grows(-len(item.body))
            self._keep(item)
        elif item is not None:
            heapq.heappush(self._due, (self._clock() + GRACE_SECONDS, item))
        while self._due and self._due[0][0] <= self._clock():
            lease_id = heapq.heappop(self._due)[1]
            place = self._claims.pop(lease_id, None)
            if place is not None:
                self._store.release(place, lease_id)

    def _keep(self, job: _Job) -> None:
        ticket = job.ticket
        self._claims.pop(ticket.lease_id, None)
        stored = Kept(self._now_ms(), job.headers, job.body).dump()
        try:
            told = self._store.keep(ticket.place, ticket.lease_id, stored, ticket.ttl_seconds, self._most_bytes)
        except BudgetsUnavailable:
            self._metrics.answers.add(AWAY)
            raise
        self._metrics.answers.add(KEPT if told.kept else TOO_LARGE)
        self._metrics.evicted.add(n=told.evicted)
        if told.kept:
            self._metrics.stored_bytes.add(n=len(stored))
