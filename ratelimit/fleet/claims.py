"""A claim: what one tenant wants of one pool in one sidecar, as reports carry it.  Values; no I/O.

Their number is bounded: beyond it, those that want the least are added up by group.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ratelimit.fairness.tree import Demand

MAX_CLAIMS = 200  # in one report, and as many sums


class Claim(NamedTuple):
    """`model` "": of all models without a bound of their own.  `tenant_id` "": of several of the group, whose weights
    are added."""

    model: str
    group: str
    tenant_id: str
    weight: int
    running: int
    waiting: int

    @property
    def wanted(self) -> int:
        """Requests at once."""
        return self.running + self.waiting


def claims_of(demands: Iterable[tuple[str, Demand]]) -> tuple[Claim, ...]:
    found = [Claim(model, *demand) for model, demand in demands]
    if len(found) <= MAX_CLAIMS:
        return tuple(found)
    found.sort(key=lambda claim: -claim.wanted)
    return (*found[:MAX_CLAIMS], *_added(found[MAX_CLAIMS:])[:MAX_CLAIMS])


def _added(claims: Iterable[Claim]) -> list[Claim]:
    """Added up by group, those that want the most first."""
    sums: dict[tuple[str, str], Claim] = {}
    for each in claims:
        name = each.model, each.group
        last = sums.get(name, Claim(*name, "", 0, 0, 0))
        numbers = last.weight + each.weight, last.running + each.running, last.waiting + each.waiting
        sums[name] = Claim(*name, "", *numbers)
    return sorted(sums.values(), key=lambda claim: -claim.wanted)
