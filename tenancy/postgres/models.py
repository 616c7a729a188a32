"""The model registry in Postgres."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from dataclasses import asdict, replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.models import Model, ModelNameTaken, NewModel, NoSuchModel, ResponseCache
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import audit, changing, written
from tenancy.redis.names import INVALIDATE_MODELS

FIELDS = (
    *("name", "enabled", "upstream_name", "endpoint", "input_price", "output_price", "cached_price"),
    *("context_window", "weight", "max_in_flight"),
)
COLUMNS = f"id, {', '.join(FIELDS)}, cache_enabled, cache_ttl_seconds, created_at, updated_at"
PLACES = ", ".join(f"${number}" for number in range(1, len(FIELDS) + 1))
INSERT = f"INSERT INTO models ({', '.join(FIELDS)}) VALUES ({PLACES}) RETURNING {COLUMNS}"
UPDATE = (
    f"UPDATE models SET ({', '.join(FIELDS)}) = ROW ({PLACES}), cache_enabled = ${len(FIELDS) + 1},"
    f" cache_ttl_seconds = ${len(FIELDS) + 2}, updated_at = now() WHERE id = ${len(FIELDS) + 3} RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM models WHERE id = $1"
# By the bytes, so that the order is the same whatever the database's collation is.
PAGE = f"""SELECT {COLUMNS} FROM models WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""


class PostgresRegistry:
    """Implements tenancy.directory.models.Registry."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, new: NewModel, by: ChangeRequest) -> Model:
        async with changing(self._pool, by) as connection:
            await _announce(connection)
            model = await _write(connection, INSERT, new)
            await audit(connection, by, "create_model", ("model", model.id), None, snapshot(model))
        return model

    async def get(self, model_id: str) -> Model | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, model_id)
        return None if row is None else _model(row)

    async def page(self, limit: int, after: str = "") -> tuple[Model, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, after)
        return tuple(_model(row) for row in rows)

    async def update(self, model_id: str, to: NewModel | ResponseCache, by: ChangeRequest) -> Model:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, model_id)
            require(by, before)
            changed = replace(before, cache=to) if isinstance(to, ResponseCache) else replace(before, **asdict(to))
            if changed == before:
                return before
            await _announce(connection)
            after = await _write(
                connection, UPDATE, changed, changed.cache.enabled, changed.cache.ttl_seconds, model_id
            )
            await audit(connection, by, "update_model", ("model", model_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, model_id: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            model = await _lock(connection, model_id)
            require(by, model)
            await _announce(connection)
            await connection.execute("DELETE FROM models WHERE id = $1", model_id)
            await audit(connection, by, "delete_model", ("model", model_id), snapshot(model), None)
        return {"models": 1}


async def _announce(connection: Connection) -> None:
    """Counts the catalog's version up, holding its lock, and leaves word for Redis."""
    version = await connection.fetchval("UPDATE model_catalog SET version = version + 1 RETURNING version")
    await connection.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ($1, $2)", INVALIDATE_MODELS, version)


async def _lock(connection: Connection, model_id: str) -> Model:
    """The model, with the catalog locked; NoSuchModel."""
    await connection.execute("SELECT version FROM model_catalog FOR UPDATE")
    row: Row | None = await connection.fetchrow(GET, model_id)
    if row is None:
        raise NoSuchModel(model_id)
    return _model(row)


async def _write(connection: Connection, statement: str, model: NewModel | Model, *values: object) -> Model:
    try:
        return _model(await written(connection, statement, *(getattr(model, name) for name in FIELDS), *values))
    except asyncpg.UniqueViolationError as error:
        raise ModelNameTaken(model.name) from error


def _model(row: Row) -> Model:
    fields = dict(row)
    return Model(cache=ResponseCache(fields.pop("cache_enabled"), fields.pop("cache_ttl_seconds")), **fields)
