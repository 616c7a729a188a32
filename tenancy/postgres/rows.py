"""The rows of one table as values: reading one or many, and changing one in a transaction with its audit entry.

Owns what all adapters of the directory do alike.  Which table is read and written, what is locked first and what Redis
is told is each adapter's own SQL, but for what tables with many columns all write alike (Statements).
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, require
from tenancy.postgres.change import audit, changing, written

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """`value_of` reads a row, `missing` is raised for one that must exist and does not, `target_of` gives the type and
    the id by which the audit log knows a value."""

    pool: PostgresPool
    value_of: Callable[[Row], T]
    missing: type[LookupError]
    target_of: Callable[[T], tuple[str, str]]

    async def one(self, statement: str, *key: object) -> T | None:
        """None if there is no such row."""
        async with reading(self.pool) as connection:
            row = await connection.fetchrow(statement, *key)
        return None if row is None else self.value_of(row)

    async def many(self, statement: str, *values: object) -> tuple[T, ...]:
        async with reading(self.pool) as connection:
            rows = await connection.fetch(statement, *values)
        return tuple(map(self.value_of, rows))

    @asynccontextmanager
    async def transaction(self, by: ChangeRequest) -> AsyncIterator["Transaction[T]"]:
        """See change.changing."""
        async with changing(self.pool, by) as connection:
            yield Transaction(self, connection, by)


@dataclass(frozen=True, slots=True)
class Transaction(Generic[T]):
    """The change of one value that `by` asks for."""

    rows: Rows[T]
    connection: Connection
    by: ChangeRequest

    async def find(self, statement: str, *key: object) -> T | None:
        """None if there is no such row."""
        row = await self.connection.fetchrow(statement, *key)
        return None if row is None else self.rows.value_of(row)

    async def existing(self, statement: str, *key: object) -> T:
        """The value as it is before the change; it, or what owns it, must be locked.  `missing`, StateChanged."""
        value = await self.find(statement, *key)
        if value is None:
            raise self.rows.missing(*key[-1:])
        require(self.by, value)
        return value

    async def write(self, statement: str, *values: object) -> T:
        """What an INSERT or UPDATE ... RETURNING wrote."""
        return self.rows.value_of(await written(self.connection, statement, *values))

    async def execute(self, statement: str, *values: object) -> None:
        await self.connection.execute(statement, *values)

    async def ids(self, statement: str, *values: object) -> list[str]:
        return [row["id"] for row in await self.connection.fetch(statement, *values)]

    async def created(self, action: str, value: T) -> T:
        """Adds the audit entry, as do `updated` and `deleted`."""
        await audit(self.connection, self.by, action, self.rows.target_of(value), None, snapshot(value))
        return value

    async def updated(self, action: str, before: T, after: T) -> T:
        target = self.rows.target_of(after)
        await audit(self.connection, self.by, action, target, snapshot(before), snapshot(after))
        return after

    async def deleted(self, action: str, collection: str, value: T, **gone: list[str]) -> dict[str, int]:
        """`gone`: the ids of what went along with the value, by collection."""
        await audit(self.connection, self.by, action, self.rows.target_of(value), {**snapshot(value), **gone}, None)
        return {collection: 1} | {name: len(ids) for name, ids in gone.items()}


@dataclass(frozen=True, slots=True)
class Statements:
    """What a table of named things is read and written with, by their ids.  `insert` and `update` take the `fields` in
    their order; `update` takes then those of `later`, which begin with their defaults, and then the id."""

    insert: str
    get: str
    page: str
    update: str
    delete: str

    @classmethod
    def of(
        cls, table: str, fields: Sequence[str], *, as_json: Collection[str], later: Sequence[str] = ()
    ) -> "Statements":
        every = (*fields, *later)
        places = [f"${at}::jsonb" if name in as_json else f"${at}" for at, name in enumerate(every, 1)]
        columns = f"id, {', '.join(every)}, created_at, updated_at"
        first, to = ", ".join(places[: len(fields)]), ", ".join(places)
        return cls(
            f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({first}) RETURNING {columns}",
            f"SELECT {columns} FROM {table} WHERE id = $1",
            page_by_name(table, columns),
            f"UPDATE {table} SET ({', '.join(every)}) = ROW ({to}), updated_at = now()"
            f" WHERE id = ${len(every) + 1} RETURNING {columns}",
            f"DELETE FROM {table} WHERE id = $1",
        )


def page_by_name(table: str, columns: str) -> str:
    """Ordered by bytes, so that the order does not depend on the database's collation."""
    return f"""SELECT {columns} FROM {table} WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""


@contextmanager
def refusing(violation: type[asyncpg.IntegrityConstraintViolationError], refusal: Exception) -> Iterator[None]:
    """Raises `refusal` where a statement would violate a constraint of this kind."""
    try:
        yield
    except violation as error:
        raise refusal from error
