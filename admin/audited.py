"""A change outside of Postgres with its audit entry: both or, as far as two stores allow, neither."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from tenancy.audit import Origin, Snapshot
from tenancy.change_postgres import PostgresPool, audit, changing


class Audited(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists when the entry could not be made; the change may then have been."""

    def __call__(
        self, by: Origin, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AbstractAsyncContextManager[None]:
        """The entry is written before the block, which makes the change, and stays only if the block does not raise."""


class PostgresAudited:
    """Implements Audited.  The block shares the transaction's deadline."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def __call__(
        self, by: Origin, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AsyncIterator[None]:
        async with changing(self._pool) as connection:
            await audit(connection, by, action, target, before, after)
            yield
