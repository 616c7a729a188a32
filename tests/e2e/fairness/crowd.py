"""Clients by the hundred, each with one request at a time on a connection of its own, from one thread."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e.deployment import MODEL, Credential

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`at`: seconds since the load began, when it was there; `waited` until then."""

    status: int
    at: float
    waited: float
    tokens: int
    head: str


@dataclass
class Clients:
    """`count` of one tenant, who ask again as soon as they are answered.  Each answer has `tokens` and takes
    `milliseconds`.  `address`: of the Envoy that they ask, if it is another than the rest do."""

    who: Credential
    count: int
    tokens: int = 10
    milliseconds: int = 50
    after: float = 0.0
    model: str = MODEL
    address: str = ""
    answers: list[Answer] = field(default_factory=list)

    def request(self, host: str) -> bytes:
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2048})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {self.who.secret}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-stub-tokens: {self.tokens}\r\nx-stub-delay-ms: {self.milliseconds}\r\n\r\n"
        )
        return (head + body).encode()

    def tokens_between(self, start: float, end: float) -> int:
        return sum(each.tokens for each in self.answers if each.status == 200 and start <= each.at < end)


def run(address: str, seconds: float, *crowds: Clients, then: Callable[[float], None] | None = None) -> None:
    """All of them at once, until `seconds` are over.  `then` is called now and again, with the seconds gone."""
    asyncio.run(_run(address, seconds, crowds, then))


async def _run(address: str, seconds: float, crowds: tuple[Clients, ...], then: Callable[[float], None] | None) -> None:
    begun = time.monotonic()
    tasks = [
        asyncio.create_task(_client(crowd.address or address, crowd, begun))
        for crowd in crowds
        for _ in range(crowd.count)
    ]
    while time.monotonic() < begun + seconds:
        await asyncio.sleep(0.05)
        if then is not None:
            await asyncio.to_thread(then, time.monotonic() - begun)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _client(address: str, crowd: Clients, begun: float) -> None:
    await asyncio.sleep(crowd.after)
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    message = crowd.request(address)
    try:
        while True:
            asked = time.monotonic()
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length = STATUS.match(head), LENGTH.search(head)
            assert status is not None
            assert length is not None, head
            await reader.readexactly(int(length[1]))
            now = time.monotonic()
            answer = Answer(int(status[1]), now - begun, now - asked, crowd.tokens, head.decode("latin-1").lower())
            crowd.answers.append(answer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
