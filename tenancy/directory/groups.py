"""Fairshare groups: the value and the port.  Tenants of one group share its weight; no SQL, no HTTP, no scheduling."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NoSuchGroup(LookupError):
    """No group has this name."""


class GroupNameTaken(ValueError):
    """Another group has this name."""


class GroupInUse(ValueError):
    """Tenants still belong to the group, or it is the default group."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group, identified by its name."""

    name: str
    weight: int
    created_at: datetime
    updated_at: datetime


class Groups(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, name: str, weight: int, by: ChangeRequest) -> Group:
        """GroupNameTaken."""

    async def get(self, name: str) -> Group | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[Group, ...]:
        """At most `limit` groups, ordered by name, after the given one."""

    async def set_weight(self, name: str, weight: int, by: ChangeRequest) -> Group:
        """NoSuchGroup, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        """NoSuchGroup, GroupInUse, StateChanged."""
