"""Fairshare groups in a dictionary: the same answers as the Postgres adapter."""

from dataclasses import replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.groups import Group, GroupInUse, GroupNameTaken, NewGroup, NoSuchGroup
from tenancy.directory.tenants import DEFAULT_GROUP
from tenancy.values.policy import DEFAULT_WEIGHT
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryGroups:
    """Implements tenancy.directory.groups.Groups.  Has the default group from the start, and knows of no tenants."""

    def __init__(self, log: MemoryAuditLog) -> None:
        now = datetime.now(UTC)
        self._log = log
        self._groups = {DEFAULT_GROUP: Group(DEFAULT_GROUP, DEFAULT_WEIGHT, now, now)}

    async def create(self, new: NewGroup, by: ChangeRequest) -> Group:
        name = new.name
        if name in self._groups:
            raise GroupNameTaken(name)
        now = datetime.now(UTC)
        group = self._groups[name] = Group(name, new.weight, now, now)
        self._log.add(by, "create_group", ("fairshare_group", name), None, snapshot(group))
        return group

    async def get(self, name: str) -> Group | None:
        return self._groups.get(name)

    async def page(self, limit: int, after: str = "") -> tuple[Group, ...]:
        return tuple(self._groups[name] for name in sorted(self._groups) if name > after)[:limit]

    async def update(self, name: str, weight: int, by: ChangeRequest) -> Group:
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
