"""Reports of several sidecars, added up, and what weights entitle to.  Pure; no HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ratelimit.fleet.report import Aged, GroupLoad, TenantLoad

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Load:
    """What somebody runs in all sidecars together."""

    in_flight: int = 0
    queued: int = 0

    @property
    def active(self) -> bool:
        return self.in_flight > 0 or self.queued > 0

    def plus(self, other: TenantLoad | GroupLoad) -> "Load":
        return Load(self.in_flight + other.in_flight, self.queued + other.queued)


IDLE = Load()


def group_loads(reports: Sequence[Aged]) -> dict[str, Load]:
    return _added((group.name, group) for aged in reports for group in aged.report.groups)


def tenant_loads(reports: Sequence[Aged]) -> dict[str, Load]:
    """Most in flight first."""
    added = _added((tenant.tenant_id, tenant) for aged in reports for tenant in aged.report.tenants)
    return dict(sorted(added.items(), key=lambda pair: (-pair[1].in_flight, -pair[1].queued, pair[0])))


def last_known(reports: Sequence[Aged]) -> dict[str, TenantLoad]:
    """Each tenant as the youngest report that names it has it."""
    return {tenant.tenant_id: tenant for aged in reports for tenant in aged.report.tenants}


def entitled(weights: Mapping[str, int], whole: float = 1.0) -> dict[str, float]:
    """Each one's part of `whole` by weight."""
    total = sum(weights.values())
    return {name: part(weight * whole, total) for name, weight in weights.items()}


def part(amount: float, total: float) -> float:
    return round(amount / total, DIGITS) if total else 0.0


def _added(loads: Iterable[tuple[str, TenantLoad | GroupLoad]]) -> dict[str, Load]:
    added: dict[str, Load] = {}
    for name, load in loads:
        added[name] = added.get(name, IDLE).plus(load)
    return added
