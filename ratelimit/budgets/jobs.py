"""The port to jobs: work that goes on after its request was answered, such as a response in the background or a batch.

A job is known by the name that the model server gave it, to its owner alone: another owner's report under the same name
changes nothing.  It keeps what its request reserved until its use is reported, which is charged once.  One that is
never reported stays charged as reserved.  No I/O.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol

from ratelimit.budgets.rule import Rule, Used

DAY_MS = 86_400_000
JOBS_MAX = 4096  # of one owner, at once; each is about 1.5 KB
OVER_MS = DAY_MS  # how long one that is over is remembered: a report may be read again from the file log
EARLY_MS = 3_600_000  # and a report of one whose begin was not heard of yet
EARLY_MAX = 1024


class Known(StrEnum):
    """What is known of the use: all, at least so much, nothing but a name."""

    OVER = "over"
    MORE = "more"
    NAMED = "named"


class Hold(NamedTuple):
    """The request `lease_id` has begun the job `name`.  `notes` are given back when it is charged.

    `used` is what is known to be used by now, which is charged if it is more than was reserved.  `rules` are for a
    request without a lease.  Such a one was admitted so (failure mode `local` or `allow`), and has reserved nothing; or
    the lease was lost with the store, and `used` is charged already, in the windows of `charged_at_ms`.
    """

    owner: str
    name: str
    lease_id: str
    notes: str
    used: Used
    rules: tuple[Rule, ...] = ()
    charged_at_ms: int | None = None


class Report(NamedTuple):
    """What the request `by` saw of a job.  `text`: all of this for the one that holds the job, should that not
    have happened yet."""

    owner: str
    name: str
    by: str
    known: Known
    used: Used
    text: str = ""


class Found(NamedTuple):
    """A job that is held: its notes, and the `text` of a report that came under its other name too early."""

    notes: str
    early: str = ""


class Jobs(Protocol):
    """Every method may raise BudgetsUnavailable, may be called from any thread, and may be repeated."""

    def hold(self, hold: Hold) -> str | None:
        """Makes the request's lease a job: not in flight any more, still charged what it reserved.  The `text` of a
        report that came before, "" if none did.  None: not held, since the lease is gone, the name is another job's,
        or there are too many."""

    def find(self, owner: str, name: str, other_name: str = "") -> Found | None:
        """None: it is not held.  From now on it goes by `other_name` too, unless that is empty."""

    def report(self, report: Report) -> str | None:
        """Charges or refunds the difference to what is charged: once if it is over, upwards only before.  In the window
        of the reservation; what is charged after that is over, in the present one.  The job's `notes` if that changed
        what is charged, or did so when the same was reported before; else None."""
