"""The capacity in this process: the same answers as the Postgres adapter."""

from dataclasses import replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.capacity import Capacity, CapacityChange, changed
from tenancy.directory.change_request import ChangeRequest, require
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryCapacities:
    """Implements tenancy.directory.capacity.Capacities."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log, self._capacity = log, Capacity()

    async def get(self) -> Capacity:
        return self._capacity

    async def update(self, change: CapacityChange, by: ChangeRequest) -> Capacity:
        before = self._capacity
        require(by, before)
        after = changed(before, change)
        if after is before:
            return before
        self._capacity = replace(after, updated_at=datetime.now(UTC))
        self._log.add(by, "update_capacity", ("capacity", "all"), snapshot(before), snapshot(self._capacity))
        return self._capacity
