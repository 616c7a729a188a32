"""The names of kept answers in Redis; no other file spells one.  Pure.

All that one owner has lies in one slot of a cluster, as its budgets do.
"""

from typing import NamedTuple

PREFIX = "tollkeeper:response"


class OwnerKeys(NamedTuple):
    """`used`, `ends`: sorted sets of the names of answers, by when each was last used and by when it expires; `sizes`:
    a hash of the size of each in bytes, and of their sum."""

    used: str
    ends: str
    sizes: str


def answer_key(owner: str, name: str) -> str:
    """String: an answer, compressed."""
    return f"{PREFIX}:{{{owner}}}:{name}"


def claim_key(owner: str, name: str) -> str:
    """String: the lease id of the request whose answer is awaited; it expires."""
    return f"{PREFIX}-claim:{{{owner}}}:{name}"


def owner_keys(owner: str) -> OwnerKeys:
    """Of all answers of one owner."""
    return OwnerKeys(*(f"{PREFIX}s-{what}:{{{owner}}}" for what in ("used", "ends", "bytes")))
