"""Named policies: sets of limits that tenants refer to.  The value and the port; no SQL, no HTTP.

Not to be confused with tenancy.values.policy: what one key may do, which includes the limits of its tenant's policy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

POLICY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

# A limit as an object that tenancy.values.limit.Limit.of_fields reads; `name` is unique within the policy.
LimitFields = Mapping[str, Any]


class NoSuchPolicy(LookupError):
    """No policy has this name."""


class PolicyNameTaken(ValueError):
    """Another policy has this name."""


class PolicyInUse(ValueError):
    """Tenants still refer to the policy."""


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy, identified by its name.  Each tenant that refers to it has its own budget for each of its limits."""

    name: str
    description: str
    limits: tuple[LimitFields, ...]
    created_at: datetime
    updated_at: datetime


class Policies(Protocol):
    """Each change is atomic with its audit entry and an outbox row for every key that it concerns.

    Raises what store.postgres.UNAVAILABLE lists.
    """

    async def create(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        """PolicyNameTaken."""

    async def get(self, name: str) -> NamedPolicy | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[NamedPolicy, ...]:
        """At most `limit` policies, ordered by name, after the given one."""

    async def update(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        """NoSuchPolicy, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        """NoSuchPolicy, PolicyInUse, StateChanged."""
