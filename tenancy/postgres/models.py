"""The model registry in Postgres.  A change locks the catalog's only row first, so changes are made in order."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import asyncpg

from store.postgres import Connection, PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.models import (
    Model,
    ModelInUse,
    ModelNameTaken,
    NewModel,
    NoSuchModel,
    PriceTier,
    ResponseCache,
    UnknownTarget,
    fields_of,
)
from tenancy.postgres.catalog import known
from tenancy.postgres.rows import Rows, Statements, T, Transaction, refusing
from tenancy.values.invalidation import INVALIDATE_MODELS
from tenancy.values.prices import PRICE_FIELDS
from tenancy.values.response_cache import CachedRequests, CacheScope
from tenancy.values.upstream import Endpoint, Target

FIELDS = tuple(field.name for field in fields(NewModel))
TIER = tuple(field.name for field in fields(PriceTier))
CACHE = tuple(field.name for field in fields(ResponseCache) if field.name != "purge")
CACHE_COLUMNS = tuple(f"cache_{name}" for name in CACHE)
AS_JSON = ("price_tiers", "endpoints", "targets")
STATEMENTS = Statements.of("models", FIELDS, as_json=AS_JSON, later=CACHE_COLUMNS)
MODELS_NAMED = "SELECT name FROM models WHERE name = ANY ($1::text[]) AND targets = '[]'"
ALIAS_OF = "SELECT name FROM models WHERE targets @> jsonb_build_array(jsonb_build_object('model', $1::text)) LIMIT 1"
LOCK_CATALOG = "SELECT version FROM model_catalog FOR UPDATE"
COUNT_UP = "UPDATE model_catalog SET version = version + 1 RETURNING version"
ANNOUNCE = "INSERT INTO redis_outbox (key_hash, version) VALUES ($1, $2)"


class PostgresRegistry:
    """Implements tenancy.directory.models.Registry."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, _model, NoSuchModel, target_of=lambda model: ("model", model.id))

    async def create(self, new: NewModel, by: ChangeRequest) -> Model:
        async with self._rows.transaction(by) as transaction:
            await announce(transaction.connection)
            await _require_targets(transaction.connection, new)
            model = await _write(transaction, STATEMENTS.insert, new)
            return await transaction.created("create_model", model)

    async def get(self, model_id: str) -> Model | None:
        return await self._rows.one(STATEMENTS.get, model_id)

    async def page(self, limit: int, after: str = "") -> tuple[Model, ...]:
        return await self._rows.many(STATEMENTS.page, limit, after)

    async def update(self, model_id: str, to: NewModel | ResponseCache, by: ChangeRequest) -> Model:
        async with self._rows.transaction(by) as transaction:
            before = await locked(transaction, STATEMENTS.get, model_id)
            if isinstance(to, ResponseCache):
                wanted = replace(before, cache=to.after(before.cache))
            else:
                wanted = replace(before, **fields_of(to))
            if wanted == before:
                return before
            await announce(transaction.connection)
            if wanted.name != before.name or wanted.targets:
                await _require_unused(transaction.connection, before)
            await _require_targets(transaction.connection, wanted)
            cache = [getattr(wanted.cache, name) for name in CACHE]
            after = await _write(transaction, STATEMENTS.update, wanted, *cache, model_id)
            return await transaction.updated("update_model", before, after)

    async def delete(self, model_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            model = await locked(transaction, STATEMENTS.get, model_id)
            await _require_unused(transaction.connection, model)
            await announce(transaction.connection)
            await transaction.execute(STATEMENTS.delete, model_id)
            return await transaction.deleted("delete_model", "models", model)


async def locked(transaction: Transaction[T], statement: str, id: str) -> T:
    """What is to be changed, with the catalog locked."""
    await transaction.execute(LOCK_CATALOG)
    return await transaction.existing(statement, id)


async def announce(connection: Connection) -> None:
    """Counts the catalog's version up, which locks it, and adds the outbox row."""
    await connection.execute(ANNOUNCE, INVALIDATE_MODELS, await connection.fetchval(COUNT_UP))


async def _require_targets(connection: Connection, model: NewModel | Model) -> None:
    names = [target.model for target in model.targets]
    found = {row["name"] for row in await connection.fetch(MODELS_NAMED, names)} if names else set()
    for name in names:
        if name not in found or name == model.name:
            raise UnknownTarget(name)


async def _require_unused(connection: Connection, model: Model) -> None:
    if alias := await connection.fetchval(ALIAS_OF, model.name):
        raise ModelInUse(alias)


async def _write(transaction: Transaction[Model], statement: str, model: NewModel | Model, *values: object) -> Model:
    with refusing(asyncpg.UniqueViolationError, ModelNameTaken(model.name)):
        return await transaction.write(statement, *(_column(model, name) for name in FIELDS), *values)


def _column(model: NewModel | Model, name: str) -> object:
    value = getattr(model, name)
    if name == "price_tiers":
        return _dump_tiers(value)
    return json.dumps([each._asdict() for each in value]) if name in AS_JSON else value


def _model(row: Row) -> Model:
    columns = dict(row)
    cache = ResponseCache(**{name: columns.pop(f"cache_{name}") for name in CACHE})
    cache = replace(cache, scope=CacheScope(cache.scope), requests=CachedRequests(cache.requests))
    tiers = _load_tiers(columns.pop("price_tiers"))
    endpoints = tuple(Endpoint(**known(each, Endpoint)) for each in json.loads(columns.pop("endpoints")))
    targets = tuple(Target(**known(each, Target)) for each in json.loads(columns.pop("targets")))
    return Model(cache=cache, price_tiers=tiers, endpoints=endpoints, targets=targets, **columns)


def _dump_tiers(tiers: Sequence[PriceTier]) -> str:
    """Prices as text, so that no digit is lost; what is None is left out."""
    named = [{name: each for name, each in fields_of(tier).items() if each is not None} for tier in tiers]
    return json.dumps([{name: _plain(each) for name, each in tier.items()} for tier in named])


def _plain(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _load_tiers(text: str) -> tuple[PriceTier, ...]:
    """What a newer version added is left out."""
    return tuple(map(_tier, json.loads(text)))


def _tier(stored: Mapping[str, Any]) -> PriceTier:
    known = {name: each for name, each in stored.items() if name in TIER}
    return PriceTier(**known | {name: Decimal(each) for name, each in known.items() if name in PRICE_FIELDS})
