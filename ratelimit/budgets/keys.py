"""The names of budgets and leases in Redis; no other file spells one.  Pure.

What is in the braces is Redis Cluster's hash tag: the *owner*.  All that has one owner lies in one slot, so that one
script may touch all of it.  Who owns what is decided by whoever makes the rules.
"""

PREFIX = "tollkeeper"


def budget_key(owner: str, name: str) -> str:
    """Hash: one budget."""
    return f"{PREFIX}:budget:{{{owner}}}:{name}"


def lease_key(owner: str, lease_id: str) -> str:
    """String: one admitted request in flight, as JSON."""
    return f"{PREFIX}:lease:{{{owner}}}:{lease_id}"


def leases_key(owner: str) -> str:
    """Sorted set: lease id by its deadline in ms."""
    return f"{PREFIX}:leases:{{{owner}}}"


def settled_key(owner: str, lease_id: str) -> str:
    """String: marks a charge made without a lease, so that it is made once."""
    return f"{PREFIX}:settled:{{{owner}}}:{lease_id}"


def changed_key(owner: str, once: str) -> str:
    """String: marks an operator's change to an owner's budgets, so that it is made once."""
    return f"{PREFIX}:changed:{{{owner}}}:{once}"


def owner_of(key: str) -> str:
    """The owner in any of these names."""
    return key[key.index("{") + 1 : key.index("}")]
