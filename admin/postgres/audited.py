"""Changes outside of Postgres, with their audit entries in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from admin.commands.ports import Answered
from store.postgres import PostgresPool
from tenancy.directory.audit import Snapshot
from tenancy.directory.change_request import ChangeRequest
from tenancy.postgres.change import audit, changing
from tenancy.postgres.idempotency import answered


class PostgresAudited:
    """Implements admin.commands.ports.Audited.  The block shares the transaction's deadline."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def __call__(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AsyncIterator[Answered]:
        async with changing(self._pool, by) as connection:
            await audit(connection, by, action, target, before, after)
            yield partial(answered, connection, by)
