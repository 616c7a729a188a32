"""What Redis holds of Tollkeeper, as a restoration needs it: whether a sidecar is alive, whether there is anything, and
deleting it.

None of it is in a backup.  Budgets are restored from the ledger (reconcile/), jobs and key records from Postgres;
leases, kept answers and the sidecars' shares are lost.
"""

from collections.abc import Iterator
from typing import Any

from redis import Redis, RedisCluster

from tenancy.redis.names import PREFIX, SIDECARS_KEY

OURS = f"{PREFIX}:*"
ALIVE_MS = 5_000  # a sidecar reports every second
COUNT = 1000


def sidecars_run(redis: "Redis | RedisCluster") -> bool:
    """Whether a sidecar has reported just now, by Redis's clock."""
    newest: list[Any] = redis.zrange(SIDECARS_KEY, -1, -1, withscores=True)
    seconds, micros = redis.time() if isinstance(redis, Redis) else redis.time(target_nodes=RedisCluster.RANDOM)
    return bool(newest) and int(newest[0][1]) > int(seconds) * 1000 + int(micros) // 1000 - ALIVE_MS


def holds_any(redis: "Redis | RedisCluster") -> bool:
    return next(_names(redis), None) is not None


def forget(redis: "Redis | RedisCluster") -> int:
    """Deletes all keys of Tollkeeper, and no others.  Returns how many."""
    count = 0
    for name in _names(redis):
        count += int(redis.unlink(name))
    return count


def _names(redis: "Redis | RedisCluster") -> Iterator[bytes]:
    yield from redis.scan_iter(match=OURS, count=COUNT)
