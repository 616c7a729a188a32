"""Tenants: the same answers from memory and from Postgres."""

from typing import TYPE_CHECKING

import pytest

from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.keys import NewKey
from tenancy.directory.organizations import Plan, PlanIsFull, UnknownOrganization
from tenancy.directory.tenants import (
    NewTenant,
    NoSuchTenant,
    TenantChange,
    TenantIdTaken,
    TenantNameTaken,
    UnknownGroup,
)
from tests.tenancy.directories import KINDS, Directory, open_directory
from tests.tenancy.memory.tenants import MemoryTenants

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin", "10.0.0.1", "req-1")


@pytest.fixture(params=KINDS)
async def directory(request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    await pool.execute("INSERT INTO fairshare_groups (name) VALUES ('research')")
    return open_directory(request.param, pool)


async def test_a_new_tenant_has_defaults_and_is_found(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    assert (tenant.fairshare_group, tenant.weight, tenant.tokens_per_minute) == ("default", 100, None)
    assert tenant.created_at == tenant.updated_at
    assert await directory.tenants.get(tenant.id) == tenant
    assert await directory.tenants.get("nobody") is None


async def test_names_are_unique(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("acme"), BY)
    other = await directory.tenants.create(NewTenant("other"), BY)
    with pytest.raises(TenantNameTaken, match="acme"):
        await directory.tenants.create(NewTenant("acme"), BY)
    with pytest.raises(TenantNameTaken, match="acme"):
        await directory.tenants.update(other.id, {"name": "acme"}, BY)
    assert await directory.actions() == ["create_tenant", "create_tenant"]


async def test_names_are_unique_within_an_organization(
    directory: Directory, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    for name in ("acme", "other"):
        await pool.execute("INSERT INTO organizations (id, name, plan) VALUES ($1, $1, 'free')", name)
        if isinstance(directory.tenants, MemoryTenants):
            directory.tenants.plans[name] = Plan.FREE
    made = [await directory.tenants.create(NewTenant("x", organization=each), BY) for each in ("acme", "other", None)]
    assert [tenant.organization for tenant in made] == ["acme", "other", None]
    for organization in ("acme", "other", None):
        with pytest.raises(TenantNameTaken):
            await directory.tenants.create(NewTenant("x", organization=organization), BY)
    assert await directory.tenants.page(10, organization="other") == (made[1],)
    with pytest.raises(UnknownOrganization):
        await directory.tenants.create(NewTenant("y", organization="nobody"), BY)
    for name in ("y", "z"):
        await directory.tenants.create(NewTenant(name, organization="acme"), BY)
    with pytest.raises(PlanIsFull, match="the plan free includes 3 tenants, and there are 3"):
        await directory.tenants.create(NewTenant("full", organization="acme"), BY)


async def test_a_tenant_follows_the_default_rate_until_it_has_another(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("x", requests_per_minute=5, follows_default_rate=True), BY)
    renamed = await directory.tenants.update(tenant.id, {"name": "y", "requests_per_minute": 5}, BY)
    assert renamed.follows_default_rate
    both: TenantChange = {"requests_per_minute": 6, "follows_default_rate": True}
    followed = await directory.tenants.update(tenant.id, both, BY)
    assert (followed.requests_per_minute, followed.follows_default_rate) == (6, True)
    own = await directory.tenants.update(tenant.id, {"requests_per_minute": 7}, BY)
    assert (own.requests_per_minute, own.follows_default_rate) == (7, False)


async def test_the_group_must_exist(directory: Directory) -> None:
    with pytest.raises(UnknownGroup, match="nowhere"):
        await directory.tenants.create(NewTenant("acme", fairshare_group="nowhere"), BY)
    tenant = await directory.tenants.create(NewTenant("acme", fairshare_group="research"), BY)
    with pytest.raises(UnknownGroup, match="nowhere"):
        await directory.tenants.update(tenant.id, {"fairshare_group": "nowhere"}, BY)
    assert await directory.tenants.get(tenant.id) == tenant


@pytest.mark.parametrize(
    "change",
    [
        {"name": "acme-2"},
        {"weight": 500},
        {"fairshare_group": "research"},
        {"tokens_per_minute": None, "requests_per_minute": 7},
        {"max_in_flight": 3},
    ],
)
async def test_a_change_changes_what_it_names(directory: Directory, change: TenantChange) -> None:
    before = await directory.tenants.create(NewTenant("acme", tokens_per_minute=1000), BY)
    after = await directory.tenants.update(before.id, change, BY)
    for name in ("name", "weight", "fairshare_group", "tokens_per_minute", "requests_per_minute", "max_in_flight"):
        assert getattr(after, name) == change.get(name, getattr(before, name)), name
    assert after.version == before.version + 1
    assert after.updated_at > before.updated_at
    assert await directory.tenants.get(before.id) == after


async def test_a_change_that_changes_nothing_leaves_no_trace(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme", weight=200), BY)
    assert await directory.tenants.update(tenant.id, {"weight": 200}, BY) == tenant
    assert await directory.tenants.update(tenant.id, {}, BY) == tenant
    assert await directory.actions() == ["create_tenant"]


async def test_an_unknown_tenant_can_be_neither_changed_nor_deleted(directory: Directory) -> None:
    with pytest.raises(NoSuchTenant, match="nobody"):
        await directory.tenants.update("nobody", {"weight": 1}, BY)
    with pytest.raises(NoSuchTenant, match="nobody"):
        await directory.tenants.delete("nobody", BY)
    assert await directory.actions() == []


async def test_deleting_a_tenant_takes_its_keys_along_and_nobody_elses(directory: Directory) -> None:
    acme = await directory.tenants.create(NewTenant("acme"), BY)
    other = await directory.tenants.create(NewTenant("other"), BY)
    keys = [await directory.keys.create(acme.id, NewKey("prod", user_id=user), BY) for user in (None, "ann")]
    kept = await directory.keys.create(other.id, NewKey("prod", user_id="ann"), BY)
    await directory.tenants.delete(acme.id, BY)
    assert await directory.tenants.page(10) == (await directory.tenants.get(other.id),)
    assert await directory.keys.page(10) == (kept,)
    entry = (await directory.log.newest(1))[0]
    assert (entry.action, entry.target_type, entry.target_id, entry.after) == (
        "delete_tenant",
        "tenant",
        acme.id,
        None,
    )
    assert entry.before is not None
    assert entry.before["api_keys"] == sorted(key.id for key in keys)


async def test_pages_come_oldest_first_and_miss_none(directory: Directory) -> None:
    made = [await directory.tenants.create(NewTenant(f"t{number}"), BY) for number in range(5)]
    first = await directory.tenants.page(2)
    second = await directory.tenants.page(2, (first[-1].created_at, first[-1].id))
    third = await directory.tenants.page(2, (second[-1].created_at, second[-1].id))
    assert [*first, *second, *third] == made


async def test_tenants_are_found_by_a_part_of_their_name(directory: Directory) -> None:
    made = [await directory.tenants.create(NewTenant(name), BY) for name in ("Acme", "the acme%", "other")]
    assert await directory.tenants.page(10, part="ACME") == tuple(made[:2])
    assert await directory.tenants.page(10, (made[0].created_at, made[0].id), part="acme") == (made[1],)
    assert await directory.tenants.page(10, part="e%") == (made[1],)
    called = await directory.tenants.create(NewTenant("t-1", display_name="Support"), BY)
    assert await directory.tenants.page(10, part="suPP") == (called,)
    assert await directory.tenants.page(10, name="other", part="acme") == ()


async def test_every_change_is_in_the_audit_log(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    await directory.tenants.update(tenant.id, {"weight": 7}, BY)
    await directory.tenants.delete(tenant.id, BY)
    deleted, updated, created = await directory.log.newest(10)
    assert (created.action, updated.action, deleted.action) == ("create_tenant", "update_tenant", "delete_tenant")
    assert created.before is None
    assert created.after is not None
    assert created.after["name"] == "acme"
    assert updated.before is not None
    assert updated.after is not None
    assert (updated.before["weight"], updated.after["weight"]) == (100, 7)
    for entry in (created, updated, deleted):
        assert (entry.actor, entry.source, entry.request_id) == ("admin", "10.0.0.1", "req-1")
    assert await directory.log.newest(10, deleted.id) == (updated, created)


async def test_ids_are_unique_and_what_people_call_a_tenant_is_not(directory: Directory) -> None:
    first = await directory.tenants.create(NewTenant("acme", display_name="Acme", description="the first", id="a"), BY)
    assert (first.display_name, first.description) == ("Acme", "the first")
    with pytest.raises(TenantIdTaken, match=r"^a$"):
        await directory.tenants.create(NewTenant("other", id="a"), BY)
    second = await directory.tenants.create(NewTenant("other", display_name="Acme", id="b"), BY)
    changed = await directory.tenants.update(second.id, {"display_name": "", "description": "the second"}, BY)
    assert (changed.name, changed.display_name, changed.description) == ("other", "", "the second")
