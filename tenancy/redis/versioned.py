"""Values in Redis that carry a version: written in one step, and never over a newer one.

Owns the script and the retry that the copies of records, models and the capacity share; not what they look like.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import structlog
from redis import asyncio as aio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from store import redis as store
from tenancy.resolving.records import StoreUnavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")
Client: TypeAlias = "aio.Redis | aio.RedisCluster"

SCRIPT = (Path(__file__).parent / "lua" / "put_versioned.lua").read_text()
FOREVER_SECONDS = 0
WRONG_TYPE = "WRONGTYPE"


def eval_arguments(
    name: str, version: int, text: str, seconds: int = FOREVER_SECONDS
) -> tuple[str, int, str, str, str, str]:
    """The arguments of the EVAL that writes a value.  Not EVALSHA: Redis finds the compiled script by itself, and a
    restart causes no NOSCRIPT."""
    return (SCRIPT, 1, name, str(version), text, str(seconds))


async def put_versioned(client: Client, name: str, version: int, text: str, seconds: int = FOREVER_SECONDS) -> bool:
    """False if a newer value is there; StoreUnavailable."""
    reply = await answer(lambda: client.eval(*eval_arguments(name, version, text, seconds)))
    return bool(reply == 1)


async def text_at(client: Client, name: str) -> bytes | None:
    """The string, None if there is none or something else is there, which is replaced when it is next written;
    StoreUnavailable."""

    async def get() -> bytes | None:
        try:
            found = cast("bytes | None", await client.get(name))
        except ResponseError as error:
            if not str(error).startswith(WRONG_TYPE):
                raise
            log.warning("a key in redis holds something else", key=name)
            return None
        return found

    return await answer(get)


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
