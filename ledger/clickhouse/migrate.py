"""The tables of the ledger on ClickHouse: forward-only migrations, `migrations/NNNN_name.sql`, applied in order.

ClickHouse has no transactions, so each statement must be one that may run again: IF NOT EXISTS, and the like.  Two
migrators at once do the same twice.
"""

from pathlib import Path

from store.clickhouse import Clickhouse
from store.migrate import NewerSchema

FILES = tuple(sorted((Path(__file__).parent / "migrations").glob("*.sql")))
MIGRATIONS = tuple(file.stem for file in FILES)
SECONDS = 60.0  # of a statement
KNOWN = """
CREATE TABLE IF NOT EXISTS schema_migrations (name String, applied_at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY name
"""


async def migrate(client: Clickhouse) -> list[str]:
    """Applies what is missing and returns its names; NewerSchema if the database is ahead of this code."""
    await client.execute(KNOWN, seconds=SECONDS)
    known = await applied(client)
    if unknown := known - set(MIGRATIONS):
        raise NewerSchema(f"a newer version wrote the ledger; unknown here: {', '.join(sorted(unknown))}")
    missing = [file for file in FILES if file.stem not in known]
    for file in missing:
        for statement in statements_of(file.read_text()):
            await client.execute(statement, seconds=SECONDS)
        await client.insert("schema_migrations", ("name",), [(file.stem,)], seconds=SECONDS)
    return [file.stem for file in missing]


async def applied(client: Clickhouse) -> set[str]:
    return {name for (name,) in await client.select("SELECT DISTINCT name FROM schema_migrations", seconds=SECONDS)}


def statements_of(text: str) -> list[str]:
    """A statement ends with a semicolon at the end of a line."""
    return [statement for part in text.split(";\n") if (statement := part.strip())]
