"""The life of a request: its states, the events that move it from one to another, and who reports them.  Pure.

Every move goes through this table; in_flight.py applies it.  What a request may cost, and what its caller is told, does
not belong here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from ratelimit.fairness.floor import Full
from ratelimit.fairness.queue import Ticket
from ratelimit.journal import NOWHERE
from tenancy.values.policy import Policy

# A life begins when a request goes to the budgets: nothing in memory refuses it, neither its policy nor its model nor
# the bound on what is in flight.  It is finished when the use has been charged.  In between the request passes through
# parts that each see only a piece of it, in several threads and, since its log entry may arrive anywhere, in several
# processes.
#
#   state      the request ...                                  and holds
#   ASKED      is with the budgets, or waits for a slot         a place in flight, perhaps a lease already
#   QUEUED     waits for room, and for its turn                 a place in the queue
#   RUNNING    may run; its answer is written, or will be next  a place in flight, a lease (unless by a failure mode)
#   OVER       is in the access log                             a lease
#   SETTLED    has been charged for what it used                nothing
#   REFUSED    was not admitted                                 nothing
#   ABANDONED  has no caller left who would run it              perhaps a lease, which the committer gives back
#   ORPHANED   held a lease that expired without a log entry    nothing; it stays charged for what it reserved
#
#   event      who tells of it
#   QUEUE      the decider, once the register has found no room for it (fairness/)
#   TURN       the register: there is room, and by the shares of all that wait it is this one's turn
#   ADMIT      the committer, or the failure mode in its place; the decider then hands the answer to the engine
#   REFUSE     the same, with the other answer; of what is queued the register, when it has waited for too long
#   LEAVE      the engine: the caller went.  Once answered it means nothing: some engines report the end of every call
#   LOSE       the engine: the answer did not reach the caller
#   END        the access log: here, in a sibling process, or in another sidecar (the reporter finds the lease gone).
#              It may come before the answer, or even before the request: then nobody is left who would run it
#   SETTLE     the settler; from OVER on the log path keeps account of the request itself (accesslog/delivery.py)
#   EXPIRE     the clock, if no entry of the request's course has renewed its lease: for the store the sweep, which also
#              writes the ledger's row; for this process the reporter, which finds the lease swept
#
# Three rules:
#
# 1. A request leaves flight once, by whatever comes first; what comes later is ignored.  Both logs bring every entry,
#    an engine may report a loss twice, siblings tell each other of every end, and most ends that a process hears of are
#    of requests that it never knew.
# 2. The part that has the request in hand tells of it once.  A second answer is a bug, and raises.
# 3. Nobody says that an answer has arrived, only that it was lost.  So a request runs until it is known not to.


class State(StrEnum):
    """Where a request is."""

    ASKED, QUEUED, RUNNING = "asked", "queued", "running"
    OVER, SETTLED = "over", "settled"
    REFUSED, ABANDONED, ORPHANED = "refused", "abandoned", "orphaned"


ASKED, QUEUED, RUNNING, OVER, SETTLED, REFUSED, ABANDONED, ORPHANED = State
SAME, BUG = "same", "bug"  # it is ignored; it raises Impossible


class Impossible(Exception):
    """A bug: an event that cannot happen in this state."""


class Moves(dict[State, State]):
    """One event, a row of the table: from each state to the next, in one look-up."""

    def __init__(self, *cells: str) -> None:
        pairs = zip(State, cells, strict=True)
        super().__init__((state, state if cell is SAME else State(cell)) for state, cell in pairs if cell is not BUG)

    def __missing__(self, state: State) -> State:
        raise Impossible(f"a request that is {state} cannot become one of {sorted({*self.values()})}")


class Event:
    """What happens to a request: from each state to the next."""

    # fmt: off
    #               ASKED      QUEUED     RUNNING    OVER     SETTLED  REFUSED  ABANDONED  ORPHANED
    QUEUE  = Moves( QUEUED,    BUG,       BUG,       SAME,    SAME,    BUG,     SAME,      SAME)
    TURN   = Moves( BUG,       ASKED,     BUG,       SAME,    SAME,    BUG,     SAME,      SAME)
    ADMIT  = Moves( RUNNING,   BUG,       BUG,       SAME,    SAME,    BUG,     SAME,      SAME)
    REFUSE = Moves( REFUSED,   REFUSED,   BUG,       SAME,    SAME,    BUG,     SAME,      SAME)
    LEAVE  = Moves( ABANDONED, ABANDONED, SAME,      SAME,    SAME,    SAME,    SAME,      SAME)
    LOSE   = Moves( BUG,       BUG,       ABANDONED, SAME,    SAME,    SAME,    SAME,      SAME)
    END    = Moves( OVER,      OVER,      OVER,      SAME,    SAME,    SAME,    SAME,      SAME)
    SETTLE = Moves( BUG,       BUG,       BUG,       SETTLED, SAME,    SAME,    SAME,      SAME)
    EXPIRE = Moves( ORPHANED,  ORPHANED,  ORPHANED,  SAME,    SAME,    SAME,    SAME,      SAME)
    # fmt: on


class Load(Struct, frozen=True, gc=False):
    """What a request brings: its model, the tokens of service of its input and at most of its answer, and the user of
    the tenant."""

    model: str = ""
    service: int = 1
    most: int = 0
    user: str = ""


NO_LOAD = Load()


class Caller(Protocol):
    """The caller of a request that waits.  One of these methods is called, once, from any thread, unless the caller
    leaves or the request ends first."""

    def turn(self) -> None:
        """It is its turn: it has a place in flight."""

    def give_up(self, full: Full) -> None:
        """It may not wait any longer, and has been refused."""


class Nobody:
    """Implements Caller."""

    def turn(self) -> None: ...

    def give_up(self, full: Full) -> None: ...


NOBODY = Nobody()


@dataclass(slots=True, eq=False)
class Life:
    """The life of one request in the process that was asked.  `since_ms` since 1970: when it went to the budgets, or
    into the queue.  Changed only by the register."""

    lease_id: str
    policy: Policy
    since_ms: int
    load: Load = NO_LOAD
    state: State = ASKED
    place: int = NOWHERE  # in the journal
    ticket: "Ticket[Life] | None" = None  # of the scheduler
    caller: Caller = NOBODY  # while it waits
    queued_ms: int = 0  # how long it waited
