"""What a replay was like for each tenant, and how far it was from fair.  Pure.

Service is counted in tokens (service.py), spread evenly over the time that a request ran.  What would have been fair is
weighted max-min: in each second, what was served is poured out to those who wanted something, groups first, by weight,
nobody getting more than they had asked for and not had yet.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ratelimit.fairness.max_min import max_min
from ratelimit.fairness.service import service_of
from ratelimit.fairness.simulation.policy import Tenant
from ratelimit.fairness.simulation.run import Done


@dataclass
class Account:
    """One tenant's account.  Waits in seconds, of requests that ran; for each second, what was `served`, what would
    have been `ideal`, what was newly `wanted`, and what was no longer wanted because it was refused (`gone`)."""

    asked: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    ideal: list[float] = field(default_factory=list)
    wanted: list[float] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)

    def wait(self, part: float) -> float:
        """`part` 0.5: the median; 1: the longest."""
        waits = sorted(self.waits)
        return waits[min(len(waits) - 1, int(part * len(waits)))] if waits else 0.0


@dataclass(frozen=True)
class Measured:
    """`gaps`: the most tokens of service that each tenant was ever behind its fair share.  `jain`: Jain's index of what
    each got of its share, while at least two wanted more than there was: 1 is fair, 1/n if one tenant gets
    everything."""

    tenants: Mapping[str, Account]
    gaps: Mapping[str, float]
    jain: float


def measure(done: Iterable[Done], tenants: Mapping[str, Tenant], seconds: int) -> Measured:
    """`seconds`: how long to look; after the trace's end nothing is contended."""
    accounts = {name: _empty(seconds) for name in tenants}
    for each in done:
        _count(accounts[each.request.tenant], each, seconds)
    return _against_ideal(accounts, tenants, seconds)


def _empty(seconds: int) -> Account:
    return Account(served=[0.0] * seconds, wanted=[0.0] * seconds, gone=[0.0] * seconds)


def _against_ideal(accounts: Mapping[str, Account], tenants: Mapping[str, Tenant], seconds: int) -> Measured:
    behind: dict[str, float] = dict.fromkeys(tenants, 0.0)
    had: dict[str, float] = dict.fromkeys(tenants, 0.0)
    due: dict[str, float] = dict.fromkeys(tenants, 0.0)
    left: dict[str, float] = dict.fromkeys(tenants, 0.0)
    gaps: dict[str, float] = dict.fromkeys(tenants, 0.0)
    for second in range(seconds):
        for name, account in accounts.items():
            left[name] += account.wanted[second]
        total = sum(account.served[second] for account in accounts.values())
        ideal = pour(total, left, tenants)
        contended = sum(1 for name in tenants if left[name] > ideal[name] + 1e-9) >= 2
        for name, account in accounts.items():
            left[name] = max(0.0, left[name] - ideal[name] - account.gone[second])
            behind[name] = max(0.0, behind[name] + ideal[name] - account.served[second])
            gaps[name] = max(gaps[name], behind[name])
            account.ideal.append(ideal[name])
            if contended:
                had[name] += account.served[second]
                due[name] += ideal[name]
    parts = [had[name] / due[name] for name in tenants if due[name]]
    return Measured(accounts, gaps, jain(parts))


def _count(account: Account, each: Done, seconds: int) -> None:
    request = each.request
    service = service_of(request.input_tokens, request.output_tokens)
    account.asked += 1
    if request.at < seconds:
        account.wanted[int(request.at)] += service
    if each.started is None:
        account.refused += 1
        if each.ended < seconds:
            account.gone[int(each.ended)] += service
        return
    account.waits.append(each.started - request.at)
    length = max(each.ended - each.started, 1e-9)
    for second in range(int(each.started), min(int(each.ended) + 1, seconds)):
        part = (min(each.ended, second + 1) - max(each.started, second)) / length
        account.served[second] += service * part


def pour(total: float, wanted: Mapping[str, float], tenants: Mapping[str, Tenant]) -> dict[str, float]:
    """Weighted max-min, groups before their tenants."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, tenant in tenants.items():
        groups[tenant.group].append(name)
    weights = {group: tenants[names[0]].group_weight for group, names in groups.items()}
    shares = max_min(total, {group: sum(wanted[name] for name in names) for group, names in groups.items()}, weights)
    found: dict[str, float] = {}
    for group, names in groups.items():
        found |= max_min(shares[group], {name: wanted[name] for name in names}, {n: tenants[n].weight for n in names})
    return found


def jain(parts: Sequence[float]) -> float:
    """Jain's index of fairness (Jain, Chiu and Hawe, 1984)."""
    squares = sum(part * part for part in parts)
    return sum(parts) ** 2 / (len(parts) * squares) if squares else 1.0
