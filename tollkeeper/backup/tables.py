"""What Postgres holds of ours: tables in the order in which they can be filled, their columns, the ledger's months."""

import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MIGRATIONS = "schema_migrations"  # the manifest has what is in it
LEDGER = "usage"
MONTH = re.compile(r"\d{4}_\d{2}")
# So that a value is written and read the same wherever, and nothing ends a long transaction.  lock_timeout bounds the
# wait for a change of the schema.
SESSION = """
SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'postgres';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '10s'
"""
# Tables with their own rows, and the roots of partitioned ones.
TABLES = """
SELECT c.relname AS name,
       array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS columns,
       max(a.attname::text) FILTER (WHERE a.attidentity <> '') AS identity
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY c.relname ORDER BY c.relname
"""
REFERENCES = """
SELECT DISTINCT a.relname AS name, b.relname AS refers_to
FROM pg_constraint k JOIN pg_class a ON a.oid = k.conrelid JOIN pg_class b ON b.oid = k.confrelid
WHERE k.contype = 'f' AND a.relnamespace = current_schema()::regnamespace AND a.oid <> b.oid
"""
PARTITIONS = """
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS whatever
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = to_regclass($1)
"""
SEQUENCE = "SELECT pg_get_serial_sequence($1, $2)"
ANYTHING = """
SELECT count(*) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
"""


class Found(NamedTuple):
    """A table as the database has it.  `identity`: the column that numbers its rows."""

    name: str
    columns: list[str]
    identity: str | None


class NotOurs(Exception):
    """The database has no schema of Tollkeeper."""


async def applied(connection: Connection) -> list[str]:
    """The migrations of the database; NotOurs."""
    try:
        rows = await connection.fetch("SELECT name FROM schema_migrations ORDER BY name")
    except asyncpg.UndefinedTableError:
        raise NotOurs("the database has no tables of Tollkeeper") from None
    return [row["name"] for row in rows]


async def tables(connection: Connection) -> list[Found]:
    """Each table after those that it refers to."""
    found = {row["name"]: Found(row["name"], row["columns"], row["identity"]) for row in await connection.fetch(TABLES)}
    found.pop(MIGRATIONS, None)
    pairs = [(row["name"], row["refers_to"]) for row in await connection.fetch(REFERENCES)]
    return [found[name] for name in in_order(found, pairs)]


def in_order(names: Iterable[str], references: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Pure.  `references`: what refers, and to what."""
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, refers_to in references:
        if name in graph and refers_to in graph:
            graph[name].add(refers_to)
    try:
        return [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise AssertionError(f"tables refer to each other in a circle: {error.args[1]}") from None


async def months(connection: Connection) -> list[str]:
    """The months of the ledger, as YYYY_MM."""
    found = set[str]()
    for row in await connection.fetch(PARTITIONS, LEDGER):
        month = row["name"].removeprefix(f"{LEDGER}_")
        if MONTH.fullmatch(month):
            found.add(month)
        else:  # a partition that an operator made
            name = quoted(row["name"])
            query = f"SELECT DISTINCT to_char(ts AT TIME ZONE 'UTC', 'YYYY_MM') AS month FROM {name}"  # noqa: S608 - quoted
            found |= {each["month"] for each in await connection.fetch(query)}
    return sorted(found)


async def sequence_of(connection: Connection, table: str, column: str) -> str:
    name: str = await connection.fetchval(SEQUENCE, quoted(table), column)
    return name


def quoted(name: str) -> str:
    """As an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def listed(columns: Iterable[str]) -> str:
    return ", ".join(map(quoted, columns))


async def connect(url: str) -> Connection:
    return await asyncpg.connect(url, timeout=10, server_settings={"application_name": "tollkeeper backup"})
