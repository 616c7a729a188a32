"""What a new database has from the start, which other tests begin without; and what becomes of an older one's own."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from store.migrate import FILES, MIGRATIONS, migrate
from tollkeeper.up.postgres import Postgres

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
TEAM = "SELECT id, name, display_name, description, policy FROM tenants"


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[Connection]:
    """A database without a schema."""
    server = await asyncpg.connect(postgres.url)
    await server.execute("CREATE DATABASE empty")
    connection = await asyncpg.connect(postgres.url, database="empty")
    yield connection
    await connection.close()
    await server.execute("DROP DATABASE empty WITH (FORCE)")
    await server.close()


async def test_the_default_team_is_there_from_the_start_and_made_once(empty: Connection) -> None:
    await migrate(empty)
    (team,) = await empty.fetch(TEAM)
    assert tuple(team) == (
        "default",
        "default",
        "Default Team",
        "Default team for simple MaaS deployments - users without team assignment",
        "unlimited-policy",
    )
    assert await empty.fetchval("SELECT limits FROM policies WHERE name = 'unlimited-policy'") == "[]"
    await empty.execute("DELETE FROM tenants")
    assert await migrate(empty) == []
    assert await empty.fetch(TEAM) == []


async def test_a_tenant_that_is_called_so_already_stays_as_it_is(empty: Connection) -> None:
    teams = next(name for name in MIGRATIONS if name.endswith("_teams"))
    for name in MIGRATIONS[: MIGRATIONS.index(teams)]:
        await empty.execute(FILES[name].read_text())
    await empty.execute("INSERT INTO tenants (id, name) VALUES ('a', 'default')")
    await empty.execute("INSERT INTO policies VALUES ('unlimited-policy', 'mine')")
    await empty.execute(FILES[teams].read_text())
    assert [(team["id"], team["display_name"], team["policy"]) for team in await empty.fetch(TEAM)] == [("a", "", None)]
    assert await empty.fetchval("SELECT description FROM policies") == "mine"
