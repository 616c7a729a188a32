"""A Postgres as LiteLLM has it: made by its own migrations, filled as its proxy fills it."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

COLUMNS = {"models", "allowed_routes", "teams", "admins", "members"}  # lists of texts


def migrations() -> list[Path]:
    spec = find_spec("litellm_proxy_extras")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return sorted(Path(spec.submodule_search_locations[0], "migrations").glob("*/migration.sql"))


def token_of(secret: str) -> str:
    """What LiteLLM stores of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def _fill(url: str, tables: Mapping[str, list[dict[str, Any]]]) -> None:
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("""SELECT to_regclass('"LiteLLM_VerificationToken"') IS NOT NULL"""):
            for migration in migrations():
                await connection.execute(migration.read_text(), timeout=60)
        for table, rows in tables.items():
            for row in rows:
                names = ", ".join(f'"{name}"' for name in row)
                places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
                values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
                await connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', *values)  # noqa: S608
    finally:
        await connection.close()


def fill(url: str, tables: Mapping[str, list[dict[str, Any]]]) -> None:
    asyncio.run(_fill(url, tables))


def key(secret: str, **columns: Any) -> dict[str, Any]:
    """A row of LiteLLM_VerificationToken."""
    return {"token": token_of(secret), "key_name": f"sk-...{secret[-4:]}", **columns}


def budget(budget_id: str, **columns: Any) -> dict[str, Any]:
    """A row of LiteLLM_BudgetTable."""
    return {"budget_id": budget_id, "created_by": "admin", "updated_by": "admin", "updated_at": NOW, **columns}


NOW = datetime(2026, 11, 1)


def rows(url: str, query: str) -> list[dict[str, Any]]:
    async def fetch() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())
