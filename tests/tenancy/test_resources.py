"""Users, groups, models, MCP servers, policies, capacity: the same answers from memory and from Postgres."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, StateChanged, tag_of
from tenancy.directory.groups import GroupInUse, GroupNameTaken, NewGroup, NoSuchGroup
from tenancy.directory.keys import NewKey
from tenancy.directory.mcp_servers import NewServer, NoSuchServer, ServerNameTaken, UnknownGrantee
from tenancy.directory.models import (
    ModelInUse,
    ModelNameTaken,
    NewModel,
    NoSuchModel,
    ResponseCache,
    UnknownTarget,
    upstream_of,
)
from tenancy.directory.named_policies import NoSuchPolicy, PolicyNameTaken
from tenancy.directory.tenants import NewTenant, NoSuchTenant, UnknownPolicy
from tenancy.directory.users import NewUser, NoSuchUser, UserHasKeys
from tenancy.values.mcp import Grant
from tenancy.values.upstream import Endpoint, Target, Upstream
from tests.tenancy.directories import KINDS, Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")
LIMIT = {"name": "tpm", "scope": "tenant", "unit": "tokens", "amount": 5, "window_seconds": 60}


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
    made = await directory.groups.create(NewGroup("research", 300), BY)
    with pytest.raises(GroupNameTaken, match="research"):
        await directory.groups.create(NewGroup("research", 1), BY)
    assert await directory.groups.update("research", 300, BY) == made
    assert (await directory.groups.update("research", 5, BY)).weight == 5
    with pytest.raises(NoSuchGroup, match="nowhere"):
        await directory.groups.update("nowhere", 5, BY)
    assert [group.name for group in await directory.groups.page(10)] == ["default", "research"]
    assert [group.name for group in await directory.groups.page(10, "default")] == ["research"]
    assert await directory.actions() == ["create_group", "update_group"]


async def test_a_group_is_deleted_unless_it_is_the_default_one(directory: Directory) -> None:
    await directory.groups.create(NewGroup("research", 300), BY)
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


async def test_a_model_keeps_where_its_requests_go(directory: Directory) -> None:
    endpoints = (Endpoint("http://a:1", weight=3), Endpoint("https://b/x", priority=1, credential="file:b"))
    new = NewModel("m", endpoints=endpoints, credential="env:A", credential_header="x-api-key", timeout_seconds=30)
    made = await directory.registry.create(replace(new, retries=0, health_path="/health", ca_file="/ca.pem"), BY)
    assert await directory.registry.get(made.id) == made
    upstream = Upstream("", endpoints, "env:A", "x-api-key", 30, 0, "/health", "/ca.pem")
    assert upstream_of(made) == upstream
    assert upstream_of(NewModel("m", endpoint="http://c")) == Upstream(endpoints=(Endpoint("http://c"),))
    entry = (await directory.log.newest(1))[0]
    assert entry.after is not None
    assert entry.after["endpoints"][0] == {"url": "http://a:1", "weight": 3, "priority": 0, "credential": None}


async def test_an_alias_stands_for_models_that_stay_while_it_does(directory: Directory) -> None:
    registry = directory.registry
    big = await registry.create(NewModel("big"), BY)
    for targets in ((Target("nobody"),), (Target("big"), Target("fast"))):
        with pytest.raises(UnknownTarget):
            await registry.create(NewModel("fast", targets=targets), BY)
    alias = await registry.create(NewModel("fast", targets=(Target("big", 90),)), BY)
    assert (await registry.get(alias.id)) == alias
    with pytest.raises(UnknownTarget, match="fast"):  # no aliases of aliases
        await registry.create(NewModel("faster", targets=(Target("fast"),)), BY)
    for change in (NewModel("large"), NewModel("big", targets=(Target("fast"),))):
        with pytest.raises(ModelInUse, match="fast"):
            await registry.update(big.id, change, BY)
    with pytest.raises(ModelInUse, match="fast"):
        await registry.delete(big.id, BY)
    assert (await registry.update(big.id, NewModel("big", False), BY)).enabled is False
    await registry.update(alias.id, NewModel("fast"), BY)
    await registry.delete(big.id, BY)


async def test_mcp_servers(directory: Directory) -> None:
    made = await directory.servers.create(NewServer("tools", "https://tools.test/mcp", headers={"x-team": "ml"}), BY)
    with pytest.raises(ServerNameTaken):
        await directory.servers.create(NewServer("tools", "https://other.test"), BY)
    changed = await directory.servers.update(made.id, NewServer("tools", "https://b.test", enabled=False), BY)
    assert (changed.url, changed.headers, changed.enabled) == ("https://b.test", {}, False)
    assert await directory.servers.page(10) == (changed,)
    granted = NewServer(
        "tools",
        "https://b.test",
        endpoints=(Endpoint("https://c.test", credential="env:A"),),
        grants=(Grant(), Grant(tools=("add",))),
        max_in_flight=3,
        tools_in_flight={"add": 1},
    )
    assert (await directory.servers.update(made.id, granted, BY)).grants == granted.grants
    assert (await directory.servers.get(made.id) or made).endpoints == granted.endpoints
    for grant in (Grant("nobody"), Grant(key="nobody")):
        with pytest.raises(UnknownGrantee):
            await directory.servers.update(made.id, replace(granted, grants=(grant,)), BY)
    assert await directory.servers.delete(made.id, BY) == {"mcp_servers": 1}
    with pytest.raises(NoSuchServer):
        await directory.servers.update(made.id, NewServer("x", "https://b.test"), BY)
    assert await directory.actions() == ["create_mcp_server", *["update_mcp_server"] * 2, "delete_mcp_server"]


async def test_policies(directory: Directory) -> None:
    made = await directory.policies.create("gold", "", (LIMIT,), BY)
    with pytest.raises(PolicyNameTaken):
        await directory.policies.create("gold", "", (), BY)
    assert await directory.policies.update("gold", "", (LIMIT,), BY) == made
    changed = await directory.policies.update("gold", "for those who pay", (), BY)
    assert await directory.policies.page(10) == (changed,)
    await directory.policies.delete("gold", BY)
    with pytest.raises(NoSuchPolicy):
        await directory.policies.delete("gold", BY)
    with pytest.raises(UnknownPolicy):
        await directory.tenants.create(NewTenant("acme", policy="gold"), BY)


async def test_the_capacity(directory: Directory) -> None:
    first = await directory.capacities.get()
    assert (first.max_in_flight, first.max_in_flight_total, first.version) == (None, None, 1)
    changed = await directory.capacities.update({"max_in_flight": 5}, BY)
    assert (changed.max_in_flight, changed.max_in_flight_total, changed.version) == (5, None, 2)
    assert await directory.capacities.update({"max_in_flight": 5}, BY) == changed
    for version, change in enumerate(({"max_in_flight_total": 9}, {"max_in_flight": None}), 3):
        assert (await directory.capacities.update(change, BY)).version == version  # type: ignore[arg-type]
    with pytest.raises(StateChanged):
        await directory.capacities.update({"max_in_flight": 1}, replace(BY, if_match=frozenset({tag_of(changed)})))
    last = await directory.capacities.get()
    assert (last.max_in_flight, last.max_in_flight_total) == (None, 9)
    assert await directory.actions() == ["update_capacity"] * 3
    newest = (await directory.log.newest(1))[0]
    assert (newest.target_type, newest.target_id, newest.after) == ("capacity", "all", snapshot(last))
