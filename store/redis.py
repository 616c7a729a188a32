"""Opening Redis (or Valkey): one server or a cluster, from one URL, every wait with a deadline.

`redis://`, `rediss://` and `unix://` are redis-py's own; `redis+cluster://host:port` names any node of a cluster.
"""

from redis import Redis, RedisCluster
from redis import asyncio as aio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

CLUSTER_SCHEME = "redis+cluster://"
# What means "Redis cannot be asked now".  RedisError also covers LOADING, READONLY and CLUSTERDOWN answers, but not a
# cluster of which no node can be reached.
UNAVAILABLE = (RedisError, RedisClusterException, RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)


def is_cluster(url: str) -> bool:
    return url.startswith(CLUSTER_SCHEME)


def open_redis(url: str, *, timeout: float) -> "Redis | RedisCluster":
    """A synchronous client: connecting and each answer within `timeout` s, no retries of its own."""
    if is_cluster(url):
        return RedisCluster.from_url(
            url.replace(CLUSTER_SCHEME, "redis://"), socket_timeout=timeout, socket_connect_timeout=timeout
        )
    return Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0), retry_on_timeout=False
    )


def open_redis_async(url: str, *, timeout: float) -> "aio.Redis | aio.RedisCluster":
    """The same for asyncio."""
    if is_cluster(url):
        return aio.RedisCluster.from_url(
            url.replace(CLUSTER_SCHEME, "redis://"), socket_timeout=timeout, socket_connect_timeout=timeout
        )
    return aio.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=AsyncRetry(NoBackoff(), 0)
    )
