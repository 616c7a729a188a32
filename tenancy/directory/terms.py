"""The terms on which a change is asked for: the state that its caller has seen, a repetition, a rehearsal.  No SQL.

`tag_of` names a value's state; a change that carries tags is made only to a value in one of these states, which
the adapters check under the lock of the change.  So of two callers who saw the same state only the first changes it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tenancy.directory.audit import ChangeRequest, snapshot

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ANY = "*"
TAG_DIGITS = 24  # 96 bits of a SHA-256: no two states of one value meet
# What changes by itself, or with other values than this one.
VOLATILE = ("version", "last_used_at", "overlap_until")

# What a deletion takes along, by the name of its collection.
Deleted = Mapping[str, int]


class StateChanged(ValueError):
    """The value is not in a state that the caller has seen (any more)."""


class AlreadyAsked(ValueError):
    """The caller has used this Idempotency-Key within the last day: see repeats.py for what came of it."""


def tag_of(value: "DataclassInstance") -> str:
    """The state of a value: the same text for the same fields."""
    fields = {name: each for name, each in snapshot(value).items() if name not in VOLATILE}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:TAG_DIGITS]


def name_of(by: ChangeRequest) -> str:
    """What the caller repeats when it asks again, for other stores than the one with the claim; "" if it does not."""
    asked = by.idempotency
    return (
        ""
        if asked is None
        else hashlib.sha256("\n".join((by.actor, asked.key, asked.fingerprint)).encode()).hexdigest()
    )


def require(by: ChangeRequest, before: "DataclassInstance | None") -> None:
    """StateChanged unless the value's state is one that the caller has seen, or the caller names none.  What is not
    there is in no state."""
    if before is None:
        if by.if_match is not None:
            raise StateChanged("none, it is not there")
        return
    if by.if_match is not None and ANY not in by.if_match and tag_of(before) not in by.if_match:
        raise StateChanged(tag_of(before))
