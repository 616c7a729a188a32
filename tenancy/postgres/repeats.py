"""Idempotency keys in Postgres, read side."""

import json

from store.postgres import PostgresPool, reading
from tenancy.directory.repeats import Repeat

FIND = """
SELECT fingerprint, target_type, target_id, response FROM idempotency_keys
WHERE actor = $1 AND idempotency_key = $2 AND response IS NOT NULL
"""


class PostgresRepeats:
    """Implements tenancy.directory.repeats.Repeats."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def find(self, actor: str, key: str) -> Repeat | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(FIND, actor, key)
        return None if row is None else Repeat(**{**row, "response": json.loads(row["response"])})
