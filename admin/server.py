"""The management API as a server: opens the stores, binds the port, serves until it is told to stop."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from admin.access.principals import Principals
from admin.app import create_app
from admin.commands.ports import NOTHING, Configured
from admin.connections import KEEP_ALIVE_SECONDS, Connection
from admin.metrics import AdminMetrics
from admin.tls import Certificates, behind_tls
from serving.store_metrics import StoreMetrics
from store.clickhouse import Clickhouse
from store.postgres import open_postgres
from store.redis import open_redis_async
from store.watch import probes

POSTGRES_SECONDS = 1.0
REDIS_SECONDS = 0.5
CONNECTIONS = 8
SHUTDOWN_SECONDS = 10
BACKLOG = 256
SHORT_TOKEN = 12  # characters

log = structlog.get_logger(__name__)


class CannotListen(Exception):
    """The address cannot be bound; the message says why and what to do."""


def serve(
    host: str,
    port: int,
    *,
    database_url: str,
    redis_url: str,
    ledger_url: str | None = None,
    admin_token: str,
    portal_secrets: Sequence[str] = (),
    configured: Configured = NOTHING,
    cors_origins: Sequence[str] = (),
    others: Sequence[str] = (),
    metrics: AdminMetrics | None = None,
    store_metrics: StoreMetrics | None = None,
    tls: Certificates | None = None,
) -> None:
    """Blocks until SIGINT or SIGTERM, then ends open requests and returns.

    `others`: the surfaces beside the management API, by their names in admin/surfaces.py.  `tls`: in the clear without.
    Raises NoAdminToken (admin.access.principals) and CannotListen first.  The database must be migrated.
    """
    Principals(admin_token)
    if len(admin_token) < SHORT_TOKEN:
        log.warning("the admin token is short enough to be guessed; set TOLLKEEPER_ADMIN_TOKEN to 24 random bytes")
    listener = listen(host, port)
    who = {"admin_token": admin_token, "portal_secrets": portal_secrets, "configured": configured}
    make = partial(create_app, **who, cors_origins=cors_origins, others=others, metrics=metrics)  # type: ignore[arg-type]
    try:
        with _quiet_signals():
            asyncio.run(
                _serve(listener, (database_url, redis_url, ledger_url), make, store_metrics or StoreMetrics(), tls)
            )
    finally:
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """A bound listener; CannotListen."""
    host = host.removeprefix("[").removesuffix("]")  # as IPv6 addresses are written beside a port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise CannotListen(
            f"management API: cannot listen on {host}:{port}: {why};"
            " choose another address with --admin HOST:PORT or TOLLKEEPER_ADMIN_LISTEN"
        ) from error
    # Accepted connections inherit it.  asyncio sets it only on sockets made with an explicit protocol number.  Without
    # it each answer waits 40 ms: head and body are two segments, and clients delay the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(
    listener: socket.socket,
    urls: tuple[str, str, str | None],
    make: Callable[..., ASGIApp],
    shown: StoreMetrics,
    tls: Certificates | None,
) -> None:
    database_url, redis_url, ledger_url = urls
    redis = open_redis_async(redis_url, timeout=REDIS_SECONDS)
    clickhouse = Clickhouse(ledger_url) if ledger_url else None
    try:
        async with open_postgres(database_url, timeout=POSTGRES_SECONDS, size=CONNECTIONS) as pool:
            looks = asyncio.create_task(shown.of(probes(redis, pool, clickhouse)).run(), name="store watch")
            try:
                await uvicorn.Server(config(make(pool, redis, clickhouse=clickhouse), tls=tls)).serve(
                    sockets=[listener]
                )
            finally:
                looks.cancel()
                await asyncio.wait([looks])
    finally:
        await redis.aclose()
        if clickhouse is not None:
            await clickhouse.aclose()


def config(app: object, connection: type[Connection] = Connection, tls: Certificates | None = None) -> uvicorn.Config:
    """No access log and no logging set-up of uvicorn's own; no headers trusted, none that name the server.

    What uvicorn warns of is what clients send that is no HTTP; it is answered, and would let anybody fill a log.
    """
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=behind_tls(connection, tls) if tls else connection,  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="on",
    )


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn raises the signal that stopped it again when it is done: an orderly end must not look like a crash."""
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, _ignore) for each in handled}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
