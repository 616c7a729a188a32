"""A change request: who asks for a change, and on which conditions.  Values and pure checks; no SQL, no HTTP.

`tag_of` names the state of a value.  A request that carries tags changes a value only if it is in one of those states;
the adapters check this under the lock of the change, so of two callers who saw the same state only the first succeeds.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenancy.directory.audit import snapshot
from tenancy.directory.idempotency import Idempotency

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ANY = "*"  # in `if_match`: any state, as long as the value exists
TAG_DIGITS = 24  # 96 bits of a SHA-256: no two states of one value share a tag
# Fields that change by themselves, or whenever a related value changes: not part of the state that a caller has seen.
VOLATILE = ("version", "last_used_at", "overlap_until", "dropped", "last_success_at", "old_secrets_until")

# What a deletion removes, or in a dry run would remove: how many, by the name of the collection.
Deleted = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Where a change comes from (the principal's name, its network address, the request's id), and its conditions.

    `if_match`: the tags of the states in which the value may be changed; None: any state, or none.  `idempotency`: make
    the change once however often it is asked for.  `dry_run`: report what would be deleted, and keep it.
    `organization`: that of the principal, if it has one.
    """

    actor: str
    source: str = ""
    request_id: str = ""
    if_match: frozenset[str] | None = None
    idempotency: Idempotency | None = None
    dry_run: bool = False
    organization: str | None = None


class StateChanged(ValueError):
    """The value is not, or no longer, in a state that the caller has seen."""


def tag_of(value: "DataclassInstance") -> str:
    """The state of a value: the same text for the same fields."""
    fields = {name: each for name, each in snapshot(value).items() if name not in VOLATILE}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:TAG_DIGITS]


def require(by: ChangeRequest, before: "DataclassInstance | None") -> None:
    """StateChanged unless the request is unconditional or names the value's state.  None: there is no such value, which
    is never a state that the caller has seen."""
    if by.if_match is None:
        return
    if before is None:
        raise StateChanged("none, it is not there")
    if ANY not in by.if_match and tag_of(before) not in by.if_match:
        raise StateChanged(tag_of(before))


def name_of(by: ChangeRequest) -> str:
    """Names a repeatable request, the same each time it is repeated, for stores other than the one that keeps its
    claim; "" if it is not repeatable."""
    if by.idempotency is None:
        return ""
    return hashlib.sha256("\n".join((by.actor, by.idempotency.key, by.idempotency.fingerprint)).encode()).hexdigest()
