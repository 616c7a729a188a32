"""How bounds on all sidecars together are spread over them: by the weights of the tenants that want something,
whichever sidecar they ask.  Pure.

Each bound is poured out by weighted max-min: over the groups, over the tenants of each, and what a tenant is due evenly
over the sidecars in which it asks.  Shares mean tokens of service, and what is spread are places: a tenant that gets
more tokens out of a place (its model is faster, its answers are longer) gets fewer of them.  So a place weighs by how
fast it has lately been.

What a sidecar is due is seldom a whole number.  It gets the one below or above in turn, so that it has had its due over
time: what it lacked counts in the next rounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import TypeVar

from ratelimit.fairness.max_min import max_min
from ratelimit.fleet.claims import Claim
from ratelimit.fleet.report import Report
from tenancy.values.policy import DEFAULT_WEIGHT

K = TypeVar("K")

ALL = ""  # the pool of all models together
MOST_FASTER = 32.0  # factor by which a place may count for more or less than the average one
LEAST_SECONDS = 0.5  # of running requests, before their speed is known
CATCH_UP_SECONDS = 1.0  # in which a sidecar gets what it has lacked
LEAST_CAUGHT_UP = 2.0  # places that a sidecar may catch up at once
HEADROOM = 8  # an 8th of an equal share stays with an idle sidecar while others are short
BUSY = 0.5  # the part of a bound that must be wanted before the bound is spread by weight

Dues = dict[str, dict[str, int]]
"""Requests at once, by sidecar and pool."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds on all sidecars together: by model, and on everything under ALL.  `own`: on each sidecar, None without
    one."""

    pools: Mapping[str, int] = field(default_factory=dict)
    own: int | None = None


class Spreading:
    """What each sidecar lacks of its earlier dues, in places times seconds.  Not thread-safe."""

    def __init__(self) -> None:
        self._lacking: dict[tuple[str, str], float] = {}  # by pool and sidecar
        self._seen: dict[str, Report] = {}

    def dues(self, bounds: Bounds, reports: Sequence[Report], weights: Mapping[str, int]) -> Dues:
        """The dues in those pools of which enough is wanted to spread them.  `weights`: of groups."""
        found: Dues = {report.sidecar: {} for report in reports}
        lacking: dict[tuple[str, str], float] = {}
        for pool, due in spread(bounds, reports, weights).items():
            short = [report for report in reports if _wanted(pool, report) > due[report.sidecar]]
            for name, lacked in self._lacked(pool, short, due).items():
                most = CATCH_UP_SECONDS * max(LEAST_CAUGHT_UP, due[name] / 2)
                lacking[pool, name] = min(most, max(-most, self._lacking.get((pool, name), 0.0) + lacked))
            wanted = {name: share + lacking.get((pool, name), 0.0) / CATCH_UP_SECONDS for name, share in due.items()}
            for name, places in whole(wanted, bounds.pools[pool]).items():
                found[name][pool] = places
        self._lacking, self._seen = lacking, {report.sidecar: report for report in reports}
        return found

    def _lacked(self, pool: str, reports: Iterable[Report], due: Mapping[str, float]) -> dict[str, float]:
        """What these sidecars lack after what they had since their last reports."""
        seen = [(report, last) for report in reports if (last := self._seen.get(report.sidecar)) is not None]
        had = {new.sidecar: _occupied(pool, new) - _occupied(pool, last) for new, last in seen}
        fair = {new.sidecar: due[new.sidecar] * (new.at - last.at) for new, last in seen}
        part = sum(had.values()) / sum(fair.values()) if sum(fair.values()) > 0 else 1.0
        return {name: fair[name] * part - had[name] for name in had}


def _wanted(pool: str, report: Report) -> int:
    return sum(claim.wanted for claim in report.claims if pool in (ALL, claim.model))


def _occupied(pool: str, report: Report) -> float:
    return sum(report.occupied.values()) if pool == ALL else report.occupied.get(pool, 0.0)


def spread(bounds: Bounds, reports: Sequence[Report], weights: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """What is due, by pool and sidecar; a pool's dues add up to its bound."""
    placed = [(report.sidecar, claim) for report in reports for claim in report.claims]
    wanted = [float(claim.wanted) for _, claim in placed]
    speeds, found = Speeds.of(reports), {}
    sidecars = [report.sidecar for report in reports]
    for pool, most in bounds.pools.items():
        if pool == ALL:
            continue
        indexes = [i for i, (_, claim) in enumerate(placed) if claim.model == pool]
        if sum(wanted[i] for i in indexes) > BUSY * most:
            dues = _pour(most, placed, {i: wanted[i] for i in indexes}, weights, speeds)
            found[pool] = _by_sidecar(most, sidecars, placed, dues)
            for i, due in dues.items():
                wanted[i] = min(wanted[i], due)
    total = bounds.pools.get(ALL)
    if total is not None and sum(wanted) > BUSY * total:
        if bounds.own is not None:
            wanted = _within(bounds.own, placed, wanted)
        dues = _pour(total, placed, dict(enumerate(wanted)), weights, speeds)
        found[ALL] = _by_sidecar(total, sidecars, placed, dues)
    return found


def whole(due: Mapping[str, float], most: int) -> dict[str, int]:
    """The dues of one or more sidecars in whole numbers that add up to `most`; none is below 0."""
    found = {name: max(0, floor(share)) for name, share in due.items()}
    by_rest = sorted(due, key=lambda name: (found[name] - due[name], name))  # those that lack most first
    left = most - sum(found.values())
    each, more = divmod(max(0, left), len(by_rest))
    for number, name in enumerate(by_rest):
        found[name] += each + (number < more)
    while left < 0:
        for name in reversed(by_rest):
            if left < 0 < found[name]:
                found[name] -= 1
                left += 1
    return found


@dataclass(frozen=True, slots=True)
class Speeds:
    """How fast places have lately been, as a multiple of the average: in tokens of service a second."""

    groups: Mapping[str, float]
    tenants: Mapping[tuple[str, str], float]

    @staticmethod
    def of(reports: Iterable[Report]) -> "Speeds":
        groups: dict[str, list[float]] = {}
        tenants: dict[tuple[str, str], list[float]] = {}
        for report in reports:
            for group in report.groups:
                _count(groups.setdefault(group.name, [0.0, 0.0]), group.finished_service, group.finished_seconds)
            for tenant in report.tenants:
                name = tenant.fairshare_group, tenant.tenant_id
                _count(tenants.setdefault(name, [0.0, 0.0]), tenant.finished_service, tenant.finished_seconds)
        served, seconds = (sum(each) for each in zip(*groups.values(), strict=True)) if groups else (0.0, 0.0)
        if served <= 0 or seconds < LEAST_SECONDS:
            return Speeds({}, {})
        average = served / seconds
        return Speeds(_relative(groups, average), _relative(tenants, average))

    def of_group(self, name: str) -> float:
        return self.groups.get(name, 1.0)

    def of_tenant(self, group: str, tenant_id: str) -> float:
        return self.tenants.get((group, tenant_id)) or self.of_group(group)


def _count(sums: list[float], served: float, seconds: float) -> None:
    sums[0] += served
    sums[1] += seconds


def _relative(sums: Mapping[K, Sequence[float]], average: float) -> dict[K, float]:
    return {
        name: min(MOST_FASTER, max(1 / MOST_FASTER, served / seconds / average))
        for name, (served, seconds) in sums.items()
        if seconds >= LEAST_SECONDS
    }


Placed = Sequence[tuple[str, Claim]]


def _pour(
    most: float, placed: Placed, wanted: Mapping[int, float], weights: Mapping[str, int], speeds: Speeds
) -> dict[int, float]:
    """What each of the claims with these indexes is due."""
    groups: dict[str, dict[str, list[int]]] = {}
    for i in wanted:
        claim = placed[i][1]
        groups.setdefault(claim.group, {}).setdefault(claim.tenant_id, []).append(i)
    sums = {name: sum(wanted[i] for of in tenants.values() for i in of) for name, tenants in groups.items()}
    heavy = {name: weights.get(name, DEFAULT_WEIGHT) / speeds.of_group(name) for name in groups}
    found: dict[int, float] = {}
    for name, share in max_min(most, sums, heavy).items():
        tenants = groups[name]
        each = {tenant: sum(wanted[i] for i in of) for tenant, of in tenants.items()}
        weigh = {
            tenant: max(1, *(placed[i][1].weight for i in of)) / speeds.of_tenant(name, tenant)
            for tenant, of in tenants.items()
        }
        for tenant, due in max_min(share, each, weigh).items():
            found |= max_min(due, {i: wanted[i] for i in tenants[tenant]}, dict.fromkeys(tenants[tenant], 1.0))
    return found


def _by_sidecar(most: int, sidecars: Sequence[str], placed: Placed, dues: Mapping[int, float]) -> dict[str, float]:
    """What is left over is spread evenly; an idle sidecar keeps some room even if nothing is left."""
    found = dict.fromkeys(sidecars, 0.0)
    for i, due in dues.items():
        found[placed[i][0]] += due
    kept = float(most // (len(sidecars) * HEADROOM))
    lacking = {name: kept - share for name, share in found.items() if share < kept}
    left = most - sum(found.values()) - sum(lacking.values())
    taken = sum(share for name, share in found.items() if name not in lacking)
    for name in found:
        if name in lacking:
            found[name] = kept
        elif left < 0:
            found[name] += left * found[name] / taken
    if left > 0:
        found = {name: share + left / len(found) for name, share in found.items()}
    return found


def _within(own: int, placed: Placed, wanted: Sequence[float]) -> list[float]:
    """Caps what is wanted of a sidecar at what may run in it."""
    sums: dict[str, float] = {}
    for (sidecar, _), want in zip(placed, wanted, strict=True):
        sums[sidecar] = sums.get(sidecar, 0.0) + want
    return [
        want * min(1.0, own / sums[sidecar]) if sums[sidecar] else want
        for (sidecar, _), want in zip(placed, wanted, strict=True)
    ]
