"""How many of the keys in use are old, or about to end: counted now and then, for a metric."""

from collections.abc import Mapping

from store.postgres import PostgresPool, reading

SOON_DAYS, OLD_DAYS, USED_DAYS = 7, 365, 7
EXPIRE_SOON, OLD = "expire_soon", "old"
STATES = (EXPIRE_SOON, OLD)
# All keys are read: there is no index on when they were used, which changes each minute.
COUNT = f"""
SELECT count(*) FILTER (WHERE expires_at <= now() + interval '{SOON_DAYS} days'),
       count(*) FILTER (WHERE coalesce(secret_since, created_at) <= now() - interval '{OLD_DAYS} days')
FROM api_keys WHERE NOT disabled AND (expires_at IS NULL OR expires_at > now())
                    AND last_used_at > now() - interval '{USED_DAYS} days'
"""


async def key_ages(pool: PostgresPool) -> Mapping[str, float]:
    """By state, of the keys that were used in the last days and still work.  Raises what store.postgres.UNAVAILABLE
    lists."""
    async with reading(pool) as connection:
        found = await connection.fetchrow(COUNT)
    return dict(zip(STATES, map(float, found or (0, 0)), strict=True))
