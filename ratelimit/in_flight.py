"""The register of the requests in flight through this process, and of those that wait for room.  What sidecars share is
in fleet/; who runs next is decided in fairness/."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from ratelimit.early_ends import EarlyEnds
from ratelimit.fairness.floor import Full, Terms
from ratelimit.fairness.pools import UNBOUNDED
from ratelimit.journal import Entry, Journal
from ratelimit.life import NO_LOAD, NOBODY, OVER, QUEUED, RUNNING, Caller, Event, Life, Load, Moves
from ratelimit.roll import Roll, Running
from ratelimit.scheduler import MODEL, Bound, Scheduler
from ratelimit.sharing import Sharing
from serving.call import notify
from tenancy.values.lease_id import lease_ms
from tenancy.values.policy import Policy

MAX_KNOWN = 200_000  # about 50 MB; beyond, the oldest are no longer counted
TOLD = "fair queue"  # names the call in the log if it fails
NO_QUEUE = Terms(queue_seconds=0.0)
ADMIT, END = Event.ADMIT, Event.END


class InFlight:
    """What is in flight through this process, how much may be, and what waits until there is room.  In memory.

    For any thread: each step holds a lock, and takes about the same time however much is in flight.  A bound over all
    sidecars arrives as this one's share of it (`fleet/lua/report.lua`).  Without a `scheduler` nothing waits.
    """

    def __init__(self, most_known: int = MAX_KNOWN, scheduler: Scheduler | None = None) -> None:
        self.refused = 0  # for lack of room, since the start
        self.entered = self.heard = 0  # since the start: requests that went to the budgets, and ends that were reported
        self.inherits = False  # whether it still follows another process's requests; some may have ended
        self.closed = False  # another process has taken this place
        self._lock = threading.Lock()
        self._roll = Roll(most_known)
        self._scheduler = Scheduler(NO_QUEUE) if scheduler is None else scheduler
        self._early = EarlyEnds()
        self._letting_in = False
        self._bound = Bound()
        self.sharing = Sharing(self._lock, self._scheduler, self._roll, self._let_in)

    def keep(self, journal: Journal) -> None:
        """Writes requests in flight to `journal` from now on.  Call it before the first request."""
        self._roll.keep(journal)

    def inherit(self, left: Iterable[Entry]) -> None:
        """Counts in what another process had answered, the oldest first.  Call it before the first request if
        possible."""
        for entry in left:
            policy = Policy(entry.tenant_id, "", fairshare_group=entry.group)
            life = Life(entry.lease_id, policy, lease_ms(entry.lease_id), Load(entry.model))
            with self._lock:
                if self._early.take(life.lease_id):
                    continue
                self._scheduler.run(life)
                self._begin(life)
                life.state = ADMIT[life.state]
                self._roll.answered(life)

    @property
    def bound(self) -> Bound:
        return self._bound

    @bound.setter
    def bound(self, bound: Bound) -> None:
        with self._lock:
            self._bound = bound
            self._scheduler.bound(bound.most)
        self._let_in()

    def close(self) -> None:
        """Another process has taken this place and our part of the room: no request that waits here, or comes, may run
        here."""
        self.closed, self.bound = True, Bound(0)

    def enter(self, lease_id: str, policy: Policy, now_ms: int | None = None, load: Load = NO_LOAD) -> Life | None:
        """Begins a life and counts it in; None if there is no room, or others wait for it.  `now_ms` since 1970, not
        before that of earlier entries; None: the time in its id.

        A request whose end came first is over from the start, and is not counted.
        """
        life = Life(lease_id, policy, lease_ms(lease_id) if now_ms is None else now_ms, load)
        with self._lock:
            if self._early.take(lease_id):
                life.state = OVER
            elif self._scheduler.begin(life):
                self._begin(life)
            else:
                return None
            return life

    def queue(self, life: Life, caller: Caller, patience: float = UNBOUNDED) -> Full | None:
        """Queues a request that found no room, until its caller is told.  `patience`: the seconds after which the
        caller is gone.  Returns why it may not wait, if it may not."""
        with self._lock:
            asked = self._scheduler.ask(life, patience)
            if isinstance(asked, Full):
                self.refused += 1
                return asked
            waits, displaced = asked
            life.state, life.caller = Event.QUEUE[life.state], caller
            self._roll.queue(life)
            if not waits:  # room has come free in the meantime
                self._take_turn(life)
            told = [] if displaced is None else [self._turn_away(*displaced)]
            wakes = waits and self._scheduler.waits_first(life)
        if wakes:
            self.sharing.wake()
        for tell in [*told, *([] if waits else [caller.turn])]:
            notify(TOLD, tell)
        return None

    def withdraw(self, life: Life) -> bool:
        """Refuses a waiting request; False if it no longer waits."""
        with self._lock:
            if life.state is not QUEUED:
                return False
            life.state = Event.REFUSE[life.state]
            self._leave_queue(life)
            return True

    def bound_now(self) -> str:
        """The name of the bound that a request which finds no room has hit."""
        return self._bound.name if len(self._roll) >= self._bound.most else MODEL

    def admit(self, life: Life) -> bool:
        """Whether it may run; if not, it has ended in the meantime, and its lease, if any, must be given back."""
        with self._lock:
            life.state = state = ADMIT[life.state]
            if state is not RUNNING:
                return False
            self._roll.answered(life)
            return True

    def refuse(self, life: Life) -> None:
        self._move(life, Event.REFUSE)

    def leave(self, life: Life) -> bool:
        """Whether this abandoned the request, so that its lease, if any, must be given back."""
        return self._move(life, Event.LEAVE)

    def lose(self, life: Life) -> bool:
        """As `leave`."""
        return self._move(life, Event.LOSE)

    def end(self, lease_id: str, service: int | None = None) -> None:
        """The request is over.  `service`: the tokens of service that it had, None if not known."""
        with self._lock:
            if not self._end(lease_id, service) and self.inherits:
                self._early.add(lease_id)
        self._let_in()

    def end_undecided(self, lease_ids: Iterable[str]) -> None:
        """These requests are over, and no decision of ratelimit reached Envoy, nor will.  One that has not come here
        yet will run nothing."""
        with self._lock:
            for lease_id in lease_ids:
                if not self._end(lease_id, None):
                    self._early.add(lease_id)
        self._let_in()

    def knows(self, lease_id: str) -> bool:
        """Whether the request is in flight, or waits."""
        return lease_id in self._roll or self._scheduler.waiting_as(lease_id) is not None

    def count_of(self, tenant_id: str) -> int:
        """The number of the tenant's requests in flight."""
        running = self._roll.tenant(tenant_id)
        return 0 if running is None else running.count

    def end_all(self, lease_ids: Iterable[str]) -> None:
        for lease_id in lease_ids:
            self.end(lease_id)

    def expire(self, lives: Iterable[Life]) -> None:
        """The leases of these requests have ended."""
        for life in lives:
            self._move(life, Event.EXPIRE)

    def give_up_late(self) -> None:
        """Refuses the requests that have waited for as long as they may."""
        with self._lock:
            told = [self._turn_away(*late) for late in self._scheduler.expired()]
        for tell in told:
            notify(TOLD, tell)

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._roll)

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return self._scheduler.waiting

    def older_than(self, before_ms: int) -> list[Life]:
        """The requests in flight that entered before that time, oldest first.  Takes time in proportion to their
        number."""
        with self._lock:
            return self._roll.older_than(before_ms)

    def tenants(self) -> list[Running]:
        """Of each tenant that has anything in flight or waiting now."""
        with self._lock:
            return self._roll.tenants()

    # The methods below are called with the lock held, except _move and _let_in.

    def _begin(self, life: Life) -> None:
        """Gives it a place in flight."""
        self.entered += 1
        forgotten = self._roll.add(life)
        if forgotten is not None:
            self._scheduler.over(forgotten)

    def _take_turn(self, life: Life) -> None:
        life.queued_ms = max(1, time.time_ns() // 1_000_000 - life.since_ms)
        life.since_ms += life.queued_ms
        life.state = Event.TURN[life.state]
        self._waits_no_more(life)
        self._begin(life)

    def _let_in(self) -> None:
        """Admits those whose turn it is.  One thread at a time, which goes on while there is room."""
        while self._scheduler.waiting:
            with self._lock:
                life = None if self._letting_in else self._scheduler.admit()
                if life is None:
                    return
                caller, self._letting_in = life.caller, True
                self._take_turn(life)
            notify(TOLD, caller.turn)
            self._letting_in = False

    def _turn_away(self, life: Life, full: Full) -> Callable[[], None]:
        """Refuses a request that the scheduler has dropped; returns what to call once the lock is free."""
        caller, life.state = life.caller, Event.REFUSE[life.state]
        self.refused += 1
        self._waits_no_more(life)
        return partial(caller.give_up, full)

    def _end(self, lease_id: str, service: int | None) -> bool:
        """Whether the request was in flight, or waited."""
        self.heard += 1
        life = self._roll.take(lease_id)
        if life is not None:
            self._scheduler.over(life, service)
        elif (life := self._scheduler.waiting_as(lease_id)) is not None:
            self._leave_queue(life)
        else:
            return False
        life.state = END[life.state]
        return True

    def _move(self, life: Life, moves: Moves) -> bool:
        """Whether the event moved it, and so took it out of flight."""
        with self._lock:
            before, after = life.state, moves[life.state]
            if after is before:
                return False
            life.state = after
            if before is QUEUED:
                self._leave_queue(life)
            elif self._roll.take(life.lease_id) is not None:  # else it was forgotten, being one too many
                self._scheduler.over(life)
        self._let_in()
        return before is not QUEUED

    def _leave_queue(self, life: Life) -> None:
        self._scheduler.leave(life)
        self._waits_no_more(life)

    def _waits_no_more(self, life: Life) -> None:
        life.caller = NOBODY
        self._roll.unqueue(life)
