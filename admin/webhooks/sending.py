"""Sends one event to one webhook: the request, where it may go, and what is read of the answer.

A name is looked up once, each of its addresses is checked, and the connection goes to one of those: a later change of
the name does not matter.  Redirects are not followed, and proxies of the environment are not used.
"""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from functools import cached_property

import httpcore

from admin.access.webhook_secrets import UnknownRoot, WebhookSecrets
from tenancy.postgres.webhooks.queue import MAX_RESPONSE, Outcome, Taken
from tenancy.values.receiver import Reach

DEADLINE_SECONDS = 10.0  # for the whole delivery
MAX_CONNECTIONS = 64
MAX_ADDRESSES = 4  # addresses of a name that are tried
MAX_WAIT_SECONDS = 3600.0  # the longest delay that a receiver may ask for
GONE = 410
NO_SECRET = "the secret of TOLLKEEPER_WEBHOOK_SECRET that made its own is not there any more: rotate it"
Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Refused(httpcore.ConnectError):
    """Nothing may be sent there."""


class Checked(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that are within reach only."""

    def __init__(self, reach: Reach, lookups: ThreadPoolExecutor) -> None:
        self._reach, self._lookups, self._inner = reach, lookups, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        for each in addresses:
            if wrong := self._reach.wrong_with(each):
                raise Refused(f"{host} is refused: {wrong}")
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for each in addresses[:MAX_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(each, port, timeout, local_address, socket_options)
            except httpcore.NetworkError as failed:
                error = failed
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Refused("no socket of this machine is a receiver")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._lookups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be looked up: {error}") from error
        return list(dict.fromkeys(str(each[4][0]) for each in found))


class Sender:
    """`operators`, `organizations`: how far the webhooks of each may reach."""

    def __init__(
        self, secrets: WebhookSecrets, operators: Reach, organizations: Reach, seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._secrets, self._seconds = secrets, seconds
        self._lookups = ThreadPoolExecutor(8, "webhook-lookup")  # of its own: a lookup may hang
        self._operators, self._organizations = operators, organizations
        self._pools: dict[Reach, httpcore.AsyncConnectionPool] = {}

    async def send(self, taken: Taken) -> Outcome:
        """Raises only when it is cancelled."""
        body = body_of(taken)
        try:
            headers = self._headers(taken, body)
            async with asyncio.timeout(self._seconds):
                return await self._send(taken, headers, body)
        except UnknownRoot:
            return Outcome(None, NO_SECRET)
        except TimeoutError:
            return Outcome(None, f"there was no whole answer within {self._seconds:g} s")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            return Outcome(None, printable(str(error) or type(error).__name__, MAX_RESPONSE))

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _send(self, taken: Taken, headers: list[tuple[bytes, bytes]], body: bytes) -> Outcome:
        pool = self._pool(self._operators if taken.organization is None else self._organizations)
        async with pool.stream("POST", taken.url, headers=headers, content=body) as answer:
            read = bytearray()
            async for chunk in answer.aiter_stream():
                read += chunk
                if len(read) >= MAX_RESPONSE:
                    break
        text = printable(bytes(read[:MAX_RESPONSE]).decode(errors="replace"), MAX_RESPONSE)
        if 200 <= answer.status < 300:
            return Outcome(answer.status, response=text)
        says = dict(answer.headers)
        redirect = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        error = f"the answer was {answer.status}{redirect}"
        return Outcome(answer.status, error, text, answer.status == GONE, _wait(says.get(b"retry-after", b"")))

    def _headers(self, taken: Taken, body: bytes) -> list[tuple[bytes, bytes]]:
        timestamp = int(time.time())
        signatures = self._secrets.signatures(taken.salts, taken.event_id, timestamp, body)
        return [
            (b"content-type", b"application/json"),
            (b"user-agent", b"Tollkeeper"),
            (b"webhook-id", taken.event_id.encode()),
            (b"webhook-timestamp", str(timestamp).encode()),
            (b"webhook-signature", signatures.encode()),
        ]

    def _pool(self, reach: Reach) -> httpcore.AsyncConnectionPool:
        """Connections are not kept: one that the receiver has closed meanwhile would cost an attempt."""
        if reach not in self._pools:
            self._pools[reach] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=0,
                network_backend=Checked(reach, self._lookups),
            )
        return self._pools[reach]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when something is first sent: to load the certificates of this machine takes 80 ms."""
        return ssl.create_default_context()


def body_of(taken: Taken) -> bytes:
    """The same bytes in each attempt."""
    timestamp = taken.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": taken.kind, "timestamp": timestamp, "data": taken.data}, ensure_ascii=False).encode()


def printable(text: str, most: int) -> str:
    """The printable part of what a receiver answered, for storing and showing."""
    return "".join(each if each.isprintable() else " " for each in text[:most])


def _wait(retry_after: bytes) -> float:
    return min(float(retry_after), MAX_WAIT_SECONDS) if retry_after.isdigit() and len(retry_after) < 10 else 0.0
