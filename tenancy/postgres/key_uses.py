"""When each key was last used, written to its row in Postgres at most once a minute.

Not a change of the key: no version counts it, nothing is announced.  It never waits for a change either, it passes over
keys that are just being changed; their next use will do.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ledger.row import UsageRow

EVERY = timedelta(minutes=1)
MAX_KEYS = 200_000  # about 40 MB; beyond it everything is forgotten, and Postgres alone keeps to the minute
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
    """What of a process's rows is news."""

    def __init__(self) -> None:
        self._written: dict[str, datetime] = {}

    def news(self, rows: Sequence[UsageRow]) -> dict[str, datetime]:
        """The last use in `rows` of each key that was not written within a minute before; deemed written then."""
        last = {row.key_id: row.ts for row in rows}  # nearly in the order of time; this runs for every row there is
        last.pop("", None)
        written = self._written
        found = {key: ts for key, ts in last.items() if key not in written or ts >= written[key] + EVERY}
        if len(written) + len(found) > MAX_KEYS:
            written.clear()
        written.update(found)
        return found


async def write(connection: "PoolConnectionProxy[asyncpg.Record]", news: dict[str, datetime], seconds: float) -> None:
    """`seconds`: the deadline."""
    await connection.execute(UPDATE, [*news], [*news.values()], EVERY, timeout=seconds)
