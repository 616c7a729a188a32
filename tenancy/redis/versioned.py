"""Values in Redis that carry a version: written in one step, and never over a newer one.

Owns the script and the retry that the copies of records, models and the capacity share; not what they look like.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from redis import asyncio as aio
from redis.exceptions import ConnectionError as RedisConnectionError

from store import redis as store
from tenancy.resolving.records import StoreUnavailable

T = TypeVar("T")
Client: TypeAlias = "aio.Redis | aio.RedisCluster"

SCRIPT = (Path(__file__).parent / "lua" / "put_versioned.lua").read_text()
FOREVER_SECONDS = 0


def eval_arguments(
    name: str, version: int, text: str, seconds: int = FOREVER_SECONDS
) -> tuple[str, int, str, str, str, str]:
    """Of the EVAL that writes a value.  Not EVALSHA: Redis finds the compiled script by itself, and a restart causes no
    NOSCRIPT."""
    return (SCRIPT, 1, name, str(version), text, str(seconds))


async def put_versioned(client: Client, name: str, version: int, text: str, seconds: int = FOREVER_SECONDS) -> bool:
    """False if a newer value is there; StoreUnavailable."""
    reply = await answer(lambda: client.eval(*eval_arguments(name, version, text, seconds)))
    return bool(reply == 1)


async def answer(ask: Callable[[], Awaitable[T]]) -> T:
    """What Redis says; StoreUnavailable.  For commands that may be repeated.

    A pooled connection may have died unnoticed (Redis was restarted): that deserves a second try, a timeout does not.
    """
    try:
        try:
            return await ask()
        except RedisConnectionError:
            return await ask()
    except store.UNAVAILABLE as error:
        raise StoreUnavailable(f"redis: {error}") from error
