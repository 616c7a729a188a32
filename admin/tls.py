"""The management API over TLS: its certificate, whose clients it takes, and connections before they have shaken hands.

asyncio would keep as many of those as come, for a minute each, before anything in connections.py hears of them.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from serving.tls_files import CHAIN, KEY, BadCertificates, Stamp, stamp_of

HANDSHAKE_SECONDS = 10.0
MAX_HANDSHAKES = 100

log = structlog.get_logger(__name__)


class Certificates:
    """`tls.crt` and `tls.key` in `directory`; with `client_ca` (a file) only clients with a certificate of it get
    through.  Files that change count for connections that come from then on.  BadCertificates when it is made."""

    def __init__(self, directory: Path, client_ca: Path | None = None) -> None:
        self._chain, self._key, self._ca = directory / CHAIN, directory / KEY, client_ca
        self._stamp = self._look()
        self._context = self._read()
        self.unfinished: dict[asyncio.Transport, None] = {}  # handshakes, the oldest first

    def context(self) -> ssl.SSLContext:
        if (stamp := self._look()) != self._stamp:
            self._stamp = stamp
            try:
                self._context = self._read()
            except BadCertificates as error:  # half of them are written
                log.warning("the certificates before stay in use", error=str(error))
        return self._context

    def _look(self) -> list[Stamp | None]:
        return [stamp_of(path) for path in (self._chain, self._key, self._ca) if path]

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._chain, self._key, password="")  # none is asked for at the terminal
            if self._ca:
                context.load_verify_locations(self._ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(str(path) for path in (self._chain, self._key, self._ca) if path)
            raise BadCertificates(f"{files}: not to be used: {error}") from None
        return context


def behind_tls(made: Callable[..., asyncio.Protocol], certificates: Certificates) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes of each connection: the handshake, and then what it would have made."""
    return lambda **given: _Handshake(made(**given), certificates)


class _Handshake(asyncio.Protocol):
    """Gives its place to `inner` when it is over, with what the client has said since."""

    def __init__(self, inner: asyncio.Protocol, certificates: Certificates) -> None:
        self._inner, self._certificates = inner, certificates
        self._said: list[bytes] = []
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast(asyncio.Transport, transport)
        unfinished = self._certificates.unfinished
        if len(unfinished) >= MAX_HANDSHAKES:
            next(iter(unfinished)).abort()  # it makes room, since clients need some milliseconds
            del unfinished[next(iter(unfinished))]
        unfinished[raw] = None
        raw.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._shake(raw), name="handshake")

    def data_received(self, data: bytes) -> None:
        self._said.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    async def _shake(self, raw: asyncio.Transport) -> None:
        loop, context = asyncio.get_running_loop(), self._certificates.context()
        try:
            secured = await loop.start_tls(
                raw, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # what clients do wrong is not logged: it would let anybody fill a log
            return
        finally:
            self._certificates.unfinished.pop(raw, None)
        if secured is None or self._lost:
            raw.abort()
            return
        secured.set_protocol(self._inner)
        self._inner.connection_made(secured)
        for data in self._said:
            self._inner.data_received(data)
