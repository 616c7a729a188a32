"""The names of kept answers in Redis; no other file spells one.  Pure.

All that one owner has lies in one slot of a cluster, as its budgets do.
"""

PREFIX = "tollkeeper:response"


def answer_key(owner: str, name: str) -> str:
    """String: an answer, compressed."""
    return f"{PREFIX}:{{{owner}}}:{name}"


def claim_key(owner: str, name: str) -> str:
    """String: the lease id of the request whose answer is awaited; it expires."""
    return f"{PREFIX}-claim:{{{owner}}}:{name}"


def used_key(owner: str) -> str:
    """Sorted set: names of an owner's answers by when each was last used."""
    return f"{PREFIX}s-used:{{{owner}}}"


def ends_key(owner: str) -> str:
    """Sorted set: names of an owner's answers by when each expires."""
    return f"{PREFIX}s-ends:{{{owner}}}"


def sizes_key(owner: str) -> str:
    """Hash: the size of each answer in bytes, and the sum of all."""
    return f"{PREFIX}s-bytes:{{{owner}}}"
