"""Who runs how much now, beside what their weights entitle them to."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from admin.access.permission import ResourceKind
from admin.commands.budgets import Budget, of_tenants
from admin.commands.ports import Standing
from admin.commands.queries.sidecars import together
from admin.commands.session import Session, query
from ratelimit.fleet.report import Aged, GroupLoad, TenantLoad

MAX_TENANTS = 100  # shown, those with most in flight
MAX_LOOKED_UP = 20  # tenants, with their budgets
MAX_GROUPS = 1000
DIGITS = 4


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """A fairshare group.  `share` is its part of what is in flight; `entitled_share` is its weight among those of the
    groups that have something in flight or queued, 0 if it has not; `got_share` is its part of the tokens of service
    that all have had over the last minute.  `oldest_wait_seconds`: of what is queued, 0 if nothing is."""

    name: str
    weight: int
    in_flight: int
    queued: int
    share: float
    entitled_share: float
    got_share: float
    oldest_wait_seconds: float


@dataclass(frozen=True, slots=True)
class LiveTenant:
    """Its shares are of everything, as its group's are.  `name` None: it was deleted, and this is what still runs.
    `budgets` None: it was deleted, or is not among the first MAX_LOOKED_UP."""

    tenant_id: str
    name: str | None
    fairshare_group: str
    weight: int
    max_in_flight: int | None
    in_flight: int
    queued: int
    share: float
    entitled_share: float
    got_share: float
    oldest_wait_seconds: float
    budgets: list[Budget] | None


@dataclass(frozen=True, slots=True)
class Live:
    """A snapshot; the tenants with most in flight come first."""

    in_flight: int
    queued: int
    groups: list[LiveGroup]
    tenants: list[LiveTenant]
    sidecars: Sequence[Aged]

    @property
    def oldest_wait_seconds(self) -> float:
        """Of what is queued; 0 if nothing is."""
        return max((each.oldest_wait_seconds for each in self.groups), default=0.0)


@query(ResourceKind.SIDECAR)
async def live(session: Session, *, budgets: bool = True) -> Live:
    """What each group and tenant has in flight, as of the sidecars' last reports; with tenants' budgets if wanted."""
    reports = (await session.ports.reports.overview()).reports
    shown = [*tenant_loads(reports)]
    standings, weights, found = await asyncio.gather(
        session.ports.standings.of_tenants(shown),
        session.ports.standings.of_groups(MAX_GROUPS),
        of_tenants(session, shown[:MAX_LOOKED_UP] if budgets else ()),
    )
    groups = _groups(reports, weights)
    tenants = _tenants(reports, standings, {group.name: group.entitled_share for group in groups}, found)
    return Live(together(reports, "in_flight"), together(reports, "queued"), groups, tenants, reports)


def _groups(reports: Sequence[Aged], weights: Mapping[str, int]) -> list[LiveGroup]:
    loads, total = group_loads(reports), together(reports, "in_flight")
    due = entitled({name: weight for name, weight in weights.items() if loads.get(name, IDLE).active})
    found, served = [], served_to_all(reports)
    for name, weight in weights.items():
        load = loads.get(name, IDLE)
        shares = part(load.in_flight, total), due.get(name, 0.0), part(load.served, served)
        found.append(LiveGroup(name, weight, load.in_flight, load.queued, *shares, load.oldest_wait_seconds))
    return found


def _tenants(
    reports: Sequence[Aged],
    standings: Mapping[str, Standing],
    groups: Mapping[str, float],
    budgets: Mapping[str, list[Budget]],
) -> list[LiveTenant]:
    loads, total, served = tenant_loads(reports), together(reports, "in_flight"), served_to_all(reports)
    known = {each.tenant_id: standings.get(each.tenant_id) or _deleted(each) for each in last_known(reports).values()}
    weights: dict[str, dict[str, int]] = {}
    for tenant_id, standing in known.items():
        weights.setdefault(standing.fairshare_group, {})[tenant_id] = standing.weight
    due = {name: entitled(members, groups.get(name, 0.0)) for name, members in weights.items()}
    return [
        LiveTenant(
            tenant_id=tenant_id,
            name=(standing := known[tenant_id]).name or None,
            fairshare_group=standing.fairshare_group,
            weight=standing.weight,
            max_in_flight=standing.max_in_flight,
            in_flight=load.in_flight,
            queued=load.queued,
            share=part(load.in_flight, total),
            entitled_share=due[standing.fairshare_group][tenant_id],
            got_share=part(load.served, served),
            oldest_wait_seconds=load.oldest_wait_seconds,
            budgets=budgets.get(tenant_id),
        )
        for tenant_id, load in list(loads.items())[:MAX_TENANTS]
    ]


def _deleted(load: TenantLoad) -> Standing:
    return Standing(load.tenant_id, "", load.fairshare_group, load.weight, None)


@dataclass(frozen=True, slots=True)
class Load:
    """What a tenant or group runs in all sidecars together."""

    in_flight: int = 0
    queued: int = 0
    served: int = 0
    oldest_wait_seconds: float = 0.0

    @property
    def active(self) -> bool:
        return self.in_flight > 0 or self.queued > 0

    def plus(self, other: TenantLoad | GroupLoad) -> "Load":
        return Load(
            self.in_flight + other.in_flight,
            self.queued + other.queued,
            self.served + other.served,
            max(self.oldest_wait_seconds, round(other.oldest_wait_seconds, 3)),
        )


IDLE = Load()


def served_to_all(reports: Sequence[Aged]) -> int:
    return sum(group.served for aged in reports for group in aged.report.groups)


def group_loads(reports: Sequence[Aged]) -> dict[str, Load]:
    return _added((group.name, group) for aged in reports for group in aged.report.groups)


def tenant_loads(reports: Sequence[Aged]) -> dict[str, Load]:
    """Most in flight first."""
    added = _added((tenant.tenant_id, tenant) for aged in reports for tenant in aged.report.tenants)
    return dict(sorted(added.items(), key=lambda pair: (-pair[1].in_flight, -pair[1].queued, pair[0])))


def last_known(reports: Sequence[Aged]) -> dict[str, TenantLoad]:
    """Each tenant as in the latest report that names it."""
    return {tenant.tenant_id: tenant for aged in reports for tenant in aged.report.tenants}


def entitled(weights: Mapping[str, int], whole: float = 1.0) -> dict[str, float]:
    """Each key's part of `whole`, by weight."""
    total = sum(weights.values())
    return {name: part(weight * whole, total) for name, weight in weights.items()}


def part(amount: float, total: float) -> float:
    return round(amount / total, DIGITS) if total else 0.0


def _added(loads: Iterable[tuple[str, TenantLoad | GroupLoad]]) -> dict[str, Load]:
    added: dict[str, Load] = {}
    for name, load in loads:
        added[name] = added.get(name, IDLE).plus(load)
    return added
