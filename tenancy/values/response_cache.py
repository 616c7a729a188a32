"""A model's response cache: how its answers are kept, to answer equal requests.  Pure.

Sidecars of two versions read this from each other: fields are added at the end (values/trailing.py).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from tenancy.values.trailing import filled

DEFAULT_SECONDS, MAX_SECONDS = 300, 10**9
DEFAULT_BYTES, MAX_BYTES = 1_048_576, 2_097_152  # of one answer, as the client gets it
FULL = 100  # percent


class CacheScope(StrEnum):
    """Who is given an answer again: callers of the tenant that it was made for; of the user, or
    without one the key; or anybody who may use the model."""

    TENANT = "tenant"
    USER = "user"
    ALL = "all"


class CachedRequests(StrEnum):
    """Those that say that they want the same answer each time (temperature 0, a seed) and those whose answer is never
    sampled (vectors, scores); or all."""

    DETERMINISTIC = "deterministic"
    ALL = "all"


class CacheTerms(NamedTuple):
    """The terms of a model's response cache.  `max_bytes`: a longer answer is not kept; `charge_percent`: the part of
    its tokens that a cached answer is charged; `purges`: how often the cache has been emptied."""

    ttl_seconds: int = DEFAULT_SECONDS
    scope: CacheScope = CacheScope.TENANT
    requests: CachedRequests = CachedRequests.DETERMINISTIC
    max_bytes: int = DEFAULT_BYTES
    charge_percent: int = 0
    purges: int = 0

    @staticmethod
    def of_row(row: Sequence[Any]) -> "CacheTerms":
        """ValueError for what this version does not know: it must not share more than it was told to."""
        seconds, scope, requests, most, percent, purges = filled(row, CacheTerms())
        return CacheTerms(
            int(seconds), CacheScope(scope), CachedRequests(requests), int(most), int(percent), int(purges)
        )


def charged_part(count: int, *, percent: int) -> int:
    """What a kept answer is charged of `count` tokens or images, rounded up."""
    return -(-count * percent // FULL)


def load_caches(rows: "Sequence[tuple[str, Sequence[Any]]]") -> dict[str, CacheTerms]:
    """The terms by model; a model whose terms cannot be read has no cache."""
    found: dict[str, CacheTerms] = {}
    for name, row in rows:
        try:
            found[name] = CacheTerms.of_row(row)
        except (ValueError, TypeError):
            continue
    return found
