"""Weighted max-min fairness: a total is distributed by weight, until all have what they want or nothing is left.
Pure."""

from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")


def max_min(total: float, wanted: Mapping[K, float], weights: Mapping[K, float]) -> dict[K, float]:
    """What each gets.  Weights are positive; a key that wants nothing gets nothing."""
    got: dict[K, float] = {}
    left, heavy = max(0.0, total), float(sum(weights[name] for name in wanted))
    for name in sorted(wanted, key=lambda each: wanted[each] / weights[each]):
        weight = weights[name]
        got[name] = min(wanted[name], left * weight / heavy) if heavy > 0 else 0.0
        left, heavy = left - got[name], heavy - weight
    return got
