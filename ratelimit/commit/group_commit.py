"""Group commit: one thread reserves, in one round trip to Redis, for all callers that asked since the last one.

Owns that thread, its queue, and the knowledge of whether Redis is there.  When Redis does not answer, callers wait as
long as they may, and their reservations are asked for again: a lease is taken once.  After that Redis is away: requests
get the failure mode at once, and only this thread probes whether it is back.  What is reserved, and how, is not decided
here; waiting for a slot is in slots.py.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

import structlog

from ratelimit.budgets.port import Admitted, Budgets, BudgetsUnavailable, Decision, LeaseName, Reservation
from ratelimit.commit import in_doubt
from ratelimit.commit.fallback import Fallback, Outcome
from ratelimit.commit.looks import Looked, Looks
from ratelimit.commit.slots import Answer, Asking, Slots
from ratelimit.metrics import RatelimitMetrics
from serving.batch import taken

log = structlog.get_logger(__name__)

MAX_BATCH = 64  # if each is of another tenant, about 3 ms of Redis, which answers nobody else meanwhile
MAX_QUEUED = 8192  # more than any burst that 50 ms can bring
PROBE_SECONDS = 0.1
# How long requests wait for a Redis that does not answer: half of Envoy's own timeout.
PATIENCE_SECONDS = 1.0
SECOND_LOOK_SECONDS = 0.02  # between two tries meanwhile
FAILURE_PAUSE_SECONDS = 0.01  # so that a failure which repeats does not use up a core


class GroupCommit:
    """`probe` raises BudgetsUnavailable unless the store answers.  The store bounds every wait by itself."""

    def __init__(
        self,
        budgets: Budgets,
        probe: Callable[[], object],
        fallback: Fallback,
        metrics: RatelimitMetrics,
        *,
        max_batch: int = MAX_BATCH,
        max_queued: int = MAX_QUEUED,
        probe_seconds: float = PROBE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        doubts: in_doubt.InDoubt | None = None,
    ) -> None:
        self._budgets, self._probe, self._fallback, self._metrics = budgets, probe, fallback, metrics
        self._max_batch, self._max_queued, self._probe_seconds = max_batch, max_queued, probe_seconds
        self._patience_seconds = patience_seconds
        self._queue: SimpleQueue[Asking | None] = SimpleQueue()  # None: wake up, something else has to be looked at
        self._abandoned: SimpleQueue[Reservation] = SimpleQueue()
        self._freed: SimpleQueue[str] = SimpleQueue()
        self._looks = Looks()
        self._slots = Slots(time.monotonic)
        self._in_doubt = in_doubt.InDoubt(time.monotonic) if doubts is None else doubts
        self._away = self._closing = False
        self._silent_since: float | None = None  # time.monotonic() of the first call that Redis did not answer
        self._unanswered: list[Asking] = []  # to be asked again
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)
        metrics.watch("redis_available", "1 while Redis answers", lambda: float(self.available))
        metrics.watch("in_doubt", "Reservations that may hold tokens nobody uses", lambda: float(len(self._in_doubt)))
        metrics.watch("waiting_for_slot", "Requests that wait for a slot", lambda: float(self.waiting))
        metrics.watch("asking", "Requests that wait for their round trip", lambda: float(self._queue.qsize()))

    @property
    def available(self) -> bool:
        """False while Redis is away, and once closed."""
        return not self._away and not self._closing

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._slots)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Answers what is queued, then ends the thread.  Later requests get the failure mode."""
        self._closing = True
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def reserve(self, reservation: Reservation, answer: Answer, waits: Callable[[], bool] = bool) -> Outcome | None:
        """Queues it and returns None; `answer` is then called from the Redis thread.  While Redis is away it returns
        the failure mode's outcome at once.  `waits` is called from the Redis thread when no slot is free: whether the
        caller waits for one, for at most slots.WAIT_SECONDS."""
        if self._away or self._closing or self._queue.qsize() >= self._max_queued:
            return self._fallback.decide(reservation)
        self._queue.put(Asking(reservation, answer, waits))
        return None

    def look(self, reservation: Reservation, told: Looked) -> None:
        """Calls `told`, from the Redis thread, with what the budgets would decide; takes nothing.  Not while Redis is
        away."""
        self._looks.add(reservation, told)
        self._queue.put(None)

    def freed(self, owners: Iterable[str]) -> None:
        """A lease of each of these owners has just ended.  Thread-safe."""
        if self._slots:
            for owner in owners:
                self._freed.put(owner)
            self._queue.put(None)

    def abandon(self, reservation: Reservation) -> None:
        """Gives back, at once, what was or may yet be reserved for a caller who has left.  Thread-safe."""
        self._abandoned.put(reservation)
        self._queue.put(None)

    def _run(self) -> None:
        self._survive(self._probe_redis)  # before the first request, which then need not wait for the connection
        while not (self._closing and self._queue.empty() and not self._unanswered):
            self._survive(self._serve_next_batch)
        self._give_up(self._slots.take_all())
        self._survive(self._release_all)

    def _survive(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception:  # top of the thread: every caller depends on it
            self._metrics.failures.add()
            log.exception("redis thread failed")
            time.sleep(FAILURE_PAUSE_SECONDS)

    def _serve_next_batch(self) -> None:
        if self._silent_since is not None and not self._away:
            self._look_again(self._silent_since)
            return
        batch = taken(self._queue, self._max_batch, self._seconds_until_due())
        if not self._abandoned.empty():
            left = [self._abandoned.get() for _ in range(self._abandoned.qsize())]
            self._remember_in_doubt([each for each in left if not self._slots.forget(each)], at_once=True)
        if self._slots or self._freed.qsize():
            self._ask_again()
        if batch and self._away:
            self._fall_back(batch)
        elif batch:
            self._commit(batch)
        elif self._away:
            self._probe_redis()
        if self._looks:
            self._look()
            self._queue.put(None)  # more may be queued
        if not self._away and self._in_doubt.seconds_until_due() == 0.0:
            self._release_due()

    def _seconds_until_due(self) -> float | None:
        due = self._probe_seconds if self._away else self._in_doubt.seconds_until_due()
        retry = self._slots.seconds_until_due()
        return due if retry is None else retry if due is None else min(due, retry)

    def _ask_again(self) -> None:
        """Queues the requests for which a slot may be free by now."""
        asks, gives_up = self._slots.take_due()
        self._give_up(gives_up)
        for _ in range(self._freed.qsize()):
            asks += self._slots.take(self._freed.get())
        for asking in asks:
            self._queue.put(asking)

    def _give_up(self, askings: Iterable[Asking]) -> None:
        for asking in askings:
            self._answer(asking.answer, Outcome(asking.refused))

    def _waits(self, asking: Asking, decision: Decision) -> bool:
        """Whether the request goes on waiting, instead of being answered."""
        if isinstance(decision, Admitted):
            if self._slots:  # where this one found a slot, there may be another
                for other in self._slots.take(asking.owner):
                    self._queue.put(other)
            return False
        return asking.lacks_slot(decision) and not self._closing and self._slots.add(asking, decision)

    def _commit(self, batch: list[Asking]) -> None:
        started = time.perf_counter()
        decisions: Sequence[Decision | None]
        try:
            decisions = self._budgets.reserve([asking.reservation for asking in batch])
        except BudgetsUnavailable as error:
            self._miss(str(error))
            decisions = [None] * len(batch)
        except Exception:  # whatever it is, callers must be answered
            self._metrics.failures.add()
            log.exception("reserving failed", requests=len(batch))
            decisions = [None] * len(batch)
        self._metrics.reserve_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_requests.observe(len(batch))
        undecided = [asking for asking, decision in zip(batch, decisions, strict=True) if decision is None]
        if undecided:
            self._keep_or_fall_back(undecided)
        for asking, decision in zip(batch, decisions, strict=True):
            if decision is not None and not self._waits(asking, decision):
                self._answer(asking.answer, Outcome(decision))

    def _look(self) -> None:
        if self._away:
            self._looks.take(self._max_batch)
            return
        try:
            self._looks.serve(self._budgets, self._max_batch)
        except BudgetsUnavailable as error:
            self._miss(str(error))

    def _keep_or_fall_back(self, undecided: Sequence[Asking]) -> None:
        """Reservations that take a lease may be repeated while there is time left; the others get the failure mode."""
        now, given_up = time.monotonic(), list[Asking]()
        for asking in undecided:
            asking.silent_since = asking.silent_since or now
            patient = self._silent_since is not None and not self._away and not self._is_over(asking.silent_since)
            keep = patient and asking.reservation.rules.leases is not None
            (self._unanswered if keep else given_up).append(asking)
        self._remember_in_doubt([asking.reservation for asking in given_up])
        self._fall_back(given_up)

    def _look_again(self, silent_since: float) -> None:
        """After Redis did not answer: repeats the reservations, or gives up."""
        there = self._probe_redis()
        if not there and not self._is_over(silent_since):
            time.sleep(SECOND_LOOK_SECONDS)
            return
        if not there:
            self._away = True
            log.warning("redis is away, requests get the failure mode")
        unanswered, self._unanswered = self._unanswered, []
        for start in range(0, len(unanswered), self._max_batch):
            (self._commit if there else self._keep_or_fall_back)(unanswered[start : start + self._max_batch])

    def _is_over(self, since: float) -> bool:
        return time.monotonic() - since >= self._patience_seconds

    def _fall_back(self, batch: Sequence[Asking]) -> None:
        for asking in batch:
            self._answer(asking.answer, self._fallback.decide(asking.reservation))

    def _answer(self, answer: Answer, outcome: Outcome) -> None:
        try:
            answer(outcome)
        except Exception:  # a failure for one caller must not reach the next
            self._metrics.failures.add()
            log.exception("answer failed")

    def _miss(self, reason: str) -> None:
        """Notes that Redis did not answer."""
        self._metrics.redis_errors.add()
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("redis does not answer", reason=reason)

    def _probe_redis(self) -> bool:
        """Whether Redis answers."""
        try:
            self._probe()
        except BudgetsUnavailable as error:
            self._miss(str(error))
            return False
        if self._silent_since is not None:
            self._in_doubt.postpone()
            self._away, self._silent_since = False, None
            log.info("redis is back", in_doubt=len(self._in_doubt))
        return True

    def _remember_in_doubt(self, reservations: Sequence[Reservation], *, at_once: bool = False) -> None:
        """A reservation without a lease cannot be given back: it may stay spent."""
        leased = [each for each in reservations if each.rules.leases is not None]
        forgotten = self._in_doubt.add([LeaseName(each.rules.owner, each.lease_id) for each in leased], at_once=at_once)
        if forgotten:
            self._metrics.in_doubt_dropped.add(n=forgotten)

    def _release_due(self, everything: bool = False) -> None:
        try:
            self._in_doubt.release_due(self._budgets, everything)
        except BudgetsUnavailable:
            self._metrics.redis_errors.add()
            self._in_doubt.postpone()
            self._probe_redis()  # on a cluster it may be one node that is away

    def _release_all(self) -> None:
        """At the end: nobody will release them later."""
        for _ in range(0, len(self._in_doubt), in_doubt.BATCH):
            if not self._away:
                self._release_due(everything=True)
