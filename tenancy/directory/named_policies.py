"""Named policies: sets of limits that tenants refer to.  The value and the port; no SQL, no HTTP.

tenancy.values.policy is another thing: it is what one key may do, with the limits of its tenant's policy among them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

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
