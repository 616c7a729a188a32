"""Which Envoys live, in Redis: as all sidecars together have heard of them.  All in one cluster slot."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tenancy.redis.names import ENVOY_LOOKS_KEY, ENVOYS_ALIVE_KEY, ENVOYS_GONE_KEY, ENVOYS_KEY, ENVOYS_OPEN_KEY

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

SCRIPT = (Path(__file__).parent / "lua" / "envoys.lua").read_text(encoding="utf-8")
KEYS = (ENVOYS_KEY, ENVOYS_ALIVE_KEY, ENVOYS_GONE_KEY, ENVOYS_OPEN_KEY, ENVOY_LOOKS_KEY)
SILENT_SECONDS = 10.0  # silence after which an Envoy counts as gone
GONE_SECONDS = 4.0  # the same, if a sidecar knows that it is gone
ALIVE_SECONDS = 4.0  # repeated every second
AGAIN_SECONDS = 30.0
KEEP_SECONDS = 600.0


class Said(NamedTuple):
    """What one process says of Envoys: `heard` from since the last time; taken for `alive` without that; `gone`, as it
    knows; `done`: Envoys that it was given and whose requests are all ended."""

    heard: Collection[str]
    alive: Collection[str] = ()
    gone: Collection[str] = ()
    done: Collection[str] = ()


class Silent(NamedTuple):
    """How many seconds ago Envoys were found gone, by name: `given` only to this process, and `all` recent ones."""

    given: Mapping[str, float]
    all: Mapping[str, float]


class RedisEnvoys:
    """Raises what store.redis.UNAVAILABLE lists.  The clock is Redis's own."""

    def __init__(self, client: "Client", silent_seconds: float = SILENT_SECONDS) -> None:
        self._client = client
        seconds = (silent_seconds, GONE_SECONDS, ALIVE_SECONDS, AGAIN_SECONDS, KEEP_SECONDS)
        self._durations = [str(int(each * 1000)) for each in seconds]

    async def known(self) -> set[str] | None:
        """The Envoys that were heard from and are not gone; None if nobody has looked."""
        if not await self._client.exists(ENVOY_LOOKS_KEY):
            return None
        names: Any = await self._client.zrange(ENVOYS_KEY, 0, -1)
        return {name.decode() for name in names}

    async def tell(self, said: Said) -> Silent:
        counts, names = [str(len(part)) for part in said], [name for part in said for name in part]
        arguments = [*self._durations, *counts, *names]
        now_ms, given, gone = await self._client.eval(SCRIPT, len(KEYS), *KEYS, *arguments)
        return Silent(_ages(given, now_ms), _ages(gone, now_ms))


def _ages(pairs: list[Any], now_ms: int) -> dict[str, float]:
    return {name.decode(): max(0, now_ms - at_ms) / 1000 for name, at_ms in zip(pairs[::2], pairs[1::2], strict=True)}
