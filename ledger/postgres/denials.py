"""Denials in Postgres: a table of the last ones."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence

from ledger.denials import Denial
from ledger.ledger import LedgerUnavailable
from store.postgres import UNAVAILABLE, PostgresPool, reading

MOST = 50_000  # about 15 MB
DAYS = 7
COLUMNS = ", ".join(Denial._fields)
APPEND = f"INSERT INTO denials ({COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(len(Denial._fields)))})"
# Numbers are as old as their rows, so the first condition finds all of the second but for the last ones.
TRIM = f"""
DELETE FROM denials WHERE n <= (SELECT max(n) FROM denials) - $1 OR ts < now() - interval '{DAYS} days'
"""
BY_LABEL = f"""
SELECT {COLUMNS} FROM denials WHERE request_id = $1 AND ($3::text[] IS NULL OR tenant_id = ANY ($3))
ORDER BY n DESC LIMIT $2
"""
TRIM_EVERY = 1000  # rows that are appended


class PostgresDenials:
    """Implements ledger.denials.Denials; each write ends within `timeout` s.  Keeps the last `most`, and `trim_every`
    more."""

    def __init__(
        self, pool: PostgresPool, *, timeout: float = 5.0, most: int = MOST, trim_every: int = TRIM_EVERY
    ) -> None:
        self._pool, self._timeout, self._most, self._trim_every = pool, timeout, most, trim_every
        self._untrimmed = trim_every

    async def append(self, denials: Sequence[Denial]) -> None:
        try:
            async with self._pool.acquire(timeout=self._timeout) as connection:
                await connection.executemany(APPEND, denials, timeout=self._timeout)
                self._untrimmed += len(denials)
                if self._untrimmed >= self._trim_every:
                    await connection.execute(TRIM, self._most, timeout=self._timeout)
                    self._untrimmed = 0
        except UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[Denial]:
        listed = None if tenants is None else [*tenants]
        try:
            async with reading(self._pool) as connection:
                return [Denial(*row) for row in await connection.fetch(BY_LABEL, request_id, limit, listed)]
        except UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error
