"""Users, groups and models: the same answers from memory and from Postgres."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tenancy.directory.change_request import ChangeRequest, StateChanged
from tenancy.directory.groups import GroupInUse, GroupNameTaken, NoSuchGroup
from tenancy.directory.keys import NewKey
from tenancy.directory.models import ModelNameTaken, NewModel, NoSuchModel, ResponseCache
from tenancy.directory.tenants import NewTenant, NoSuchTenant
from tenancy.directory.users import NewUser, NoSuchUser, UserHasKeys
from tests.tenancy.directories import KINDS, Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")


@pytest.fixture(params=KINDS)
async def directory(request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    return open_directory(request.param, pool)


async def test_a_user_is_made_replaced_and_deleted(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    made = await directory.users.put("acme", NewUser("ann", "ann@acme.test", 5, 6), BY)
    assert (made.email, made.tokens_per_minute, made.requests_per_minute) == ("ann@acme.test", 5, 6)
    assert await directory.users.put("acme", NewUser("ann", "ann@acme.test", 5, 6), BY) == made
    replaced = await directory.users.put("acme", NewUser("ann"), BY)
    assert (replaced.email, replaced.tokens_per_minute, replaced.created_at) == ("", None, made.created_at)
    assert await directory.users.page("acme", 10) == (replaced,)
    await directory.users.delete("acme", "ann", BY)
    assert await directory.users.page("acme", 10) == ()
    assert await directory.actions() == ["create_tenant", "create_user", "update_user", "delete_user"]
    assert (await directory.log.newest(1))[0].target_id == "acme/ann"


async def test_a_user_who_is_gone_is_not_made_again_by_a_change(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    for seen in ("*", "0123"):
        with pytest.raises(StateChanged):
            await directory.users.put("acme", NewUser("ann"), replace(BY, if_match=frozenset({seen})))
    assert await directory.users.page("acme", 10) == ()


async def test_a_user_with_keys_stays(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    key = await directory.keys.create("acme", NewKey("k", user_id="ann", user_email="ann@acme.test"), BY)
    assert [(user.id, user.email) for user in await directory.users.page("acme", 10)] == [("ann", "ann@acme.test")]
    with pytest.raises(UserHasKeys, match="ann"):
        await directory.users.delete("acme", "ann", BY)
    await directory.keys.delete(key.id, BY)
    await directory.users.delete("acme", "ann", BY)


async def test_users_need_their_tenant(directory: Directory) -> None:
    with pytest.raises(NoSuchTenant):
        await directory.users.put("nobody", NewUser("ann"), BY)
    with pytest.raises(NoSuchTenant):
        await directory.users.delete("nobody", "ann", BY)
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    with pytest.raises(NoSuchUser, match="ann"):
        await directory.users.delete("acme", "ann", BY)
    assert await directory.users.page("nobody", 10) == ()


async def test_users_come_by_id(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    for name in ("b", "a", "B", "c"):
        await directory.users.put("acme", NewUser(name), BY)
    assert [user.id for user in await directory.users.page("acme", 2)] == ["B", "a"]
    assert [user.id for user in await directory.users.page("acme", 2, "a")] == ["b", "c"]


async def test_groups(directory: Directory) -> None:
    made = await directory.groups.create("research", 300, BY)
    with pytest.raises(GroupNameTaken, match="research"):
        await directory.groups.create("research", 1, BY)
    assert await directory.groups.set_weight("research", 300, BY) == made
    assert (await directory.groups.set_weight("research", 5, BY)).weight == 5
    with pytest.raises(NoSuchGroup, match="nowhere"):
        await directory.groups.set_weight("nowhere", 5, BY)
    assert [group.name for group in await directory.groups.page(10)] == ["default", "research"]
    assert [group.name for group in await directory.groups.page(10, "default")] == ["research"]
    assert await directory.actions() == ["create_group", "update_group"]


async def test_a_group_is_deleted_unless_it_is_the_default_one(directory: Directory) -> None:
    await directory.groups.create("research", 300, BY)
    assert (await directory.groups.delete("research", replace(BY, dry_run=True)))["groups"] == 1
    assert await directory.groups.get("research") is not None
    await directory.groups.delete("research", BY)
    assert await directory.groups.get("research") is None
    with pytest.raises(NoSuchGroup):
        await directory.groups.delete("research", BY)
    with pytest.raises(GroupInUse):
        await directory.groups.delete("default", BY)
    assert await directory.actions() == ["create_group", "delete_group"]


async def test_a_model_keeps_its_prices_exactly(directory: Directory) -> None:
    new = NewModel("m", input_price=Decimal("0.15"), cached_price=Decimal("0.00000001"), context_window=128_000)
    made = await directory.registry.create(new, BY)
    assert (made.input_price, made.output_price, made.cached_price) == (Decimal("0.15"), None, Decimal("0.00000001"))
    cached = await directory.registry.update(made.id, ResponseCache(True, 60), BY)
    assert (cached.cache, cached.input_price) == (ResponseCache(True, 60), made.input_price)
    assert (await directory.registry.update(made.id, NewModel("m"), BY)).cache == ResponseCache(True, 60)
    entry = (await directory.log.newest(1))[0]
    assert entry.before is not None
    assert Decimal(entry.before["input_price"]) == Decimal("0.15")


async def test_models(directory: Directory) -> None:
    made = await directory.registry.create(NewModel("meta/llama", True), BY)
    other = await directory.registry.create(NewModel("a-model", False), BY)
    with pytest.raises(ModelNameTaken, match="a-model"):
        await directory.registry.create(NewModel("a-model", True), BY)
    with pytest.raises(ModelNameTaken, match="a-model"):
        await directory.registry.update(made.id, NewModel("a-model", True), BY)
    assert await directory.registry.update(made.id, NewModel("meta/llama", True), BY) == made
    changed = await directory.registry.update(made.id, NewModel("llama", False), BY)
    assert (changed.id, changed.name, changed.enabled) == (made.id, "llama", False)
    assert await directory.registry.get(made.id) == changed
    assert await directory.registry.page(10) == (other, changed)
    assert await directory.registry.page(10, "a-model") == (changed,)
    await directory.registry.delete(made.id, BY)
    assert await directory.registry.get(made.id) is None
    with pytest.raises(NoSuchModel, match=made.id):
        await directory.registry.delete(made.id, BY)
    with pytest.raises(NoSuchModel, match=made.id):
        await directory.registry.update(made.id, NewModel("x", True), BY)
    assert await directory.actions() == ["create_model", "create_model", "update_model", "delete_model"]
