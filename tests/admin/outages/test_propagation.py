"""From Postgres to Redis to the sidecars: in this order, and however Redis fails, in the end."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from admin.metrics import AdminMetrics
from admin.postgres.propagation import PostgresPropagation
from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.values.secret import hash_secret
from tests.admin.conftest import Admin, Subscriber, run_admin, wait_until
from tests.proxy import TcpProxy
from tollkeeper.up.valkey import Valkey


def waiting(admin: Admin) -> int:
    """Outbox rows not applied yet."""
    (row,) = admin.query("SELECT count(*) AS n FROM redis_outbox")
    return int(row["n"])


def deleted(admin: Admin, secret: str) -> bool:
    record = admin.record(secret)
    return record is not None and record.get("deleted") is True


def test_redis_has_a_change_before_it_is_published(admin: Admin) -> None:
    tenant = admin.tenant()
    with admin.redis.monitor() as monitor:  # type: ignore[no-untyped-call]
        secret = admin.key(tenant["id"])["secret"]
        key_hash = hash_secret(secret)
        seen: list[str] = []
        while not seen or not seen[-1].startswith("PUBLISH"):
            command = monitor.next_command()["command"]
            if key_hash in command:
                seen.append(command)
    assert seen[-1] == f"PUBLISH tollkeeper:invalidate {key_hash}"
    assert any(command.startswith("EVAL") for command in seen[:-1])
    assert waiting(admin) == 0


def test_each_change_of_a_key_or_its_tenant_is_published(admin: Admin, subscriber: Subscriber) -> None:
    tenant = admin.tenant()
    assert subscriber.silent()
    created = admin.key(tenant["id"])
    key_hash = hash_secret(created["secret"])
    assert subscriber.message() == key_hash
    for method, path, body in (
        ("PATCH", f"/tenants/{tenant['id']}", {"weight": 5}),
        ("PUT", f"/tenants/{tenant['id']}/quota", {"tokens_per_minute": 9}),
        ("PUT", f"/keys/{created['key']['id']}/disabled", {"disabled": True}),
        ("DELETE", f"/keys/{created['key']['id']}", None),
    ):
        answer = admin.http.request(method, path, json=body)
        assert answer.headers["tollkeeper-propagation"] == "done"
        assert subscriber.message() == key_hash
    admin.post("/models", name="m")
    assert subscriber.message() == "models"
    assert subscriber.silent()


def test_a_change_reaches_every_key_of_a_large_tenant(admin: Admin) -> None:
    tenant = admin.tenant()
    statement = """
    INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix)
    SELECT 'k' || n, $1, 'k', encode(sha256(n::text::bytea), 'hex'), 'sk_' FROM generate_series(1, 1000) n
    """
    admin.query(statement, tenant["id"])
    admin.http.patch(f"/tenants/{tenant['id']}", json={"weight": 7})
    wait_until(lambda: waiting(admin) == 0)
    assert len(list(admin.redis.scan_iter("tollkeeper:key:*", count=1000))) == 1000
    assert admin.http.delete(f"/tenants/{tenant['id']}").status_code == 204
    wait_until(lambda: waiting(admin) == 0)
    names = list(admin.redis.scan_iter("tollkeeper:key:*", count=1000))
    assert len(names) == 1000
    assert all(b'"deleted":true' in cast(bytes, admin.redis.get(name)) for name in names)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey", None, "--appendonly", "no")
    yield server
    server.stop()


def test_a_killed_redis_delays_a_deletion_and_loses_nothing(
    database_url_sync: str, own_valkey: Valkey, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(run_admin(database_url_sync, own_valkey.url))
        tenant = admin.tenant()
        secret, other = (admin.key(tenant["id"])["secret"] for _ in range(2))
        own_valkey.process.kill()
        created = admin.post("/tenants", name="second")
        assert created.status_code == 201
        answer = admin.http.delete(f"/tenants/{tenant['id']}")
        assert (answer.status_code, answer.headers["tollkeeper-propagation"]) == (204, "pending")
        assert admin.query("SELECT id FROM api_keys") == []
        assert waiting(admin) == 2
        again = Valkey(tmp_path / "again", own_valkey.port, "--appendonly", "no")
        stack.callback(again.stop)
        wait_until(lambda: deleted(admin, secret) and deleted(admin, other))
        wait_until(lambda: waiting(admin) == 0)


def test_a_hanging_redis_makes_a_change_pending_within_two_seconds(
    database_url_sync: str, valkey: Valkey, redis_url: str
) -> None:
    proxy = TcpProxy(valkey.port)
    try:
        with run_admin(database_url_sync, redis_url, redis=f"redis://127.0.0.1:{proxy.port}/0") as admin:
            tenant = admin.tenant()
            created = admin.key(tenant["id"])
            with contextlib.closing(Subscriber(admin.redis)) as subscriber:
                proxy.freeze()
                started = time.monotonic()
                answer = admin.http.delete(f"/keys/{created['key']['id']}")
                assert time.monotonic() - started < 2.0
                assert (answer.status_code, answer.headers["tollkeeper-propagation"]) == (204, "pending")
                proxy.cut()
                proxy.restore()
                assert subscriber.message() == hash_secret(created["secret"])
                assert deleted(admin, created["secret"])
    finally:
        proxy.close()


def test_what_a_killed_process_left_over_is_applied_by_the_next(database_url_sync: str, redis_url: str) -> None:
    with run_admin(database_url_sync, redis_url) as admin:
        tenant = admin.tenant()
        secret = admin.key(tenant["id"])["secret"]
    # As a process leaves it that is killed between the commit and Redis.
    admin.query("DELETE FROM api_keys")
    admin.query("INSERT INTO redis_outbox (key_hash, version) VALUES ($1, 99)", hash_secret(secret))
    with run_admin(database_url_sync, redis_url) as admin:
        wait_until(lambda: deleted(admin, secret))


async def test_rows_that_another_process_is_applying_are_not_called_done(database_url: str, redis_url: str) -> None:
    client = open_redis_async(redis_url, timeout=1)
    async with open_postgres(database_url) as pool, pool.acquire() as other:
        await pool.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ('models', 1)")
        transaction = other.transaction()
        await transaction.start()
        await other.fetch("SELECT id FROM redis_outbox FOR UPDATE")
        propagation = PostgresPropagation(pool, client, AdminMetrics())
        assert await propagation.push() is False
        pushing = asyncio.create_task(propagation.push())
        await asyncio.sleep(0.1)
        assert not pushing.done()
        await transaction.rollback()  # it failed: now it is ours to do
        assert await pushing is True
        assert await client.get("tollkeeper:models")
    await client.aclose()
