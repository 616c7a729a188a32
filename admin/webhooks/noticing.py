"""The task that notices what nobody changed: how much of budgets is spent, what was refused, which keys expire soon.

It is not in the path of requests.  Budgets are read in Redis for tenants with recent requests in the ledger and for
those with a reported budget.  If no webhook subscribes, it does nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog

from admin.access.permission import Principal, Role
from admin.commands.budgets import Budget, of_tenants
from admin.commands.ports import Ports
from admin.commands.refusals import STORES_AWAY
from admin.commands.session import Session
from ledger.requests import Refusals
from ledger.sums import NotSummedYet, Selection
from ratelimit.budgets.port import BudgetsUnavailable
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.webhooks.spend_alerts import SpendAlert
from tenancy.directory.webhooks.webhooks import Event, EventKind
from tenancy.postgres.webhooks.notices import MAX_TENANTS, NOTHING, Notices, Told, Wanted
from tenancy.values.limit import Kind, Scope

LOOK_SECONDS = 15.0
BUSY = timedelta(minutes=5)  # how long ago a tenant may have asked for the last time
AT_ONCE = 200  # tenants whose budgets are read together
FALLEN = 0.75  # part of what was reported: if less is spent, it can be reported again
REFUSED, LAG, MAX_BEHIND = timedelta(minutes=5), timedelta(seconds=30), timedelta(hours=1)
MAX_REFUSALS = 200  # tenants and reasons of one stretch
NAME = "webhooks"
CENTS = 100
AWAY: tuple[type[Exception], ...] = (*STORES_AWAY, BudgetsUnavailable, NotSummedYet)

log = structlog.get_logger(__name__)


class Noticing:
    """Looks until it is cancelled."""

    def __init__(self, notices: Notices, ports: Ports) -> None:
        self._notices, self._ports = notices, ports
        self._session = Session(ports, Principal(NAME, Role.VIEWER), ChangeRequest(NAME))

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except AWAY as error:
                log.info("nothing can be noticed for webhooks", reason=repr(error))
            except Exception:  # the top of a background task
                log.exception("noticing failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, now: datetime | None = None) -> None:
        """One round; `now` for tests."""
        wanted, now = await self._notices.wanted(), now or datetime.now(UTC)
        if wanted.thresholds:
            await self._budgets(wanted, now)
        if wanted.refused:
            await self._refusals(now)
        if wanted.expiring:
            await self._notices.tell_expiring()
        if wanted.spending:
            await self._spending(now)

    async def _budgets(self, wanted: Wanted, now: datetime) -> None:
        span = (now - BUSY, now)
        lines = await self._ports.sums.largest(Selection(), span, ("tenant_id",), "requests", MAX_TENANTS)
        busy = [line.group[0] for line in lines]
        tenants = [*dict.fromkeys([*busy, *await self._notices.told_tenants()])]
        for start in range(0, len(tenants), AT_ONCE):
            ids = tenants[start : start + AT_ONCE]
            told = await self._notices.told(ids)
            found = await of_tenants(self._session, ids)
            by_name = {(id, each.limit.budget_name): each for id, budgets in found.items() for each in budgets}
            for of in {*by_name, *told}:
                await self._budget(of, by_name.get(of), told.get(of, NOTHING), wanted.thresholds)

    async def _budget(self, of: tuple[str, str], budget: Budget | None, told: Told, thresholds: Sequence[int]) -> None:
        if budget is None or not _counts(budget):
            if told is not NOTHING:
                await self._notices.tell(of, told, NOTHING, (0, 0), {})
            return
        used = 100 * budget.used // budget.limit.amount
        before, now = step(told, used, _window_end(budget), thresholds)
        if now != told:
            passed = [each for each in thresholds if before < each <= now.percent]
            events = {each: _event(of[0], budget, each, used) for each in passed}
            await self._notices.tell(of, told, now, (before, now.percent), events)

    async def _spending(self, now: datetime) -> None:
        """Alerts on what tenants have spent in this calendar month of UTC, once each."""
        month = f"{now:%Y-%m}"
        alerts = await self._notices.open_alerts(month)
        tenants = sorted({each.tenant_id for each in alerts})
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        spent = dict[str, Decimal]()
        for at in range(0, len(tenants), AT_ONCE):
            ids = tuple(tenants[at : at + AT_ONCE])
            lines = await self._ports.sums.sums(Selection(tenants=ids), [(start, now)], ("tenant_id",), AT_ONCE)
            spent |= {line.group[0]: line.figures.cost for line in lines}
        sums = ((each, spent.get(each.tenant_id, Decimal())) for each in alerts)
        told = [_spent(each, sum, month) for each, sum in sums if sum * CENTS >= each.threshold_amount]
        await self._notices.tell_all(told)

    async def _refusals(self, now: datetime) -> None:
        """Reports completed stretches of length REFUSED, after LAG for rows to arrive."""
        newest = floor(now - LAG)
        async with self._notices.look("refusals", newest) as look:
            if look is None or look.since >= newest:
                return
            since = max(look.since, newest - MAX_BEHIND)  # after a pause, older refusals interest nobody
            until = min(since + REFUSED, newest)
            for each in await self._ports.requests.refusals(since, MAX_REFUSALS, until=until):
                await look.tell(_refused(each, since, until))
            await look.looked(until)


def step(told: Told, used: int, window_end: datetime | None, thresholds: Sequence[int]) -> tuple[int, Told]:
    """How many percent count as told before this look, and what is after it.  A new window begins with nothing; what
    has fallen far below what was told is told again when it rises."""
    reached = max((each for each in thresholds if each <= used), default=0)
    before = reached if used < told.percent * FALLEN else told.percent
    if window_end != told.window_end:
        before = 0
    percent = max(before, reached)
    return before, Told(percent, window_end) if percent else NOTHING


def floor(time: datetime) -> datetime:
    """The beginning of its stretch."""
    seconds = int(REFUSED.total_seconds())
    return datetime.fromtimestamp(int(time.timestamp()) // seconds * seconds, UTC)


def _window_end(budget: Budget) -> datetime | None:
    """The end of a fixed window; other kinds have none."""
    if budget.limit.kind is not Kind.FIXED:
        return None
    return datetime.fromtimestamp(round(budget.held.full_at_ms / 1000), UTC)


def _counts(budget: Budget) -> bool:
    """Whether to report a budget: a shadow refuses nothing, and a group's budget is not a single tenant's."""
    return not budget.limit.shadow and budget.limit.scope is not Scope.GROUP


def _event(tenant_id: str, budget: Budget, threshold: int, used: int) -> Event:
    data = {"tenant_id": tenant_id, "threshold": threshold, "used_percent": used, "budget": budget.fields()}
    return Event(EventKind.BUDGET_THRESHOLD, tenant_id, data)


def _spent(alert: SpendAlert, spent: Decimal, month: str) -> Event:
    channel = {"type": "email", "recipients": [*alert.recipients], "subject_prefix": alert.subject_prefix}
    shown = {
        "id": alert.id,
        "threshold_amount": alert.threshold_amount,
        "currency": "USD",
        "interval": "month",
        "notification_channel": channel,
    }
    data = {"tenant_id": alert.tenant_id, "month": month, "spent": f"{spent:f}", "spend_alert": shown}
    once = f"spend {alert.id} {alert.threshold_amount} {month}"
    return Event(EventKind.SPEND_ALERT, alert.tenant_id, data, once)


def _refused(refused: Refusals, since: datetime, until: datetime) -> Event:
    data: Mapping[str, object] = {
        "tenant_id": refused.tenant_id,
        "denied_by": refused.denied_by,
        "status": refused.status,
        "requests": refused.requests,
        "from": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }
    once = f"refused {refused.tenant_id} {refused.denied_by} {refused.status} {since.timestamp():.0f}"
    return Event(EventKind.REQUESTS_REFUSED, refused.tenant_id, {**data}, once)
