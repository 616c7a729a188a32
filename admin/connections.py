"""Connections to the management API: how many there may be, and how long each stage of one may take.

uvicorn has a deadline only for idle connections, and none before the first request; this is its protocol with the
missing ones.  What happens within a request (its body, its answer) is the gate's matter.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from admin.gate.answers import PRINCIPAL_KEY

KEEP_ALIVE_SECONDS = 75
LINGER_NOT = struct.pack("ii", 1, 0)

FULL = b"too many connections are open and in use; try again"
TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"retry-after: 1\r\ncontent-length: %d\r\n\r\n%b" % (len(FULL), FULL)
)


class Stage(Enum):
    """What a connection waits for."""

    HEAD = "the head of a request"
    EXCHANGE = "the rest of a request, its answer, and the client's reading of it"
    IDLE = "another request"
    END = "the client's reading of the last answer"


class Connection(H11Protocol):
    """One connection.  Beyond the bounds, a new one replaces the one that has least to lose."""

    max_connections = 500  # below the usual bound on open files
    max_per_address = 100  # a proxy is one address, and needs fewer: requests take milliseconds
    # uvicorn itself ends idle ones, unless their answers are not read.
    seconds: Mapping[Stage, float] = {
        Stage.HEAD: 10.0,
        Stage.EXCHANGE: 60.0,
        Stage.IDLE: KEEP_ALIVE_SECONDS + 15.0,
        Stage.END: 10.0,
    }

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began = self.loop.time()
        self._waits_for: tuple[Stage, object] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._leaves = self._trusted = False
        self._review()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._review()

    def on_response_complete(self) -> None:
        self._known()
        super().on_response_complete()
        self._review()

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    def _stage(self) -> Stage:
        if self.transport.is_closing():
            return Stage.END
        # cast: the protocol says that it always has a cycle
        cycle = cast("object | None", self.cycle)
        if cycle is None:
            return Stage.HEAD
        if not self.cycle.response_complete or self.conn.their_state is h11.SEND_BODY:
            return Stage.EXCHANGE
        return Stage.HEAD if self.conn.trailing_data[0] else Stage.IDLE

    def _review(self) -> None:
        """Gives each stage its deadline when it begins; data that trickles in does not extend it."""
        stage = self._stage()
        waits_for = (stage, self.cycle)
        if waits_for == self._waits_for:
            return
        self._waits_for = waits_for
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.seconds[stage], self._leave)

    def _make_room(self) -> None:
        """Nobody who was admitted by a token loses a running request; if all connections are such, this one has to
        go."""
        everybody = cast("set[Connection]", self.connections)
        crowd = Counter(each.address for each in everybody)
        if crowd[self.address] > self.max_per_address:
            among = [each for each in everybody if each.address == self.address]
        elif len(everybody) > self.max_connections:
            among = list(everybody)
        else:
            return
        leaving = [each for each in among if each is not self and each._may_leave()]
        if leaving:
            min(leaving, key=lambda each: (each._known(), -crowd[each.address], each._began))._leave()
        else:
            self.transport.write(TURNED_AWAY)
            self.transport.close()
            self._review()

    def _known(self) -> bool:
        """Whether a request that came on this connection had a valid token."""
        self._trusted = self._trusted or (self.scope is not None and PRINCIPAL_KEY in self.scope)
        return self._trusted

    def _may_leave(self) -> bool:
        return not self._leaves and not (self._known() and self._stage() is Stage.EXCHANGE)

    def _leave(self) -> None:
        """Closes at once, and drops what the client has not read: otherwise the kernel would keep that."""
        self._leaves = True
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.transport.abort()
