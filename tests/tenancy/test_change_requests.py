"""Changes on terms, the same from memory and from Postgres: seen states, dry runs; and in Postgres repetitions."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenancy.directory.audit import AuditFilter
from tenancy.directory.change_request import ChangeRequest, StateChanged, tag_of
from tenancy.directory.idempotency import AlreadyAsked, Idempotency
from tenancy.directory.keys import NewKey
from tenancy.directory.named_policies import PolicyInUse
from tenancy.directory.tenants import NewTenant
from tenancy.postgres.idempotency import PostgresRepeats
from tenancy.postgres.policies import PostgresPolicies
from tenancy.postgres.tenants import PostgresTenants
from tenancy.values.secret import hash_secret, mint_secret
from tests.tenancy.directories import KINDS, Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")
REHEARSAL = ChangeRequest("admin", dry_run=True)


@pytest.fixture(params=KINDS)
async def directory(request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    return open_directory(request.param, pool)


async def test_of_two_who_saw_the_same_state_the_first_one_changes_it(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    seen = replace(BY, if_match=frozenset({tag_of(tenant)}))
    changed = await directory.tenants.update(tenant.id, {"weight": 7}, seen)
    with pytest.raises(StateChanged):
        await directory.tenants.update(tenant.id, {"weight": 8}, seen)
    with pytest.raises(StateChanged):
        await directory.tenants.delete(tenant.id, seen)
    assert await directory.tenants.get(tenant.id) == changed
    await directory.tenants.update(tenant.id, {"weight": 9}, replace(BY, if_match=frozenset({"*"})))
    assert len(await directory.actions()) == 3


async def test_a_new_key_does_not_change_the_state_of_its_tenant(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    await directory.keys.create(tenant.id, NewKey("k"), BY)
    found = await directory.tenants.get(tenant.id)
    assert found is not None
    assert tag_of(found) == tag_of(tenant)


async def test_a_dry_run_says_what_would_go_and_keeps_it(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    key = await directory.keys.create(tenant.id, NewKey("k", user_id="ann"), BY)
    deleted = await directory.tenants.delete(tenant.id, REHEARSAL)
    assert (deleted["tenants"], deleted["users"], deleted["api_keys"]) == (1, 1, 1)
    user = await directory.users.delete(tenant.id, "ann", REHEARSAL, cascade=True)
    assert user == {"users": 1, "api_keys": 1, "limits": 0}
    assert await directory.keys.delete(key.id, REHEARSAL) == {"api_keys": 1, "limits": 0}
    assert await directory.keys.get(key.id) == key
    assert await directory.actions() == ["create_tenant", "create_api_key"]
    await directory.users.delete(tenant.id, "ann", BY, cascade=True)
    assert await directory.keys.get(key.id) is None
    assert (await directory.log.newest(1))[0].before["api_keys"] == [key.id]  # type: ignore[index]


async def test_a_rotated_key_keeps_its_identity(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    new = NewKey("k", tokens_per_minute=5)
    key = await directory.keys.create(tenant.id, new, BY)
    secret = mint_secret()
    rotated = await directory.keys.rotate(key.id, secret, 60, BY)
    assert (rotated.id, rotated.name, rotated.key_prefix) == (key.id, "k", secret[:18])
    assert rotated.overlap_until is not None
    for prefix in (new.secret[:18], secret[:18], secret[:9]):
        assert await directory.keys.page(10, prefix=prefix) == (rotated,)
    assert await directory.keys.page(10, prefix="sk_nothing") == ()
    ended = await directory.keys.rotate(key.id, mint_secret(), 0, BY)
    assert ended.overlap_until is None
    assert (await directory.actions())[2:] == ["rotate_api_key", "rotate_api_key"]


LIMIT = {"name": "tpm", "scope": "tenant", "unit": "tokens", "amount": 5, "window_seconds": 60}


async def test_the_audit_log_is_filtered(directory: Directory) -> None:
    first = await directory.tenants.create(NewTenant("a"), BY)
    second = await directory.tenants.create(NewTenant("b"), ChangeRequest("ann"))
    await directory.tenants.update(first.id, {"weight": 3}, ChangeRequest("ann"))
    newest = (await directory.log.newest(1))[0]
    for only, found in (
        (AuditFilter(actor="ann"), [first.id, second.id]),
        (AuditFilter(actor="ann", action="create_tenant"), [second.id]),
        (AuditFilter(target_type="tenant", target_id=first.id), [first.id, first.id]),
        (AuditFilter(since=newest.ts), [first.id]),
        (AuditFilter(until=newest.ts, actor="ann"), [second.id]),
        (AuditFilter(actor="nobody"), []),
    ):
        assert [entry.target_id for entry in await directory.log.newest(10, only=only)] == found, only


async def test_a_change_of_a_policy_announces_every_secret_of_its_tenants(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    directory = open_directory("postgres", pool)
    policies = PostgresPolicies(pool)
    await policies.create("gold", "", (), BY)
    tenant = await directory.tenants.create(NewTenant("acme", policy="gold"), BY)
    new, secret = NewKey("k"), mint_secret()
    key = await directory.keys.create(tenant.id, new, BY)
    await directory.keys.rotate(key.id, secret, 60, BY)
    await pool.execute("DELETE FROM redis_outbox")
    await policies.update("gold", "", (LIMIT,), BY)
    announced = {row["key_hash"] for row in await pool.fetch("SELECT key_hash FROM redis_outbox")}
    assert announced == {hash_secret(new.secret), hash_secret(secret)}
    with pytest.raises(PolicyInUse):
        await policies.delete("gold", BY)


async def test_a_create_asked_for_twice_at_once_is_done_once(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    tenants, repeats = PostgresTenants(pool), PostgresRepeats(pool)
    by = replace(BY, idempotency=Idempotency("once", "digest"))
    results = await asyncio.gather(*(tenants.create(NewTenant("acme"), by) for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["AlreadyAsked", "AlreadyAsked", "Tenant"]
    found = await repeats.find("admin", "once")
    assert found is not None
    assert (found.fingerprint, found.target_type, found.response["name"]) == ("digest", "tenant", "acme")
    assert await repeats.find("ann", "once") is None
    with pytest.raises(AlreadyAsked):
        await tenants.create(NewTenant("other"), by)
    await pool.execute("UPDATE idempotency_keys SET ts = now() - interval '25 hours'")
    assert (await tenants.create(NewTenant("other"), by)).name == "other"
