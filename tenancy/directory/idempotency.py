"""Idempotent creates: what an Idempotency-Key claims, and what became of it.  Values and the reading port; no SQL.

A claim is written in the transaction of its create, so there is no method here to add one.  What is kept is the
created value as the audit log shows it: never a secret, which is therefore not shown a second time.
"""

from dataclasses import dataclass
from typing import Protocol

from tenancy.directory.audit import Snapshot


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Makes a create safe to repeat: the caller's key, and a digest of everything that the request asks for."""

    key: str
    fingerprint: str


class AlreadyAsked(ValueError):
    """The caller has used this key within the last day: see Repeats for what came of it."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What the first request with a key asked for, and what it made."""

    fingerprint: str
    target_type: str
    target_id: str
    response: Snapshot


class Repeats(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def find(self, actor: str, key: str) -> Repeat | None:
        """None if the actor has not created anything under this key within the last day."""
