"""What sidecars tell each other of requests that began elsewhere, in Redis: a stream that keeps some seconds.  All in
one cluster slot."""

from collections.abc import Iterable, Sequence
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
ID_DIGITS, ITEM_DIGITS = 32, 40
# What became of a request, in 32 bits: one of these, or, if it is over, the service that it had.
ARRIVED = 0xFFFFFFFF  # its body is there
UNDECIDED = 0xFFFFFFFE  # it is over, and no decision reached Envoy
OVER = 0xFFFFFFFD  # it is over, and its service is not known
MAX_SERVICE = OVER - 1


class Item(NamedTuple):
    lease_id: str
    what: int


class Told(NamedTuple):
    """`complete`: every sidecar that reports to the fleet also reports arrivals, or is asked by nobody over TCP.
    `lost`: some reports may never come.  `through_ms`: the time up to which all others have reported, None if there are
    none.  `more`: there was more than could be read at once.  `items` by sidecar."""

    now_ms: int
    complete: bool
    lost: bool
    through_ms: int | None
    more: bool
    items: list[tuple[str, list[Item]]]


class RedisArrivals:
    """For one sidecar.  Raises what store.redis.UNAVAILABLE lists.  The clock is Redis's own."""

    def __init__(self, client: "Client", sidecar: str) -> None:
        self._client, self._sidecar = client, sidecar
        self._cursor, self._read_ms = "", 0

    async def tell(self, items: Sequence[Item], through_ms: int, *, lost: bool = False) -> Told:
        """All that this sidecar was told before `through_ms` is in `items`, or was reported earlier; if not, some is
        `lost`."""
        found = await self._call("tells", items, through_ms, lost=lost)
        now_ms, complete, missed, through, cursor, more, told = found
        self._cursor, self._read_ms = cursor.decode(), now_ms
        items_by = [(by.decode(), unpacked(text)) for by, text in zip(told[::2], told[1::2], strict=True)]
        return Told(now_ms, bool(complete), bool(missed), None if through < 0 else through, bool(more), items_by)

    async def stay_quiet(self) -> None:
        """Nobody asks this sidecar over TCP.  To be repeated every few seconds."""
        await self._call("quiet", (), 0)

    async def leave(self, items: Sequence[Item]) -> None:
        """The last report of this sidecar."""
        await self._call("leaves", items, 0)

    async def _call(self, how: str, items: Sequence[Item], through_ms: int, *, lost: bool = False) -> list:  # type: ignore[type-arg]
        durations = [int(seconds * 1000) for seconds in (KEEP_SECONDS, SILENT_SECONDS)]
        said = (self._sidecar, how, through_ms, self._cursor, self._read_ms, int(lost))
        reply: list = await self._client.eval(  # type: ignore[type-arg]
            SCRIPT, len(KEYS), *KEYS, *map(str, (*said, *durations, MAX_READ)), packed(items)
        )
        return reply


def packed(items: Iterable[Item]) -> bytes:
    return bytes.fromhex("".join(f"{lease_id.replace('-', '')}{what:08x}" for lease_id, what in items))


def unpacked(items: bytes) -> list[Item]:
    text = items.hex()
    return [_item(text[at : at + ITEM_DIGITS]) for at in range(0, len(text), ITEM_DIGITS)]


def _item(text: str) -> Item:
    lease_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:ID_DIGITS]}"
    return Item(lease_id, int(text[ID_DIGITS:], 16))
