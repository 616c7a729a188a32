"""The port to jobs: work that goes on after its request was answered, such as a response in the background or a batch.

A job is known by the name that the model server gave it, and only to its owner: a report by another owner under the
same name changes nothing.  It keeps what its request reserved until its use is reported, which is charged once.  A job
that is never reported stays charged as reserved.  No I/O.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol

from ratelimit.budgets.rule import Rule, Used

DAY_MS = 86_400_000
JOBS_MAX = 4096  # of one owner, at once; each is about 1.5 KB
OVER_MS = DAY_MS  # how long a finished job is remembered: a report may be read again from the file log
EARLY_MS = 3_600_000  # how long a report is kept that came before the job was known
EARLY_MAX = 1024


class Known(StrEnum):
    """How much of the use is known: all of it, a lower bound, or only a name."""

    OVER = "over"
    MORE = "more"
    NAMED = "named"


class Hold(NamedTuple):
    """The request `lease_id` has begun the job `name`.  `notes` are returned when it is charged.

    `used` is what is known to be used by now; it is charged if it exceeds the reserve.  `rules` are for a request
    without a lease.  Either it was admitted without one (failure mode `local` or `allow`) and has reserved nothing; or
    its lease was lost with the store, and `used` is already charged in the windows of `charged_at_ms`.
    """

    owner: str
    name: str
    lease_id: str
    notes: str
    used: Used
    rules: tuple[Rule, ...] = ()
    charged_at_ms: int | None = None


class Report(NamedTuple):
    """What the request `by` saw of a job.  `text` keeps the whole report, for the case that the job is not held yet."""

    owner: str
    name: str
    by: str
    known: Known
    used: Used
    text: str = ""


class Found(NamedTuple):
    """A job that is held: its notes, and the `text` of a report that came too early under its other name."""

    notes: str
    early: str = ""


class Jobs(Protocol):
    """Every method may raise BudgetsUnavailable, may be called from any thread, and may be repeated."""

    def hold(self, hold: Hold) -> str | None:
        """Makes the request's lease a job: no longer in flight, still charged what it reserved.  Returns the `text` of
        a report that came before, "" if none did.  None: not held, because the lease is gone, the name is another
        job's, or there are too many jobs."""

    def find(self, owner: str, name: str, other_name: str = "") -> Found | None:
        """None: the job is not held.  From now on `other_name`, unless empty, is a second name of it."""

    def report(self, report: Report) -> str | None:
        """Charges or refunds the difference to what is already charged: once, if the job is over; before that, only
        upwards.  The reservation's window is used, or the present one if that is over.  Returns the job's `notes` if
        this changed the charge, or if an earlier identical report did; else None."""
