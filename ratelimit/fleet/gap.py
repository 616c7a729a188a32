"""The fairness gap: how far a waiting group is behind what it is entitled to.  Pure."""

from collections.abc import Mapping, Sequence

from ratelimit.fleet.report import Report
from tenancy.values.policy import DEFAULT_WEIGHT


def gap_of(reports: Sequence[Report], weights: Mapping[str, int]) -> float:
    """Of the tokens of service of the last minute, the part that the group furthest behind its share by weight lacks,
    among groups with something waiting.  0: none is behind, or nothing was served."""
    served: dict[str, int] = {}
    waits: set[str] = set()
    active: set[str] = set()
    for report in reports:
        for group in report.groups:
            served[group.name] = served.get(group.name, 0) + group.served
            if group.queued:
                waits.add(group.name)
            if group.queued or group.in_flight:
                active.add(group.name)
    total, heavy = sum(served.values()), sum(weights.get(name, DEFAULT_WEIGHT) for name in active)
    if not total:
        return 0.0
    lacks = (weights.get(name, DEFAULT_WEIGHT) / heavy - served[name] / total for name in waits)
    return max(0.0, *lacks) if waits else 0.0
