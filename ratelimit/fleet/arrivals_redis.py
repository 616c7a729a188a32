"""What sidecars tell each other of bodies that have arrived, in Redis: a stream that keeps some seconds.  All in one
cluster slot."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenancy.redis.names import ARRIVALS_KEY, SIDECARS_KEY, TELLERS_KEY

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

SCRIPT = (Path(__file__).parent / "lua" / "arrivals.lua").read_text(encoding="utf-8")
KEYS = (ARRIVALS_KEY, TELLERS_KEY, SIDECARS_KEY)
KEEP_SECONDS = 10.0
SILENT_SECONDS = 5.0
MAX_READ = 200  # entries at once
ID_BYTES = 16


class Told(NamedTuple):
    """`complete`: every sidecar that reports tells, or is asked by nobody over TCP.  `lost`: something may never be
    told.  `through_ms`: up to when all others have told, None if there are none.  `more`: than could be read at once.
    `arrived`: lease ids, by sidecar."""

    now_ms: int
    complete: bool
    lost: bool
    through_ms: int | None
    more: bool
    arrived: list[tuple[str, list[str]]]


class RedisArrivals:
    """For one sidecar.  Raises what store.redis.UNAVAILABLE lists.  The clock is Redis's own."""

    def __init__(self, client: "Client", sidecar: str) -> None:
        self._client, self._sidecar = client, sidecar
        self._cursor, self._read_ms = "", 0

    async def tell(self, lease_ids: Sequence[str], through_ms: int, *, lost: bool = False) -> Told:
        """All that this sidecar was told of before `through_ms` is in `lease_ids`, or was told before; if not, some is
        `lost`."""
        found = await self._call("tells", lease_ids, through_ms, lost=lost)
        now_ms, complete, missed, through, cursor, more, told = found
        self._cursor, self._read_ms = cursor.decode(), now_ms
        arrived = [(by.decode(), unpacked(ids)) for by, ids in zip(told[::2], told[1::2], strict=True)]
        return Told(now_ms, bool(complete), bool(missed), None if through < 0 else through, bool(more), arrived)

    async def stay_quiet(self) -> None:
        """Nobody asks this sidecar over TCP.  To be said every few seconds."""
        await self._call("quiet", (), 0)

    async def leave(self, lease_ids: Sequence[str]) -> None:
        """The last that it tells."""
        await self._call("leaves", lease_ids, 0)

    async def _call(self, how: str, lease_ids: Sequence[str], through_ms: int, *, lost: bool = False) -> list:  # type: ignore[type-arg]
        durations = [int(seconds * 1000) for seconds in (KEEP_SECONDS, SILENT_SECONDS)]
        said = (self._sidecar, how, through_ms, self._cursor, self._read_ms, int(lost))
        reply: list = await self._client.eval(  # type: ignore[type-arg]
            SCRIPT, len(KEYS), *KEYS, *map(str, (*said, *durations, MAX_READ)), packed(lease_ids)
        )
        return reply


def packed(lease_ids: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(lease_ids).replace("-", ""))


def unpacked(ids: bytes) -> list[str]:
    text = ids.hex()
    found = (text[at : at + 2 * ID_BYTES] for at in range(0, len(text), 2 * ID_BYTES))
    return [f"{each[:8]}-{each[8:12]}-{each[12:16]}-{each[16:20]}-{each[20:]}" for each in found]
