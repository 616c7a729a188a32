"""When each key was last used, in its row in Postgres."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import asyncpg
import structlog

from store.postgres import UNAVAILABLE, PostgresPool

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=1)
_FAILURES: tuple[type[Exception], ...] = (*UNAVAILABLE, asyncpg.PostgresError)
MAX_KEYS = 200_000  # about 40 MB; beyond it all are forgotten, and only Postgres enforces the interval of a minute
# Another sidecar may have written meanwhile.  A clock that runs ahead must not keep the next uses from being written.
UPDATE = """
UPDATE api_keys SET last_used_at = used.ts FROM (
    SELECT known.id, least(fresh.ts, now()) AS ts
    FROM unnest($1::text[], $2::timestamptz[]) AS fresh (id, ts) JOIN api_keys AS known ON known.id = fresh.id
    WHERE known.last_used_at IS NULL OR known.last_used_at <= fresh.ts - $3::interval
    ORDER BY known.id FOR NO KEY UPDATE OF known SKIP LOCKED
) AS used WHERE api_keys.id = used.id
"""


class LastUsed:
    """Which of the uses that one process sees have to be written."""

    def __init__(self) -> None:
        self._written: dict[str, datetime] = {}

    def news(self, uses: Mapping[str, datetime]) -> dict[str, datetime]:
        """The uses of keys that were not written within a minute before; from now on they count as written."""
        written = self._written
        found = {key: ts for key, ts in uses.items() if key and (key not in written or ts >= written[key] + EVERY)}
        if len(written) + len(found) > MAX_KEYS:
            written.clear()
        written.update(found)
        return found


class PostgresKeyUses:
    """Implements tenancy.directory.key_uses.KeyUses; each write ends within `timeout` s."""

    def __init__(self, pool: PostgresPool, *, timeout: float = 5.0) -> None:
        self._pool, self._timeout = pool, timeout
        self._last_used = LastUsed()

    async def note(self, uses: Mapping[str, datetime]) -> None:
        if not (news := self._last_used.news(uses)):
            return
        try:
            async with asyncio.timeout(self._timeout), self._pool.acquire() as connection:
                await connection.execute(UPDATE, [*news], [*news.values()], EVERY, timeout=self._timeout)
        except _FAILURES as error:
            log.warning("the last use of keys was not written", keys=len(news), reason=repr(error))
