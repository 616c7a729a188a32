"""Real servers for every test: one Valkey and one Postgres a session, a clean state a test."""

import asyncio
import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import hypothesis
import pytest
import redis
import structlog
import typer.testing
from typer.main import get_command

from store.migrate import migrate
from tests.clickhouse.server import GIVEN, ClickhouseServer, Databases
from tollkeeper.migrations import run_migrations
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

# What tests log is read by nobody most of the time; rich would draw each traceback with all of its locals.
structlog.configure(
    [
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
LOGGING = structlog.get_config()
pytest_plugins = ["tests.distribution"]
# Its runner would make every command anew for each call, which takes longer than most of them run.
typer.testing._get_command = functools.cache(get_command)  # type: ignore[attr-defined] # private to it

T = TypeVar("T")
TEMPLATE = "migrated"
# Nothing of a test outlives the machine.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Seconds, of a database that is there: the second that the product gives it passes on a busy machine.
PATIENT = 30.0
# So that tests can say of their tenants that they are all; tests/tenancy/test_default_team.py has what is taken out.
WITHOUT_DEFAULT_TEAM = "DELETE FROM tenants; DELETE FROM policies"
IN_MEMORY = Path("/dev/shm")
ROOM = 2 * 2**30
# How long an example takes says only how busy the machine is; and in a new clone the first text takes seconds, in which
# hypothesis reads all of Unicode.
hypothesis.settings.register_profile(
    "tests", max_examples=50, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A running Valkey.  Tests that cut or kill it start their own instead."""
    server = Valkey(tmp_path_factory.mktemp("valkey"), None, "--appendonly", "no")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres.  Tests that cut or kill it start their own instead."""
    with public_directory() as directory:
        server = Postgres(directory, None, *QUICK)
        yield server
        if connection := _standing.pop(server.url, None):
            in_background(connection.close())
        server.stop()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A running ClickHouse.  Tests that cut or kill it start their own instead."""
    if given := os.environ.get(GIVEN):
        yield Databases(given)
        return
    server = ClickhouseServer(tmp_path_factory.mktemp("clickhouse"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that sets up logging does so for its process: where a test runs it in this one, those behind it would
    not hear what is logged."""
    yield
    if structlog.get_config()["processors"] is LOGGING["processors"]:
        return
    structlog.configure(**LOGGING)
    for module in [*sys.modules.values()]:
        log = vars(module).get("log")
        if type(log).__name__ == "BoundLoggerLazyProxy":
            vars(log).pop("bind", None)  # what it kept of its first use


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """URL of an empty Valkey database."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
async def database_url(postgres: Postgres) -> AsyncIterator[str]:
    """URL of a fresh, migrated database."""
    url = await create_database(postgres)
    yield url
    await drop_database(postgres, url)


@pytest.fixture
def database_url_sync(postgres: Postgres) -> Iterator[str]:
    """The same for tests without a loop."""
    url = asyncio.run(create_database(postgres))
    yield url
    asyncio.run(drop_database(postgres, url))


async def create_database(postgres: Postgres) -> str:
    """URL of a new one: a copy of a template, which costs half of migrating each."""
    create_database.count += 1  # type: ignore[attr-defined]
    name = f"test_{create_database.count}"  # type: ignore[attr-defined]
    administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template(postgres.url)} STRATEGY FILE_COPY")
    return postgres.url.rsplit("/", 1)[0] + f"/{name}"


create_database.count = 0  # type: ignore[attr-defined]


async def drop_database(postgres: Postgres, url: str) -> None:
    administer(postgres, f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")


@functools.cache
def template(url: str) -> str:
    """The name of a migrated database on the server that `url` names."""

    async def make() -> None:
        admin = await asyncpg.connect(url)
        await admin.execute(f"CREATE DATABASE {TEMPLATE}")
        await admin.close()
        connection = await asyncpg.connect(url, database=TEMPLATE)
        await migrate(connection)
        await connection.execute(WITHOUT_DEFAULT_TEAM)
        await connection.close()

    in_background(make())
    return TEMPLATE


def administer(postgres: Postgres, statement: str) -> None:
    """On a connection that stays: a new one costs its server more than most statements."""
    connection = _standing.get(postgres.url)
    if connection is None or connection.is_closed():
        connection = _standing[postgres.url] = in_background(asyncpg.connect(postgres.url))
    in_background(connection.execute(statement))


_standing: dict[str, "asyncpg.Connection[asyncpg.Record]"] = {}


def in_background(work: Awaitable[T]) -> T:
    """What it comes to, in a loop that outlives those of the tests."""

    async def done() -> T:
        return await work

    return asyncio.run_coroutine_threadsafe(done(), background()).result(PATIENT)


@functools.cache
def background() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="background", daemon=True).start()
    return loop


@functools.cache
def postgres_of_a_stack() -> Path:
    """State of an embedded Postgres with the schema of this version, made once: to be copied where a stack starts."""
    directory = Path(stops.enter_context(public_directory()))
    server = Postgres(directory, None, *QUICK)
    run_migrations(server.url)
    server.stop()
    (directory / "postgres.log").unlink()
    with (directory / "home/data/postgresql.conf").open("a") as settings:
        settings.writelines(f"{setting}\n" for setting in QUICK)
    return directory


stops = ExitStack()
atexit.register(stops.close)


def place_postgres(directory: Path) -> Path:
    """What `postgres_of_a_stack` has, in `directory`: without it each stack takes a second to make its own."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", postgres_of_a_stack(), directory], check=True)
    return directory


@contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that every user may enter: Postgres runs as nobody when we are root.

    Not below pytest's own, which are for their owner only, and made so again whenever another pytest starts.  In memory
    where there is room: a new database is some hundred files, which take a disk half a second.
    """
    in_memory = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM
    directory = Path(tempfile.mkdtemp(prefix="tollkeeper-test-", dir=IN_MEMORY if in_memory else None))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def public_path() -> Iterator[Path]:
    with public_directory() as directory:
        yield directory
