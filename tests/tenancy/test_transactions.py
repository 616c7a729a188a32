"""What only the database can show: one transaction a change, its outbox rows, concurrent writers, deadlines."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from store.postgres import UNAVAILABLE, open_postgres
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.keys import NewKey, NoSuchKey
from tenancy.directory.tenants import NewTenant, NoSuchTenant, Tenant, TenantNameTaken
from tenancy.postgres.keys import PostgresKeys
from tenancy.postgres.tenants import PostgresTenants
from tenancy.values.secret import hash_secret
from tests.proxy import TcpProxy

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

BY = ChangeRequest("admin")


async def outbox(pool: "Pool") -> list[tuple[str, int]]:
    rows = await pool.fetch("SELECT key_hash, version FROM redis_outbox ORDER BY id")
    return [(row["key_hash"], row["version"]) for row in rows]


async def test_only_hash_and_prefix_of_a_secret_are_stored(pool: "Pool") -> None:
    tenant = await PostgresTenants(pool).create(NewTenant("acme"), BY)
    new = NewKey("prod", user_id="ann", user_email="ann@acme.test")
    await PostgresKeys(pool).create(tenant.id, new, BY)
    row = await pool.fetchrow("SELECT key_hash, key_prefix FROM api_keys")
    assert row is not None
    assert tuple(row) == (hash_secret(new.secret), new.secret[:18])
    for table in ("tenants", "users", "api_keys", "audit_log", "redis_outbox"):
        text = await pool.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")  # noqa: S608
        assert new.secret[18:] not in text, table
    assert hash_secret(new.secret) not in await pool.fetchval("SELECT string_agg(a::text, ' ') FROM audit_log a")


async def test_a_users_email_is_set_and_kept(pool: "Pool") -> None:
    tenant = await PostgresTenants(pool).create(NewTenant("acme"), BY)
    keys = PostgresKeys(pool)
    for email in ("ann@acme.test", None, "ann@new.test"):
        await keys.create(tenant.id, NewKey("k", user_id="ann", user_email=email), BY)
        assert await pool.fetchval("SELECT email FROM users") == (email or "ann@acme.test")


async def test_every_key_of_a_changed_tenant_is_announced(pool: "Pool") -> None:
    tenants, keys = PostgresTenants(pool), PostgresKeys(pool)
    tenant = await tenants.create(NewTenant("acme"), BY)
    assert await outbox(pool) == []
    new = [NewKey("a"), NewKey("b")]
    made = [await keys.create(tenant.id, each, BY) for each in new]
    first, second = (hash_secret(each.secret) for each in new)
    assert await outbox(pool) == [(first, 2), (second, 3)]
    await pool.execute("DELETE FROM redis_outbox")
    await tenants.update(tenant.id, {"weight": 5}, BY)
    assert sorted(await outbox(pool)) == sorted([(first, 4), (second, 4)])
    await keys.delete(made[0].id, BY)
    assert (await outbox(pool))[-1] == (first, 5)
    await pool.execute("DELETE FROM redis_outbox")
    await tenants.delete(tenant.id, BY)
    assert await outbox(pool) == [(second, 6)]


async def test_of_two_creations_with_one_name_one_succeeds(pool: "Pool") -> None:
    tenants = PostgresTenants(pool)
    both = await asyncio.gather(*(tenants.create(NewTenant("acme"), BY) for _ in range(2)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in both) == ["Tenant", "TenantNameTaken"]
    assert await pool.fetchval("SELECT count(*) FROM audit_log") == 1


async def test_concurrent_changes_of_different_fields_all_stay(pool: "Pool") -> None:
    tenants = PostgresTenants(pool)
    tenant = await tenants.create(NewTenant("acme"), BY)
    await asyncio.gather(
        tenants.update(tenant.id, {"weight": 7}, BY),
        tenants.update(tenant.id, {"tokens_per_minute": 8}, BY),
        tenants.update(tenant.id, {"max_in_flight": 9}, BY),
        tenants.update(tenant.id, {"name": "acme-2"}, BY),
    )
    found = await tenants.get(tenant.id)
    assert found is not None
    assert (found.weight, found.tokens_per_minute, found.max_in_flight, found.name) == (7, 8, 9, "acme-2")
    assert found.version == tenant.version + 4


async def test_a_key_made_while_its_tenant_is_deleted_does_not_outlive_it(pool: "Pool") -> None:
    tenants, keys = PostgresTenants(pool), PostgresKeys(pool)
    for number in range(10):
        tenant = await tenants.create(NewTenant(f"t{number}"), BY)
        new = [NewKey("k") for _ in range(3)]
        creations = (keys.create(tenant.id, each, BY) for each in new)
        results = await asyncio.gather(*creations, tenants.delete(tenant.id, BY), return_exceptions=True)
        announced = [target for target, _ in await outbox(pool)]
        for each, result in zip(new, results[:3], strict=True):
            # Either it was never made, or the deletion that followed has announced it once more.
            made = not isinstance(result, NoSuchTenant)
            assert announced.count(hash_secret(each.secret)) == (2 if made else 0), result
    assert await pool.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_a_key_deleted_twice_at_once_is_deleted_once(pool: "Pool") -> None:
    tenant = await PostgresTenants(pool).create(NewTenant("acme"), BY)
    keys = PostgresKeys(pool)
    key = await keys.create(tenant.id, NewKey("k"), BY)
    results = await asyncio.gather(*(keys.delete(key.id, BY) for _ in range(2)), return_exceptions=True)
    assert {type(each) for each in results} == {dict, NoSuchKey}
    assert await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'delete_api_key'") == 1


async def test_a_refused_change_leaves_nothing(pool: "Pool") -> None:
    tenants = PostgresTenants(pool)
    tenant = await tenants.create(NewTenant("acme"), BY)
    await tenants.create(NewTenant("other"), BY)
    await PostgresKeys(pool).create(tenant.id, NewKey("k"), BY)
    before = await everything(pool)
    with pytest.raises(TenantNameTaken):
        await tenants.update(tenant.id, {"name": "other"}, BY)
    assert await everything(pool) == before


async def test_a_hanging_database_is_given_up_in_time_and_nothing_is_half_written(
    pool: "Pool", database_url: str
) -> None:
    port = int(database_url.rsplit(":", 1)[1].split("/")[0])
    tenant = await PostgresTenants(pool).create(NewTenant("acme"), BY)
    before = await everything(pool)
    proxy = TcpProxy(port)
    try:
        async with open_postgres(database_url.replace(f":{port}/", f":{proxy.port}/")) as through:
            tenants = PostgresTenants(through)
            assert isinstance(await tenants.get(tenant.id), Tenant)
            proxy.cut()
            with pytest.raises(UNAVAILABLE):
                await tenants.update(tenant.id, {"weight": 5}, BY)
            proxy.restore()
            assert isinstance(await tenants.get(tenant.id), Tenant)
            proxy.freeze()
            with pytest.raises(UNAVAILABLE):
                await asyncio.wait_for(tenants.update(tenant.id, {"weight": 5}, BY), 20)
            proxy.cut()
            await asyncio.sleep(0.1)
            through.terminate()
    finally:
        proxy.close()
    assert await everything(pool) == before


async def everything(pool: "Pool") -> list[str]:
    tables = ("tenants", "users", "api_keys", "audit_log", "redis_outbox")
    return [
        await pool.fetchval(f"SELECT coalesce(string_agg(t::text, '|' ORDER BY t::text), '') FROM {name} t")  # noqa: S608
        for name in tables
    ]
