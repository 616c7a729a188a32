"""Tenants: the value and the port through which they change.  No SQL, no HTTP."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest, Deleted

# Opaque text: other surfaces take the caller's id or mint one of their own form.
TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DEFAULT_GROUP = "default"
DEFAULT_WEIGHT = 100

# Where a page of a list begins: after the item with this creation time and id.
Position = tuple[datetime, str]


class NoSuchTenant(LookupError):
    """No tenant has this id."""


class TenantNameTaken(ValueError):
    """Another tenant has this name."""


class UnknownGroup(ValueError):
    """A tenant is to be put into a fairshare group that does not exist."""


class UnknownPolicy(ValueError):
    """A tenant is to refer to a policy that does not exist."""


class Status(StrEnum):
    """Whether a tenant's keys are let through at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Owns keys, budgets and a weight.  None: not limited, no policy.

    `metadata` is the operators' own, and means nothing here.  `version` counts every change of it, its users and keys.
    """

    id: str
    name: str
    fairshare_group: str
    weight: int
    tokens_per_minute: int | None
    requests_per_minute: int | None
    max_in_flight: int | None
    status: str
    policy: str | None
    metadata: Mapping[str, str]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant to be made; `id` is minted here (a UUID) unless the surface that makes it has a form of its own."""

    name: str
    fairshare_group: str = DEFAULT_GROUP
    weight: int = DEFAULT_WEIGHT
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    max_in_flight: int | None = None
    status: str = Status.ACTIVE
    policy: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class TenantChange(TypedDict, total=False):
    """The fields to change; what is absent stays, None lifts a limit."""

    name: str
    fairshare_group: str
    weight: int
    tokens_per_minute: int | None
    requests_per_minute: int | None
    max_in_flight: int | None
    status: str
    policy: str | None
    metadata: Mapping[str, str]


class Tenants(Protocol):
    """Each change is atomic with its audit entry and the announcement to Redis, and changes of one tenant are in order.

    Raises what store.postgres.UNAVAILABLE lists when it could not be done (or it is not known that it was).
    """

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        """TenantNameTaken, UnknownGroup, UnknownPolicy."""

    async def get(self, tenant_id: str) -> Tenant | None:
        """None if there is none."""

    async def page(self, limit: int, after: Position | None = None, name: str = "") -> tuple[Tenant, ...]:
        """At most `limit` tenants, oldest first, after the position; with a `name` only the one called so."""

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        """What `create` raises, NoSuchTenant, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        """With its users and keys: how many of each.  NoSuchTenant, StateChanged."""
