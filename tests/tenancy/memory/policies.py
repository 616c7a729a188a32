"""Named policies in a dictionary: the same answers as the Postgres adapter."""

from dataclasses import replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.named_policies import LimitFields, NamedPolicy, NoSuchPolicy, PolicyNameTaken
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryPolicies:
    """Implements tenancy.directory.named_policies.Policies; knows of no tenants."""

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
