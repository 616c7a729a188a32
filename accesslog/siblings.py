"""What the processes of one sidecar tell each other.  A request's log entry may reach another process than the one that
admitted it, so they report which requests are over, and which are fully accounted for.  And an Envoy's streams may be
in another process than its requests, so they report which Envoys have streams open, and which are gone.

Nothing depends on these messages: a process that misses an end learns it from Redis later, and an entry of which the
reader of the file log was not told is processed once more, which changes nothing.  So what cannot be sent is dropped.
Unix datagrams, because they keep messages apart and need no connection.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

from accesslog.metrics import AccessLogMetrics
from accesslog.streams import Gone
from serving.bell import Bell
from tenancy.values.lease_id import ENVOY_DIGITS

SECONDS = 0.02  # between two rounds of telling, while there is anything to tell
ID_BYTES = 36  # a lease id
SERVICE_DIGITS = 12
NOT_KNOWN = "-" * SERVICE_DIGITS
MOST_SERVICE = 10**SERVICE_DIGITS - 1
MS_DIGITS = 13  # since 1970, until 2286
IDS_A_MESSAGE = 1000
MAX_WAITING = 100_000  # ids for one sibling that does not read; about 10 MB
MAX_MESSAGE = 1 + (ID_BYTES + SERVICE_DIGITS) * IDS_A_MESSAGE
SOCKET_MODE = 0o600


class News(Enum):
    """The first byte of a message.  Items of equal length follow: lease ids, unless stated otherwise.  A process of a
    version that does not know the kind ignores the message."""

    OVER = b"e"  # its log entry has arrived here; items as `over_of` reads them
    UNDECIDED = b"u"  # the same, and no decision reached Envoy
    ARRIVED = b"a"  # its body has arrived, and counts as held only while it is in flight
    DONE = b"d"  # settled, and its row is safe
    HERE = b"h"  # Envoys that have a log stream open
    GONE = b"g"  # what `gone_of` reads

    @property
    def item_bytes(self) -> int:
        return ITEM_BYTES.get(self, ID_BYTES)


ITEM_BYTES = {
    News.OVER: ID_BYTES + SERVICE_DIGITS,
    News.HERE: ENVOY_DIGITS,
    News.GONE: ENVOY_DIGITS + MS_DIGITS,
}


Heard = Callable[[Iterable[str]], None]
"""Told of the items of a message."""


class Siblings:
    """`sockets` of all processes, of which ours is the `number`th, from 1.  Only the first reads the file log, so only
    it is told what is done.  The methods that tell are thread-safe."""

    def __init__(self, sockets: Sequence[Path], number: int, metrics: AccessLogMetrics) -> None:
        self._own, self._metrics, self._bell = sockets[number - 1], metrics, Bell()
        self._waiting = {
            (news, each): _queue()
            for news in News
            for each in sockets
            if each != self._own and (news is not News.DONE or each == sockets[0])
        }

    def over(self, lease_id: str, service: int | None) -> None:
        """`service`: the tokens of service that it had, None if that is not known."""
        text = NOT_KNOWN if service is None else str(min(service, MOST_SERVICE)).zfill(SERVICE_DIGITS)
        self._tell(News.OVER, (lease_id + text,))

    def undecided(self, lease_ids: Sequence[str]) -> None:
        self._tell(News.UNDECIDED, lease_ids)

    def arrived(self, lease_ids: Sequence[str]) -> None:
        self._tell(News.ARRIVED, lease_ids)

    def done(self, lease_ids: Sequence[str]) -> None:
        self._tell(News.DONE, lease_ids)

    def here(self, envoys: Sequence[str]) -> None:
        self._tell(News.HERE, envoys)

    def gone(self, envoys: Sequence[Gone]) -> None:
        self._tell(News.GONE, [f"{each.envoy}{int(each.before * 1000):0{MS_DIGITS}d}" for each in envoys])

    async def run(self, heard: Mapping[News, Heard]) -> None:
        """Sends and receives until cancelled, then sends what is left.  `heard` is called on the loop."""
        self._own.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.bind(os.fspath(self._own))
            self._own.chmod(SOCKET_MODE)
            own.setblocking(False)
            loop.add_reader(own, self._receive, own, heard)
            try:
                while True:
                    await self._bell.heard(SECONDS)
                    self._send_all(own)
                    if any(self._waiting.values()):  # a sibling reads too slowly
                        self._bell.ring()
            finally:
                self._send_all(own)
                loop.remove_reader(own)  # the name stays: a successor may have it by now

    def _tell(self, news: News, lease_ids: Sequence[str]) -> None:
        for (kind, _), queue in self._waiting.items():
            if kind is news:
                queue.extend(lease_ids)
        self._bell.ring()

    def _send_all(self, own: socket.socket) -> None:
        for (news, sibling), queue in self._waiting.items():
            while queue and self._send(own, sibling, news, queue):
                pass

    def _send(self, own: socket.socket, sibling: Path, news: News, queue: "deque[str]") -> bool:
        """False if the sibling reads too slowly: the rest waits."""
        ids = [queue.popleft() for _ in range(min(len(queue), IDS_A_MESSAGE))]
        try:
            own.sendto(news.value + "".join(ids).encode(), os.fspath(sibling))
        except BlockingIOError:
            queue.extendleft(reversed(ids))
            return False
        except OSError:  # it is not there now
            if news is not News.HERE:  # it is said again anyway
                self._metrics.untold.add(n=len(ids))
        return True

    def _receive(self, own: socket.socket, heard: Mapping[News, Heard]) -> None:
        with suppress(BlockingIOError):
            while True:
                news, lease_ids = read(own.recv(MAX_MESSAGE + 1))
                if news is not None and news in heard:
                    heard[news](lease_ids)


def read(message: bytes) -> tuple[News | None, list[str]]:
    """None: not a message of ours."""
    news = {news.value: news for news in News}.get(message[:1])
    if news is None or len(message) > MAX_MESSAGE or len(message) % news.item_bytes != 1 or not message.isascii():
        return None, []
    text, size = message[1:].decode(), news.item_bytes
    return news, [text[at : at + size] for at in range(0, len(text), size)]


def over_of(item: str) -> tuple[str, int | None]:
    """The lease id of an item of News.OVER, and what its request had."""
    service = item[ID_BYTES:]
    return item[:ID_BYTES], int(service) if service.isdigit() else None


def gone_of(item: str) -> Gone | None:
    """An item of News.GONE; None if it is none."""
    envoy, ms = item[:ENVOY_DIGITS], item[ENVOY_DIGITS:]
    return Gone(envoy, int(ms) / 1000) if ms.isdecimal() else None


def _queue() -> "deque[str]":
    return deque(maxlen=MAX_WAITING)
