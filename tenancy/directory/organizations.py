"""Organizations, which own tenants and have people of their own.  The value, its plans and the port; no SQL, no HTTP.

A tenant belongs to one organization from its creation on, or to none.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted


class NoSuchOrganization(LookupError):
    """No organization has this id."""


class UnknownOrganization(ValueError):
    """The organization that a value is to belong to does not exist."""


class OrganizationNameTaken(ValueError):
    """Another organization has this name."""


class OrganizationInUse(ValueError):
    """The organization still has tenants."""


class PlanIsFull(ValueError):
    """The organization has as many tenants as its plan includes; the text says so."""


class Plan(StrEnum):
    """What an organization pays for."""

    FREE = "free"
    SCALE = "scale"
    ENTERPRISE = "enterprise"


# How many tenants a plan includes; None: any number.
MAX_TENANTS: Mapping[Plan, int | None] = {Plan.FREE: 3, Plan.SCALE: 100, Plan.ENTERPRISE: None}


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization."""

    id: str
    name: str
    plan: Plan
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """An organization to be made."""

    name: str
    plan: Plan = Plan.FREE
    id: str = field(default_factory=lambda: f"org_{secrets.token_hex(6)}")


class OrganizationChange(TypedDict, total=False):
    """Fields to change; an absent one stays."""

    name: str
    plan: Plan


class Organizations(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewOrganization, by: ChangeRequest) -> Organization:
        """OrganizationNameTaken."""

    async def get(self, organization_id: str) -> Organization | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[Organization, ...]:
        """At most `limit` organizations, ordered by name, after the given one."""

    async def update(self, organization_id: str, change: OrganizationChange, by: ChangeRequest) -> Organization:
        """NoSuchOrganization, OrganizationNameTaken, StateChanged.  A smaller plan takes no tenant away."""

    async def delete(self, organization_id: str, by: ChangeRequest) -> Deleted:
        """Deletes it with its accounts and invitations.  NoSuchOrganization, OrganizationInUse, StateChanged."""

    async def count_tenants(self, organization_id: str) -> int:
        """The number of its tenants."""

    async def tenant_ids(self, organization_id: str) -> tuple[str, ...]:
        """The ids of all tenants that are or were its own."""


def require_room(plan: Plan, tenants: int) -> None:
    """PlanIsFull unless one more fits beside `tenants`."""
    most = MAX_TENANTS[plan]
    if most is not None and tenants >= most:
        raise PlanIsFull(f"the plan {plan} includes {most} tenants, and there are {tenants}")
