"""A change outside of Postgres with its audit entry: both or, as far as two stores allow, neither."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol, TypeAlias

from store.postgres import PostgresPool
from tenancy.directory.audit import Snapshot
from tenancy.directory.change_request import ChangeRequest
from tenancy.postgres.change import audit, changing
from tenancy.postgres.idempotency import answered

Answered: TypeAlias = Callable[[Snapshot], Awaitable[None]]


class Audited(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists when the entry could not be made; the change may then have been."""

    def __call__(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AbstractAsyncContextManager[Answered]:
        """The entry is written before the block, which makes the change, and stays only if the block does not raise.

        The block is handed what keeps the answer for a repetition; terms.AlreadyAsked before it if this is one.
        """


class PostgresAudited:
    """Implements Audited.  The block shares the transaction's deadline."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def __call__(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AsyncIterator[Answered]:
        async with changing(self._pool, by) as connection:
            await audit(connection, by, action, target, before, after)
            yield partial(answered, connection, by)
