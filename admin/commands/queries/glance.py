"""Whether anything is wrong, at a glance: what runs, what is refused and why, which budgets are nearly spent, what is
spent today.  Put together from queries; what counts as wrong is decided here, and only here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from admin.access.permission import ResourceKind
from admin.commands.budgets import Budget, of_tenants
from admin.commands.queries import names, reports, sidecars
from admin.commands.queries.live import MAX_LOOKED_UP, Live, live, part
from admin.commands.session import Session, query
from ledger.requests import Refusals
from ledger.sums import Figures, Selection
from ratelimit.fleet.report import Aged
from tenancy.values.limit import Scope

RECENT = timedelta(minutes=15)
BUSY = timedelta(hours=1)
WEEK, DAY = timedelta(days=7), timedelta(days=1)
MAX_REFUSALS = 200
MAX_LOOKED_AT = 12  # tenants whose budgets are looked at, beside those that run something
NEARLY = 0.2  # part of a budget that is left
MAX_SPENT = 8  # budgets that are shown
SILENT_SECONDS = 3.0  # a sidecar reports every second
IN_FLIGHT = ":in_flight"  # ends the names of refusals for want of room
OWN_IN_FLIGHT = ("tenant:in_flight", "key:in_flight")  # of those, in one's own bound
BEYOND_CONTROL = ("unavailable",)  # refusals by no limit: we could not decide


@dataclass(frozen=True, slots=True)
class RefusedBy:
    """Requests that were refused for one reason in the last RECENT, of how many tenants."""

    denied_by: str
    status: int
    requests: int
    tenants: int


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget of which little is left."""

    tenant_id: str
    name: str
    budget: Budget

    @property
    def left(self) -> float:
        return part(self.budget.remaining, self.budget.limit.amount)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at: `what` is a name of it, `severe` whether requests fail by it, `count` of how many.  It has
    lasted for `seconds`."""

    what: str
    severe: bool
    count: int = 1
    about: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Glance:
    """`today` and `last_week` are up to the same time of day (UTC); `max_in_flight` None: no bound.  Without `whole` it
    is one organization's part, which knows nothing of sidecars and capacity."""

    at: datetime
    live: Live
    max_in_flight: int | None
    refusals: Sequence[RefusedBy]
    spent: Sequence[Spent]
    today: Figures
    last_week: Figures
    findings: Sequence[Finding]
    whole: bool

    @property
    def refused(self) -> int:
        return sum(each.requests for each in self.refusals)


async def glance(session: Session) -> Glance:
    """Raises only Refused."""
    now, whole = datetime.now(UTC), session.principal.organization is None
    (running, bound), refused, (today, last_week), busiest = await asyncio.gather(
        _running(session) if whole else _nothing(),
        refusals(session, now - RECENT),
        _spending(session, now),
        _busiest(session, now),
    )
    spent = await nearly_spent(session, running, refused, busiest)
    by_reason = _by_reason(refused)
    found = findings(running, bound, by_reason, spent, whole=whole)
    return Glance(now, running, bound, by_reason, spent, today, last_week, found, whole)


async def _running(session: Session) -> tuple[Live, int | None]:
    """What runs, and how many may be in flight."""
    running, capacity = await asyncio.gather(live(session), sidecars.capacity(session))
    return running, sidecars.bound_on_all(capacity, len(running.sidecars))


async def _nothing() -> tuple[Live, None]:
    return Live(0, 0, [], [], []), None


@query(ResourceKind.USAGE)
async def refusals(session: Session, since: datetime) -> Sequence[Refusals]:
    """The most frequent refusals since then, by tenant and reason."""
    return await session.ports.requests.refusals(since, MAX_REFUSALS)


@query(ResourceKind.BUDGET)
async def nearly_spent(
    session: Session, running: Live, refused: Sequence[Refusals], busiest: Sequence[str]
) -> Sequence[Spent]:
    """The fullest first.  Of the tenants that run something, that were refused lately, and that used most in the last
    hour: one that does nothing has its budgets."""
    budgets = {each.tenant_id: each.budgets for each in running.tenants if each.budgets is not None}
    candidates = dict.fromkeys([*(each.tenant_id for each in refused), *busiest])
    others = [tenant_id for tenant_id in candidates if tenant_id not in budgets][:MAX_LOOKED_AT]
    found, called = await asyncio.gather(of_tenants(session, others), names.of_tenants(session, [*budgets, *others]))
    budgets |= found
    spent = [
        Spent(tenant_id, called[tenant_id], budget)
        for tenant_id, each in budgets.items()
        for budget in each
        if tenant_id in called and _counts(budget)
    ]
    return sorted((each for each in spent if each.left < NEARLY), key=lambda each: each.left)[:MAX_SPENT]


def findings(
    running: Live, bound: int | None, refused: Sequence[RefusedBy], spent: Sequence[Spent], *, whole: bool = True
) -> list[Finding]:
    """The findings, severe ones first."""
    found = _of_sidecars(running.sidecars) if whole else []
    undecided = sum(each.requests for each in refused if each.denied_by in BEYOND_CONTROL)
    crowded = sum(each.requests for each in refused if each.denied_by.endswith(IN_FLIGHT))
    of_tenants = sum(each.requests for each in refused if each.denied_by in OWN_IN_FLIGHT)
    if undecided:
        found.append(Finding("undecided", True, undecided))
    if bound is not None and running.in_flight >= bound:
        found.append(Finding("full", crowded > of_tenants, bound))
    if crowded:
        found.append(Finding("crowded", False, crowded))
    if running.queued:
        found.append(Finding("queued", False, running.queued, seconds=running.oldest_wait_seconds))
    if none_left := [each for each in spent if not each.budget.remaining]:
        found.append(Finding("none_left", False, len(none_left), none_left[0].name))
    return sorted(found, key=lambda each: not each.severe)


def _of_sidecars(reports: Sequence[Aged]) -> list[Finding]:
    if not reports:
        return [Finding("no_sidecar", True)]
    found = []
    if silent := [each.report.sidecar for each in reports if each.age_seconds > SILENT_SECONDS]:
        found.append(Finding("silent", True, len(silent), silent[0]))
    if cut_off := [each.report.sidecar for each in reports if not each.report.redis_available]:
        found.append(Finding("no_redis", True, len(cut_off), cut_off[0]))
    if len(versions := {each.report.version for each in reports}) > 1:
        found.append(Finding("versions", False, len(versions), ", ".join(sorted(versions))))
    return found


def _by_reason(refused: Sequence[Refusals]) -> list[RefusedBy]:
    by: dict[tuple[str, int], list[int]] = {}
    for each in refused:
        by.setdefault((each.denied_by, each.status), []).append(each.requests)
    found = [RefusedBy(*reason, sum(counts), len(counts)) for reason, counts in by.items()]
    return sorted(found, key=lambda each: -each.requests)


async def _spending(session: Session, now: datetime) -> tuple[Figures, Figures]:
    """What was used since midnight, and on the same day of last week up to this time."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    intervals = [(midnight - WEEK, now - WEEK), (midnight, now)]
    lines = await reports.usage(session, Selection(), intervals, limit=len(intervals))
    by_slot = {line.slot: line.figures for line in lines}
    return by_slot.get(1, Figures()), by_slot.get(0, Figures())


async def _busiest(session: Session, now: datetime) -> list[str]:
    """The tenants with the most requests within BUSY."""
    many = MAX_LOOKED_AT + MAX_LOOKED_UP
    lines = await reports.largest(session, Selection(), (now - BUSY, now), ("tenant_id",), "requests", many)
    return [line.group[0] for line in lines]


def _counts(budget: Budget) -> bool:
    """Whether to report a budget: a shadow refuses nothing, and a group's bucket is shown with its group."""
    return not budget.limit.shadow and budget.limit.scope is not Scope.GROUP
