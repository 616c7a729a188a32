"""Changes that touch each other's rows are made one after the other: policies, then groups, then tenants by id."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from store.postgres import open_postgres
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.groups import NewGroup
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.teams import TokenLimitChange
from tenancy.directory.tenants import NewTenant
from tenancy.postgres.limits import PostgresLimits
from tenancy.postgres.people.teams import PostgresTeams
from tenancy.values.limit import Scope, Unit
from tests.conftest import PATIENT
from tests.tenancy.directories import Directory, open_directory

if TYPE_CHECKING:
    import asyncpg

BY = ChangeRequest("admin")
ROUNDS = 15


@pytest.fixture
async def wide(database_url: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    async with open_postgres(database_url, size=12, timeout=PATIENT) as pool:
        yield pool


def policy_limits(amount: int) -> tuple[dict[str, Any], ...]:
    return ({"name": "tpm", "scope": "tenant", "unit": "tokens", "amount": amount, "window_seconds": 60},)


def to_policy(directory: Directory, name: str, amount: int) -> Coroutine[Any, Any, object]:
    return directory.policies.update(name, "", policy_limits(amount), BY)


async def test_tenants_change_places_while_both_policies_change(wide: "asyncpg.Pool[asyncpg.Record]") -> None:
    directory = open_directory("postgres", wide)
    for name in ("gold", "iron"):
        await directory.policies.create(name, "", (), BY)
    tenants = [await directory.tenants.create(NewTenant(f"t{n}", policy="gold"), BY) for n in range(4)]
    for turn in range(1, ROUNDS + 1):
        moves = [
            directory.tenants.update(tenant.id, {"policy": ("gold", "iron")[(turn + n) % 2]}, BY)
            for n, tenant in enumerate(tenants)
        ]
        changes = [to_policy(directory, name, 10 * turn + again) for again in range(2) for name in ("gold", "iron")]
        await asyncio.gather(*moves[:2], *changes, *moves[2:])
    versions = [tenant.version for tenant in await directory.tenants.page(10)]
    assert min(versions) > ROUNDS


async def test_a_policy_and_a_group_change_over_the_same_tenants(wide: "asyncpg.Pool[asyncpg.Record]") -> None:
    directory, limits = open_directory("postgres", wide), PostgresLimits(wide)
    await directory.policies.create("gold", "", (), BY)
    tenants = [await directory.tenants.create(NewTenant(f"t{n}", policy="gold"), BY) for n in range(30)]
    of_group = await limits.create(NewLimit(Scope.GROUP, Unit.TOKENS, 5, 60, fairshare_group="default"), BY)
    for turn in range(1, ROUNDS + 1):
        for tenant in reversed(tenants[turn::3]):  # their rows lie in another order than their ids
            await directory.tenants.update(tenant.id, {"weight": turn + 1}, BY)
        await asyncio.gather(
            to_policy(directory, "gold", turn),
            limits.update(of_group.id, {"amount": 10 + turn}, BY),
            directory.tenants.update(tenants[0].id, {"fairshare_group": "default", "weight": 500 + turn}, BY),
        )


async def test_tenants_change_groups_while_limits_of_both_change(wide: "asyncpg.Pool[asyncpg.Record]") -> None:
    directory, limits = open_directory("postgres", wide), PostgresLimits(wide)
    names = ("default", "research")
    await directory.groups.create(NewGroup("research", 1), BY)
    tenants = [await directory.tenants.create(NewTenant(f"t{n}"), BY) for n in range(4)]
    made = [await limits.create(NewLimit(Scope.GROUP, Unit.TOKENS, 5, 60, fairshare_group=name), BY) for name in names]
    for turn in range(1, ROUNDS + 1):
        moves = [
            directory.tenants.update(tenant.id, {"fairshare_group": names[(turn + n) % 2]}, BY)
            for n, tenant in enumerate(tenants)
        ]
        changes = [limits.update(each.id, {"amount": 10 * turn + n}, BY) for n in range(2) for each in made]
        await asyncio.gather(*moves[:2], *changes, *moves[2:])


async def test_teams_take_up_policies_that_are_made_and_changed_meanwhile(wide: "asyncpg.Pool[asyncpg.Record]") -> None:
    directory, teams = open_directory("postgres", wide), PostgresTeams(wide)
    limit: TokenLimitChange = {"amount": 5, "window_seconds": 60}
    made = await asyncio.gather(*(teams.create(NewTenant(f"t{n}", policy="new"), limit, BY) for n in range(6)))
    assert (await directory.actions()).count("create_policy") == 1
    for turn in range(1, ROUNDS + 1):
        names = [f"made-{turn}", "new"]
        moves = [
            teams.update(
                team.tenant.id, {"policy": names[(turn + n) % 2]}, {"amount": turn, "window_seconds": turn}, BY
            )
            for n, team in enumerate(made)
        ]
        await asyncio.gather(*moves[:3], to_policy(directory, "new", turn), *moves[3:])
    found = [await teams.update(team.tenant.id, {}, {}, BY) for team in made]
    assert {each.limit.amount for each in found if each.limit} == {ROUNDS}
