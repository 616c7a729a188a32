"""Tenants: the values and the port through which they change.  No SQL, no HTTP."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.values.policy import DEFAULT_WEIGHT

DEFAULT_GROUP = "default"

# A page of a list begins after the item with this creation time and id.
Position = tuple[datetime, str]


class NoSuchTenant(LookupError):
    """No tenant has this id."""


class TenantNameTaken(ValueError):
    """Another tenant of the organization, or of the operators, has this name."""


class TenantIdTaken(ValueError):
    """Another tenant has this id."""


class UnknownGroup(ValueError):
    """The tenant's fairshare group does not exist."""


class UnknownPolicy(ValueError):
    """The tenant's policy does not exist."""


class Status(StrEnum):
    """Whether a tenant's keys are admitted at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Owns keys, budgets and a weight.  None: not limited, no policy.

    `display_name` is what people call it, "" for its name, and need not be unique.  `metadata` is for the operators; it
    means nothing here.  `version` counts every change of the tenant, its users and its keys.
    `organization` None: it is the operators'.  `follows_default_rate`: its requests_per_minute is the configured
    default, and changes with it.
    """

    id: str
    name: str
    fairshare_group: str
    weight: int
    tokens_per_minute: int | None
    max_in_flight: int | None
    created_at: datetime
    updated_at: datetime
    requests_per_minute: int | None
    status: str
    policy: str | None
    metadata: Mapping[str, str]
    version: int
    display_name: str = ""
    description: str = ""
    organization: str | None = None
    follows_default_rate: bool = False


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant to be created; `id` is a new UUID unless the surface has its own form."""

    name: str
    fairshare_group: str = DEFAULT_GROUP
    weight: int = DEFAULT_WEIGHT
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    max_in_flight: int | None = None
    status: str = Status.ACTIVE
    policy: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    description: str = ""
    organization: str | None = None
    follows_default_rate: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class TenantChange(TypedDict, total=False):
    """Fields to change; an absent one stays, None removes a limit or the policy."""

    name: str
    fairshare_group: str
    weight: int
    tokens_per_minute: int | None
    requests_per_minute: int | None
    max_in_flight: int | None
    status: str
    policy: str | None
    metadata: Mapping[str, str]
    display_name: str
    description: str
    follows_default_rate: bool


class Tenants(Protocol):
    """Each change is atomic with its audit entry and its outbox rows; the changes of one tenant are made in order.

    Raises what store.postgres.UNAVAILABLE lists; a change may then have been made, or not.
    """

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        """TenantIdTaken, TenantNameTaken, UnknownGroup, UnknownPolicy; with an organization also UnknownOrganization,
        PlanIsFull."""

    async def get(self, tenant_id: str) -> Tenant | None:
        """None if there is none."""

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        name: str = "",
        part: str = "",
        organization: str | None = None,
    ) -> tuple[Tenant, ...]:
        """At most `limit` tenants, oldest first, after the position; with a `name` only those of that name, with a
        `part` only those whose name or display name holds it, whatever the case of its letters; of one organization,
        or of all."""

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        """What `create` raises, NoSuchTenant, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        """With its users, keys and limits.  NoSuchTenant, StateChanged."""


def changed(before: Tenant, change: TenantChange) -> Tenant:
    """With the change applied.  A tenant that is given another rate has one of its own from then on."""
    after = replace(before, **change)
    same = after.requests_per_minute == before.requests_per_minute
    follows = change.get("follows_default_rate", before.follows_default_rate and same)
    return replace(after, follows_default_rate=follows)
