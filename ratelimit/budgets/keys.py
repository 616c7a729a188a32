"""The names of budgets and leases in Redis; no other file spells one.  Pure.

What is in the braces is Redis Cluster's hash tag: the *owner*.  All that has one owner lies in one slot, so that one
script may touch all of it.  Who owns what is decided where the rules are made.
"""

import re

PREFIX = "tollkeeper"
EPOCH_KEYS = 64
_BUDGET = re.compile(rf"{PREFIX}:budget:\{{[^{{}}]+\}}:.+", re.DOTALL)


def budget_key(owner: str, name: str) -> str:
    """Hash: one budget."""
    return f"{PREFIX}:budget:{{{owner}}}:{name}"


def is_budget_key(key: str) -> bool:
    """Whether `budget_key` could have made it."""
    return _BUDGET.fullmatch(key) is not None


def lease_key(owner: str, lease_id: str) -> str:
    """String: one admitted request in flight, as JSON."""
    return f"{PREFIX}:lease:{{{owner}}}:{lease_id}"


def leases_key(owner: str) -> str:
    """Sorted set: lease id by its deadline in ms."""
    return f"{PREFIX}:leases:{{{owner}}}"


def swept_key(owner: str) -> str:
    """Sorted set: lease ids given to a sweep, by the time in ms, until their rows are safe."""
    return f"{PREFIX}:leases-swept:{{{owner}}}"


def all_leases_keys() -> str:
    """A pattern that matches the keys of `leases_key` and `swept_key`."""
    return f"{PREFIX}:leases*"


def part_key(owner: str, part: str) -> str:
    """Sorted set: like leases_key, for the leases of one part, while that part has a bound of its own."""
    return f"{PREFIX}:part:{{{owner}}}:{part}"


def settled_key(owner: str, lease_id: str) -> str:
    """String: marks a charge made without a lease, so that it is made once."""
    return f"{PREFIX}:settled:{{{owner}}}:{lease_id}"


def job_key(owner: str, name: str) -> str:
    """Hash: a job, or a second name of one."""
    return f"{PREFIX}:job:{{{owner}}}:{name}"


def jobs_key(owner: str) -> str:
    """Sorted set: names of an owner's jobs, by the time in ms until which they are remembered."""
    return f"{PREFIX}:jobs:{{{owner}}}"


def early_reports_key(owner: str) -> str:
    """Sorted set: names of jobs that were reported before they were held, by the time in ms until which that is
    remembered."""
    return f"{PREFIX}:early:{{{owner}}}"


def changed_key(owner: str, once: str) -> str:
    """String: marks an operator's change to an owner's budgets, so that it is made once."""
    return f"{PREFIX}:changed:{{{owner}}}:{once}"


def epoch_keys(by_owner: bool) -> tuple[str, ...]:
    """Strings: the time in ms since which the store has been whole.  On a cluster there is one in each of many slots,
    so that every node has some of them."""
    return tuple(f"{PREFIX}:epoch:{{{number}}}" for number in range(EPOCH_KEYS if by_owner else 1))


def restoring_key() -> str:
    """String: the process that restores or audits the budgets; it expires."""
    return f"{PREFIX}:restoring:{{0}}"


def owner_of(key: str) -> str:
    """The owner in any of these names."""
    return key[key.index("{") + 1 : key.index("}")]
