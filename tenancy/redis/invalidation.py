"""Listening for invalidations, on a connection of its own that is never trusted to be alive.

Pub/sub forgets what it could not deliver, so each (re)subscription means "you may have missed something".  The
connection is pinged when it is quiet: if the peer is silently gone, it is dropped within two `quiet` periods.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import structlog
from redis import asyncio as aio

from store.redis import CLUSTER_SCHEME, UNAVAILABLE, open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.redis.names import INVALIDATE_CHANNEL

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 1.0
QUIET_SECONDS = 1.0
BACKOFF_SECONDS = (0.1, 2.0)  # first and longest; doubles, with jitter so that sidecars do not return all at once


class Listener(Protocol):
    """Called on the background loop; must not wait."""

    def subscribed(self) -> None:
        """Earlier changes may have been missed."""

    def invalidate(self, message: str) -> None:
        """See tenancy.values.invalidation."""


async def listen(
    url: str,
    listeners: Sequence[Listener],
    metrics: TenancyMetrics,
    *,
    quiet: float = QUIET_SECONDS,
    channel: str = INVALIDATE_CHANNEL,
) -> None:
    """Subscribes to the Redis of `url` and stays subscribed until cancelled."""
    first, longest = BACKOFF_SECONDS
    wait = first
    while True:
        before = metrics.subscriptions.counts[""]
        try:
            await _listen_once(url, listeners, metrics, quiet, channel)
        except UNAVAILABLE as error:
            log.info("invalidation channel lost", error=f"{type(error).__name__}: {error}")
        except Exception:  # the top of a background task
            log.exception("invalidation listener failed")
        wait = first if metrics.subscriptions.counts[""] > before else min(2 * wait, longest)
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing


async def _listen_once(
    url: str, listeners: Sequence[Listener], metrics: TenancyMetrics, quiet: float, channel: str
) -> None:
    """Raises when the connection is not worth keeping: UNAVAILABLE."""
    client = await _open(url)
    try:
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            await _receive(pubsub, listeners, metrics, quiet)
    finally:
        await client.aclose()


async def _receive(pubsub: "PubSub", listeners: Sequence[Listener], metrics: TenancyMetrics, quiet: float) -> None:
    pinged = False
    while True:
        message: dict[str, Any] | None = await pubsub.get_message(timeout=quiet)
        if message is None and pinged:
            raise TimeoutError("no answer to a ping")
        if message is None:
            await pubsub.ping()
        pinged = message is None
        if message is not None:
            _tell(message, listeners, metrics)


def _tell(message: dict[str, Any], listeners: Sequence[Listener], metrics: TenancyMetrics) -> None:
    if message["type"] == "subscribe":
        metrics.subscriptions.add()
        for listener in listeners:
            listener.subscribed()
    elif message["type"] == "message":
        metrics.invalidations.add()
        for listener in listeners:
            listener.invalidate(message["data"].decode(errors="replace"))


async def _open(url: str) -> aio.Redis:
    """A connection to one server.  In a cluster any node will do: each publish reaches all of them."""
    client = open_redis_async(url, timeout=CONNECT_SECONDS)
    if isinstance(client, aio.Redis):
        return client
    try:
        await client.initialize()
        node = random.choice(client.get_nodes())  # noqa: S311 - another each time, until one is alive
    finally:
        await client.aclose()
    parts = urlsplit(url.replace(CLUSTER_SCHEME, "redis://"))
    login, at, _ = parts.netloc.rpartition("@")
    return await _open(parts._replace(netloc=f"{login}{at}{node.host}:{node.port}").geturl())
