"""Opening Postgres: one bounded pool a process, every wait with a deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from store.tls import postgres_before

Row: TypeAlias = asyncpg.Record
PostgresPool: TypeAlias = "asyncpg.Pool[Row]"
Connection: TypeAlias = "PoolConnectionProxy[Row]"

# Together below the 2 s in which the management API must have said 503.
ACQUIRE_SECONDS = 0.7
READ_SECONDS = 1.2

# The errors that mean "Postgres cannot be asked now", as opposed to "it said no".
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # on a connection that the server has just given up
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TransactionRollbackError,  # undone for the sake of others: deadlock, serialization
)


def open_postgres(url: str, *, timeout: float = 1.0, size: int = 4) -> PostgresPool:
    """A pool of at most `size` connections; connecting and each command end within `timeout` s.

    Make it on the loop that will use it, and await it there.  That succeeds even while Postgres is away, since
    connections are opened on demand: callers see UNAVAILABLE when they use it.

    No user of the pool may change a session beyond its transaction (SET LOCAL, no LISTEN, no advisory lock of the
    session): a connection that is given back is rolled back, not reset.
    """
    return asyncpg.create_pool(
        url,
        connect=cast(Any, _connect),  # its type names each keyword
        min_size=0,
        max_size=size,
        timeout=timeout,
        command_timeout=timeout,
        max_inactive_connection_lifetime=60.0,
        reset=_keep,
    )


@asynccontextmanager
async def reading(pool: PostgresPool, seconds: float = READ_SECONDS) -> AsyncIterator[Connection]:
    """A connection for queries; TimeoutError when they do not end in time."""
    async with asyncio.timeout(seconds), pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        yield connection


async def _connect(url: str, **settings: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """asyncpg reads the files of TLS here, for each connection anew."""
    if (context := postgres_before(url)) is not None:
        settings["ssl"] = context
    return await asyncpg.connect(url, **settings)


async def _keep(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """In place of asyncpg's reset of the whole session, which costs every user of a connection a round trip."""
