"""The processes of one kind: those at work, and the spare that takes over at once when one of them ends.

A spare has its modules loaded and its stores open, and waits to be told which place it takes.  So a kill does not cost
the start of a process, and a restart replaces one process after another while both answer.
"""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from tollkeeper.forking import Forked
from tollkeeper.handover import Candidate, News
from tollkeeper.hanging import Silence
from tollkeeper.plan import Worker
from tollkeeper.up.process import Process

log = structlog.get_logger(__name__)

RESTART_SECONDS = (0.2, 1.0, 5.0)  # after the first, second and any further failure in a row
STEADY_SECONDS = 30.0  # a process that ran this long has recovered from earlier failures
REAP_SECONDS = 1.0  # between the end of a process's socket and its own
ASK_SECONDS = 0.25  # between two questions whether all is well


class Member:
    """One process, what it was told and what it has said."""

    def __init__(self, start: Callable[[Candidate], Process | Forked]) -> None:
        self.candidate = Candidate()
        self.process = start(self.candidate)
        self.candidate.child.close()
        self.started_at = time.monotonic()
        self.worker: Worker | None = None
        self.kill_at = float("inf")
        self._silence, self._ask_at = Silence(self.process.pid), 0.0

    @property
    def ready(self) -> bool:
        return self.candidate.latest is not None

    @property
    def serving(self) -> bool:
        return self.candidate.latest is News.SERVING

    @property
    def ended(self) -> bool:
        return self.candidate.gone

    def take(self, worker: Worker) -> None:
        self.worker = worker
        self.candidate.give(worker)

    def hangs(self, now: float, *, replaceable: bool) -> bool:
        """To be asked often; asks the process whether all is well."""
        candidate = self.candidate
        if candidate.owes:
            candidate.read()  # the answer may be there, and it was we who had no processor
        if self.serving and not candidate.owes and now >= self._ask_at:
            self._ask_at = now + ASK_SECONDS
            self._silence.end()
            candidate.ask()
        owes = self.serving and candidate.owes and candidate.has_answered
        return self._silence.hangs(now, owes=owes, replaceable=replaceable)

    def leave(self, seconds: float) -> None:
        """Asks it to end, and will kill it after `seconds`."""
        self.process.ask_to_stop()
        self.kill_at = time.monotonic() + seconds

    def kill_now(self) -> None:
        """Kills it without waiting for its end."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self._silence.end()


class Group:
    """`start` makes a process that waits for its place, once it `can_start`.  `keep_spare`: else there is one only
    while a restart needs it.  `step` does what is due; call it often, and at once when a member's socket has something
    to read.  `restarted` is told of each process that ended without being asked to."""

    def __init__(
        self,
        workers: Sequence[Worker],
        start: Callable[[Candidate], Process | Forked],
        *,
        keep_spare: bool,
        drain: float,
        can_start: Callable[[], bool] = lambda: True,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._workers, self._start = {worker.number: worker for worker in workers}, start
        self._keep_spare, self._drain, self._restarted = keep_spare, drain, restarted
        self._can_start = can_start
        self._working: dict[int, Member] = {}
        self._spares: list[Member] = []  # one at most
        self._replaced: list[Member] = []  # one at most: it answers until its successor does
        self._leaving: list[Member] = []
        self._to_restart: deque[int] = deque()
        self._failures, self._due_at = 0, 0.0

    @property
    def members(self) -> list[Member]:
        return [*self._working.values(), *self._spares, *self._replaced, *self._leaving]

    def restart(self) -> None:
        """Replaces every process, one after another, by one of the code that is installed now."""
        self._to_restart = deque(self._workers)
        for spare in self._spares:  # of the code before
            spare.leave(self._drain)
        self._leaving += self._spares
        self._spares = []

    def step(self) -> None:
        ended = [member for member in self.members if member.ended]
        for member in ended:
            self._take_out(member)
        self._fill()
        for member in ended:
            member.process.stop(REAP_SECONDS)
            member.candidate.close()
            if member.kill_at == float("inf"):
                log.error("process ended", name=_name(member), exit=member.process.exit_code, failures=self._failures)
        self._restart_next()
        for member in self._leaving:
            if time.monotonic() >= member.kill_at:
                member.process.kill()
        self._end_what_hangs(time.monotonic())

    def _end_what_hangs(self, now: float) -> None:
        """Kills what hangs; its place is filled once its end is seen."""
        waiting = sum(spare.ready for spare in self._spares)
        for member in self.members:
            replaceable = waiting > 0 and member.worker is not None
            if member.kill_at == float("inf") and member.hangs(now, replaceable=replaceable):
                log.error("process hangs, it is killed", name=_name(member), pid=member.process.pid)
                member.kill_now()
                waiting -= 1

    @property
    def runs(self) -> bool:
        """Whether any of its processes does."""
        return any(member.process.running() for member in self.members)

    def let_go(self) -> None:
        """Leaves its processes to end by themselves, as without a supervisor."""
        for member in self.members:
            member.candidate.close()

    def ask_to_stop(self) -> None:
        for member in self.members:
            member.process.ask_to_stop()

    def stop(self, timeout: float) -> None:
        for member in self.members:
            member.process.stop(timeout)

    def _take_out(self, member: Member) -> None:
        for place in (self._spares, self._replaced, self._leaving):
            if member in place:
                place.remove(member)
        if member.worker and self._working.get(member.worker.number) is member:
            del self._working[member.worker.number]
        if member.kill_at == float("inf"):
            self._restarted()
            steady = time.monotonic() - member.started_at > STEADY_SECONDS
            self._failures = 1 if steady else self._failures + 1
            self._due_at = time.monotonic() + RESTART_SECONDS[min(self._failures, len(RESTART_SECONDS)) - 1]

    def _fill(self) -> None:
        """Fills every place first; then starts the spare, which would take processor time from those that start."""
        for number, worker in self._workers.items():
            if number not in self._working and (self._spares or self._may_start()):
                member = self._spares.pop() if self._spares else Member(self._start)
                self._working[number] = member
                member.take(worker)
        if (self._keep_spare or self._to_restart) and not self._spares and self._all_serve() and self._may_start():
            self._spares.append(Member(self._start))

    def _restart_next(self) -> None:
        """Restarts one place after another, each only once the one before is in order."""
        if not self._all_serve():
            return
        for old in self._replaced:
            old.leave(self._drain)
        self._leaving += self._replaced
        self._replaced = []
        if self._to_restart and not self._leaving and self._spares and self._spares[0].ready:
            worker = self._workers[self._to_restart.popleft()]
            old, new = self._working[worker.number], self._spares.pop()
            log.info("replacing a process", name=worker.name, old=old.process.pid, new=new.process.pid)
            self._replaced, self._working[worker.number] = [old], new
            new.take(worker)

    def _may_start(self) -> bool:
        return time.monotonic() >= self._due_at and self._can_start()

    def _all_serve(self) -> bool:
        return len(self._working) == len(self._workers) and all(each.serving for each in self._working.values())


def _name(member: Member) -> str:
    return member.worker.name if member.worker else "spare"
