"""Named policies: sets of limits that tenants refer to.  The value and the port; no SQL, no HTTP.

tenancy.values.policy is another thing: it is what one key may do, with the limits of its tenant's policy among them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from tenancy.directory.audit import ChangeRequest, MemoryAuditLog, snapshot
from tenancy.directory.terms import Deleted, require

POLICY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

# A limit by its fields, as tenancy.values.limit.Limit.of_fields reads it; `name` is unique within the policy.
LimitFields = Mapping[str, Any]


class NoSuchPolicy(LookupError):
    """No policy has this name."""


class PolicyNameTaken(ValueError):
    """Another policy has this name."""


class PolicyInUse(ValueError):
    """Tenants still refer to the policy."""


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """Known by its name.  Every tenant that refers to it has budgets of its own for each of its limits."""

    name: str
    description: str
    limits: tuple[LimitFields, ...]
    created_at: datetime
    updated_at: datetime


class Policies(Protocol):
    """Each change is atomic with its audit entry and the announcement of every key that it concerns to Redis.

    Raises what store.postgres.UNAVAILABLE lists.
    """

    async def create(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        """PolicyNameTaken."""

    async def get(self, name: str) -> NamedPolicy | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[NamedPolicy, ...]:
        """At most `limit` policies by name, after the given one."""

    async def update(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        """NoSuchPolicy, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        """NoSuchPolicy, PolicyInUse, StateChanged."""


class MemoryPolicies:
    """Keeps policies in a dictionary; knows of no tenants."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
        self._policies: dict[str, NamedPolicy] = {}

    async def create(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        if name in self._policies:
            raise PolicyNameTaken(name)
        now = datetime.now(UTC)
        policy = self._policies[name] = NamedPolicy(name, description, limits, now, now)
        self._log.add(by, "create_policy", ("policy", name), None, snapshot(policy))
        return policy

    async def get(self, name: str) -> NamedPolicy | None:
        return self._policies.get(name)

    async def page(self, limit: int, after: str = "") -> tuple[NamedPolicy, ...]:
        return tuple(self._policies[name] for name in sorted(self._policies) if name > after)[:limit]

    async def update(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        before = self._existing(name)
        require(by, before)
        changed = replace(before, description=description, limits=limits)
        if changed == before:
            return before
        after = self._policies[name] = replace(changed, updated_at=datetime.now(UTC))
        self._log.add(by, "update_policy", ("policy", name), snapshot(before), snapshot(after))
        return after

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        policy = self._existing(name)
        require(by, policy)
        if not by.dry_run:
            del self._policies[name]
            self._log.add(by, "delete_policy", ("policy", name), snapshot(policy), None)
        return {"policies": 1}

    def _existing(self, name: str) -> NamedPolicy:
        if name not in self._policies:
            raise NoSuchPolicy(name)
        return self._policies[name]
