"""Fairshare groups: the value and the port.  Tenants of one group share its weight; no SQL, no HTTP, no scheduling."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from tenancy.directory.audit import ChangeRequest, MemoryAuditLog, snapshot
from tenancy.directory.tenants import DEFAULT_GROUP, DEFAULT_WEIGHT
from tenancy.directory.terms import Deleted, require

GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NoSuchGroup(LookupError):
    """No group has this name."""


class GroupNameTaken(ValueError):
    """Another group has this name."""


class GroupInUse(ValueError):
    """Tenants still belong to the group, or it is the one that new tenants get."""


@dataclass(frozen=True, slots=True)
class Group:
    """Known by its name."""

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
        """At most `limit` groups by name, after the given one."""

    async def set_weight(self, name: str, weight: int, by: ChangeRequest) -> Group:
        """NoSuchGroup, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        """NoSuchGroup, GroupInUse, StateChanged."""


class MemoryGroups:
    """Keeps groups in a dictionary; has the default group from the start, and knows of no tenants."""

    def __init__(self, log: MemoryAuditLog) -> None:
        now = datetime.now(UTC)
        self._log = log
        self._groups = {DEFAULT_GROUP: Group(DEFAULT_GROUP, DEFAULT_WEIGHT, now, now)}

    async def create(self, name: str, weight: int, by: ChangeRequest) -> Group:
        if name in self._groups:
            raise GroupNameTaken(name)
        now = datetime.now(UTC)
        group = self._groups[name] = Group(name, weight, now, now)
        self._log.add(by, "create_group", ("fairshare_group", name), None, snapshot(group))
        return group

    async def get(self, name: str) -> Group | None:
        return self._groups.get(name)

    async def page(self, limit: int, after: str = "") -> tuple[Group, ...]:
        return tuple(self._groups[name] for name in sorted(self._groups) if name > after)[:limit]

    async def set_weight(self, name: str, weight: int, by: ChangeRequest) -> Group:
        before = self._groups.get(name)
        if before is None:
            raise NoSuchGroup(name)
        require(by, before)
        if before.weight == weight:
            return before
        after = self._groups[name] = replace(before, weight=weight, updated_at=datetime.now(UTC))
        self._log.add(by, "update_group", ("fairshare_group", name), snapshot(before), snapshot(after))
        return after

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        group = self._groups.get(name)
        if group is None:
            raise NoSuchGroup(name)
        require(by, group)
        if name == DEFAULT_GROUP:
            raise GroupInUse(name)
        if not by.dry_run:
            del self._groups[name]
            self._log.add(by, "delete_group", ("fairshare_group", name), snapshot(group), None)
        return {"groups": 1, "limits": 0}
