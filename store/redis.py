"""Opening Redis (or Valkey): one server or a cluster, from one URL, every wait with a deadline.

`redis://`, `rediss://` and `unix://` are redis-py's own; `redis+cluster://host:port` names any node of a cluster, and
`rediss+cluster://` one that speaks TLS.
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis, RedisCluster
from redis import asyncio as aio
from redis import connection as sync
from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from store.tls import redis_context

CLUSTER_SCHEME, TLS_CLUSTER_SCHEME = "redis+cluster://", "rediss+cluster://"
# The errors that mean "Redis cannot be asked now".  RedisError also covers LOADING, READONLY and CLUSTERDOWN answers,
# but not a cluster of which no node can be reached.
UNAVAILABLE = (RedisError, RedisClusterException, RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)


def is_cluster(url: str) -> bool:
    return url.startswith((CLUSTER_SCHEME, TLS_CLUSTER_SCHEME))


def open_redis(url: str, *, timeout: float) -> "Redis | RedisCluster":
    """A synchronous client: connecting and each answer within `timeout` s, no retries of its own."""
    if is_cluster(url):
        # The scheme would bring a connection of redis-py's own.
        ours = {"connection_class": _SyncTlsConnection} if url.startswith(TLS_CLUSTER_SCHEME) else {}
        node = url.replace(TLS_CLUSTER_SCHEME, CLUSTER_SCHEME).replace(CLUSTER_SCHEME, "redis://")
        return RedisCluster.from_url(node, socket_timeout=timeout, socket_connect_timeout=timeout, **ours)
    client = Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0), retry_on_timeout=False
    )
    if client.connection_pool.connection_class is sync.SSLConnection:
        client.connection_pool.connection_class = _SyncTlsConnection
    return client


def open_redis_async(url: str, *, timeout: float) -> "aio.Redis | aio.RedisCluster":
    """The same for asyncio."""
    if is_cluster(url):
        node = url.replace(TLS_CLUSTER_SCHEME, "rediss://").replace(CLUSTER_SCHEME, "redis://")
        cluster = aio.RedisCluster.from_url(node, socket_timeout=timeout, socket_connect_timeout=timeout)
        settings = cluster.connection_kwargs  # of the nodes that the first will name
        settings["connection_class"] = _ENDS[settings["connection_class"]]
        for known in cluster.startup_nodes:
            known.connection_class = settings["connection_class"]
        return cluster
    client = aio.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=AsyncRetry(NoBackoff(), 0)
    )
    client.connection_pool.connection_class = _ENDS[client.connection_pool.connection_class]
    return client


class _SyncTlsConnection(sync.SSLConnection):
    def _wrap_socket_with_ssl(self, sock: socket.socket) -> socket.socket:
        return redis_context(self).wrap_socket(sock, server_hostname=self.host)


class _Ends(AbstractConnection):
    """A connection whose task ends when it is cancelled.

    redis-py writes within `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes just as the
    write is done (python/cpython#86296): a task that loops would go on for ever, and so would anything that waits for
    its end.
    """

    __slots__ = ()

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        task = asyncio.current_task()
        asked = task.cancelling() if task else 0  # not 0 while a cancelled task cleans up
        try:
            await super().send_packed_command(command, check_health)
        finally:
            if task and task.cancelling() > asked:
                await self.disconnect(nowait=True)  # the reply will not be read
                raise asyncio.CancelledError


class _TcpConnection(_Ends, aio.Connection):
    __slots__ = ()


class _TlsConnection(_Ends, SSLConnection):
    __slots__ = ()

    def _connection_arguments(self) -> Mapping[str, Any]:
        self.ssl_context.context = redis_context(self)
        return super()._connection_arguments()


class _UnixConnection(_Ends, UnixDomainSocketConnection):
    __slots__ = ()


_ENDS: dict[type[AbstractConnection], type[AbstractConnection]] = {
    aio.Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _UnixConnection,
}
