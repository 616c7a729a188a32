"""A real management API over real HTTP: uvicorn on a free port, in a thread of its own, on real Postgres and Valkey."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
import httpx
import pytest
import redis
import uvicorn

from admin.app import create_app
from admin.commands.ports import Configured
from admin.connections import Connection
from admin.server import CONNECTIONS, POSTGRES_SECONDS, REDIS_SECONDS, config, listen
from admin.surfaces import OTHERS
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.redis.names import INVALIDATE_CHANNEL, redis_key_record
from tenancy.values.secret import hash_secret
from tests.conftest import PATIENT, create_database, drop_database
from tests.web import NO_TLS
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.valkey import Valkey

TOKEN = "dev-admin-token"
PORTAL_SECRET = "of the tests, and of 32 characters"
WEBHOOK_SECRET = "of webhooks in tests, and of 32 characters"
CONFIGURED = Configured(webhook_secrets=(WEBHOOK_SECRET,))

# What the migrations put into a database stays; all else is taken out, past triggers and references.
KEEP = """
CREATE SCHEMA kept;
DO $$ DECLARE name text; filled boolean; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', name); END IF;
    END LOOP;
END $$
"""
EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM public.%I', name);
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' LOOP
        EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE TABLE kept.%1$I', name);
    END LOOP;
END $$
"""


@dataclass(frozen=True, slots=True)
class Admin:
    """A running API and the two stores behind it."""

    url: str
    http: httpx.Client
    database_url: str
    redis: "redis.Redis"
    execute: Callable[[str], object]
    """In Postgres, on the API's own connections: a new one costs ten times what most statements do."""

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def tenant(self, name: str = "my-team", **body: Any) -> dict[str, Any]:
        answer = self.post("/tenants", name=name, **body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def key(self, tenant_id: str, name: str = "prod", **body: Any) -> dict[str, Any]:
        answer = self.post(f"/tenants/{tenant_id}/keys", name=name, **body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def audit(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/audit").json()["audit"]
        return found

    def record(self, secret: str) -> dict[str, Any] | None:
        """What Redis holds for a secret."""
        text = cast(bytes | None, self.redis.get(redis_key_record(hash_secret(secret))))
        return None if text is None else json.loads(text)

    def query(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What Postgres holds."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return [dict(row) for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        return asyncio.run(fetch())


class Subscriber:
    """Hears what is published to sidecars."""

    def __init__(self, client: "redis.Redis") -> None:
        self._messages = client.pubsub()  # type: ignore[no-untyped-call]
        self._messages.subscribe(INVALIDATE_CHANNEL)
        assert self._next()["type"] == "subscribe"

    def message(self) -> str:
        """The next message."""
        text: str = self._next()["data"].decode()
        return text

    def silent(self) -> bool:
        """Nothing is published for a while."""
        return self._messages.get_message(timeout=0.3) is None

    def close(self) -> None:
        self._messages.close()

    def _next(self) -> dict[str, Any]:
        found: dict[str, Any] | None = self._messages.get_message(timeout=15)
        assert found is not None, "nothing was published"
        return found


@contextlib.contextmanager
def run_admin(
    database_url: str,
    redis_url: str,
    cors_origins: tuple[str, ...] = (),
    connection: type[Connection] = Connection,
    configured: Configured = CONFIGURED,
    others: Iterable[str] = tuple(OTHERS),
    **through: str,
) -> Iterator[Admin]:
    """`through` may name other URLs (`database`, `redis`) for the API than for the test: those of a proxy.
    Without them its stores are there, and may take their time."""
    listener = listen("127.0.0.1", 0)
    postgres_seconds, redis_seconds = (POSTGRES_SECONDS, REDIS_SECONDS) if through else (PATIENT, PATIENT)
    server: list[uvicorn.Server] = []
    execute: list[Callable[[str], object]] = []

    async def run() -> None:
        client = open_redis_async(through.get("redis", redis_url), timeout=redis_seconds)
        database = through.get("database", database_url)
        async with open_postgres(database, timeout=postgres_seconds, size=CONNECTIONS) as pool:
            terms = {"portal_secrets": [PORTAL_SECRET], "configured": configured, "others": others}
            app = create_app(pool, client, admin_token=TOKEN, cors_origins=cors_origins, **terms)  # type: ignore[arg-type]
            loop = asyncio.get_running_loop()
            execute.append(lambda text: asyncio.run_coroutine_threadsafe(pool.execute(text), loop).result(PATIENT))
            server.append(uvicorn.Server(config(app, connection)))
            await server[0].serve(sockets=[listener])
        await client.aclose()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="admin")
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    headers = {"authorization": f"Bearer {TOKEN}"}
    with (
        pytest.MonkeyPatch.context() as patience,
        httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30, verify=NO_TLS) as http,
        redis.Redis.from_url(redis_url) as client,
    ):
        if not through:
            patience.setattr("store.postgres.ACQUIRE_SECONDS", PATIENT)
        wait_until(lambda: answers(http))
        try:
            yield Admin(url, http, database_url, client, execute[0])
        finally:  # also if the test fails: its process could not end otherwise
            server[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    listener.close()


def answers(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return http.get("/health").status_code == 200
    return False


def wait_until(true: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def running_admin(postgres: Postgres, valkey: Valkey) -> Iterator[Admin]:
    url = asyncio.run(create_database(postgres))
    with run_admin(url, valkey.url) as running:
        running.execute(KEEP)
        yield running
    asyncio.run(drop_database(postgres, url))


@pytest.fixture
def admin(running_admin: Admin) -> Admin:
    """One API for all tests of a module; each finds its stores as a new API does."""
    running_admin.execute(EMPTY)
    running_admin.redis.flushall()
    return running_admin


@pytest.fixture
def new_admin(database_url_sync: str, redis_url: str) -> Iterator[Admin]:
    """One for each test: of what an API remembers, or of stores that break."""
    with run_admin(database_url_sync, redis_url) as running:
        yield running


@pytest.fixture
def subscriber(admin: Admin) -> Iterator[Subscriber]:
    with contextlib.closing(Subscriber(admin.redis)) as listening:
        yield listening
