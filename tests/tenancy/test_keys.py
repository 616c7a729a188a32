"""Keys: the same answers from memory and from Postgres."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.keys import KeyChange, NewKey, NoSuchKey, SecretTaken
from tenancy.directory.tenants import NewTenant, NoSuchTenant
from tenancy.values.secret import HashedSecret, hash_secret, mint_secret
from tests.tenancy.directories import KINDS, Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")
LATER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture(params=KINDS)
async def directory(request: pytest.FixtureRequest, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    directory = open_directory(request.param, pool)
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    return directory


async def test_a_new_key_shows_its_prefix_and_not_its_secret(directory: Directory) -> None:
    new = NewKey("prod", user_id="ann", models_allowed=("m",), tokens_per_minute=5, expires_at=LATER)
    key = await directory.keys.create("acme", new, BY)
    assert (key.key_prefix, key.disabled) == (new.secret[:18], False)
    assert (key.user_id, key.models_allowed, key.tokens_per_minute, key.expires_at) == ("ann", ("m",), 5, LATER)
    assert await directory.keys.get(key.id) == key
    for shown in (repr(key), repr(new), repr(await directory.log.newest(10))):
        assert new.secret[18:] not in shown


async def test_a_key_needs_its_tenant(directory: Directory) -> None:
    with pytest.raises(NoSuchTenant, match="nobody"):
        await directory.keys.create("nobody", NewKey("prod"), BY)
    assert await directory.keys.page(10) == ()


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"disabled": True}, "disable_api_key"),
        ({"name": "backup"}, "update_api_key"),
        ({"models_allowed": ("a", "b")}, "update_api_key"),
        ({"tokens_per_minute": 9, "requests_per_minute": None}, "update_api_key"),
        ({"expires_at": LATER}, "update_api_key"),
    ],
)
async def test_a_change_changes_what_it_names(directory: Directory, change: KeyChange, action: str) -> None:
    before = await directory.keys.create("acme", NewKey("prod", requests_per_minute=3), BY)
    after = await directory.keys.update(before.id, change, BY)
    for name in ("name", "disabled", "models_allowed", "tokens_per_minute", "requests_per_minute", "expires_at"):
        assert getattr(after, name) == change.get(name, getattr(before, name)), name
    assert await directory.keys.get(before.id) == after
    assert await directory.actions() == ["create_tenant", "create_api_key", action]


async def test_disabling_twice_is_disabling_once(directory: Directory) -> None:
    key = await directory.keys.create("acme", NewKey("prod"), BY)
    disabled = await directory.keys.update(key.id, {"disabled": True}, BY)
    assert await directory.keys.update(key.id, {"disabled": True}, BY) == disabled
    await directory.keys.update(key.id, {"disabled": False}, BY)
    assert (await directory.actions())[2:] == ["disable_api_key", "enable_api_key"]


async def test_each_change_of_a_key_counts_its_tenants_version_up(directory: Directory) -> None:
    async def version() -> int:
        tenant = await directory.tenants.get("acme")
        assert tenant is not None
        return tenant.version

    key = await directory.keys.create("acme", NewKey("prod"), BY)
    assert await version() == 2
    await directory.keys.update(key.id, {"disabled": True}, BY)
    assert await version() == 3
    await directory.keys.delete(key.id, BY)
    assert await version() == 4


async def test_a_deleted_key_is_gone(directory: Directory) -> None:
    key = await directory.keys.create("acme", NewKey("prod"), BY)
    await directory.keys.delete(key.id, BY)
    assert await directory.keys.get(key.id) is None
    for attempt in (directory.keys.delete(key.id, BY), directory.keys.update(key.id, {"disabled": True}, BY)):
        with pytest.raises(NoSuchKey, match=key.id):
            await attempt
    entry = (await directory.log.newest(1))[0]
    assert (entry.action, entry.target_type, entry.target_id) == ("delete_api_key", "api_key", key.id)


async def test_pages_of_one_tenant_and_of_all(directory: Directory) -> None:
    await directory.tenants.create(NewTenant("Other", id="other"), BY)
    ours = [await directory.keys.create("acme", NewKey("k"), BY) for _ in range(3)]
    theirs = await directory.keys.create("other", NewKey("k"), BY)
    assert list(await directory.keys.page(10)) == [*ours, theirs]
    first = await directory.keys.page(2, None, "acme")
    assert [*first, *await directory.keys.page(2, (first[-1].created_at, first[-1].id), "acme")] == ours


async def test_a_key_is_found_by_every_secret_that_opens_it(directory: Directory) -> None:
    tenant = await directory.tenants.create(NewTenant("acme"), BY)
    new = NewKey("k")
    key = await directory.keys.create(tenant.id, new, BY)
    assert await directory.keys.by_secret(new.secret) == key
    second, third = mint_secret(), mint_secret()
    await directory.keys.rotate(key.id, second, 60, BY)
    await directory.keys.rotate(key.id, third, 60, BY)
    for secret in (new.secret, second, third):
        found = await directory.keys.by_secret(secret)
        assert found is not None
        assert found.id == key.id
    await directory.keys.rotate(key.id, second, 0, BY)
    assert [await directory.keys.by_secret(secret) for secret in (new.secret, third, mint_secret(), "")] == [None] * 4


async def test_a_key_of_another_system_keeps_its_secret(directory: Directory) -> None:
    theirs = HashedSecret(hash_secret("sk-theirs"), "sk-...eirs")
    key = await directory.keys.create("acme", NewKey("moved", hashed=theirs, disabled=True), BY)
    assert (key.key_prefix, key.disabled) == ("sk-...eirs", True)


async def test_postgres_finds_such_a_key_by_its_secret_which_only_one_may_have(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    directory = open_directory("postgres", pool)
    await directory.tenants.create(NewTenant("Acme", id="acme"), BY)
    theirs = HashedSecret(hash_secret("sk-theirs"), "sk-...eirs")
    key = await directory.keys.create("acme", NewKey("moved", hashed=theirs), BY)
    assert await directory.keys.by_secret("sk-theirs") == key
    with pytest.raises(SecretTaken):
        await directory.keys.create("acme", NewKey("again", hashed=theirs), BY)
    assert await directory.keys.page(10) == (key,)
