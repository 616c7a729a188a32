"""What model servers send, as literal bytes, and a server that sends it: in pieces, cut anywhere, stalled or ended."""

import asyncio
import base64
import itertools
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import NamedTuple

SSE = "text/event-stream"
JSON = "application/json"
NDJSON = "application/x-ndjson"
AWS = "application/vnd.amazon.eventstream"
STALL_SECONDS = 30.0


class End(Enum):
    """How an answer ends after its last piece: as it should; cut off; standing still until the client leaves."""

    WHOLE = "whole"
    CUT = "cut"
    STALLED = "stalled"


class Answer(NamedTuple):
    """Each piece is sent by itself, `pause` seconds after the one before."""

    pieces: tuple[bytes, ...]
    content_type: str = SSE
    headers: tuple[str, ...] = ()
    trailers: tuple[str, ...] = ()
    end: End = End.WHOLE
    pause: float = 0.0

    def cut(self, pieces: int) -> "Answer":
        """The server is gone after that many pieces."""
        return self._replace(pieces=self.pieces[:pieces], end=End.CUT)

    def left(self, pieces: int) -> "Answer":
        """The client leaves after that many pieces."""
        return self._replace(pieces=self.pieces[:pieces], end=End.STALLED)

    def then(self, pieces: int, answer: "Answer") -> "Answer":
        """That many pieces, and then those of another answer."""
        return self._replace(pieces=self.pieces[:pieces] + answer.pieces)

    def in_pieces_of(self, size: int) -> "Answer":
        body = b"".join(self.pieces)
        return self._replace(pieces=tuple(body[at : at + size] for at in range(0, len(body), size)))

    def changed(self, change: Callable[[bytes], bytes]) -> "Answer":
        return self._replace(pieces=tuple(map(change, self.pieces)))

    def compressed(self) -> "Answer":
        """Piece by piece, as a server does that flushes each event."""
        gzip = zlib.compressobj(wbits=31)
        pieces = [gzip.compress(piece) + gzip.flush(zlib.Z_SYNC_FLUSH) for piece in self.pieces]
        return self._replace(pieces=(*pieces, gzip.flush()), headers=(*self.headers, "content-encoding: gzip"))


def stream(text: str, content_type: str = SSE) -> Answer:
    """Server-sent events as they are written here, an empty line between two."""
    return Answer(tuple(f"{event.strip()}\n\n".encode() for event in text.strip().split("\n\n")), content_type)


def lines(text: str) -> Answer:
    """A JSON document in each line."""
    return Answer(tuple(f"{line.strip()}\n".encode() for line in text.strip().splitlines()), NDJSON)


def plain(text: str, *headers: str, content_type: str = JSON) -> Answer:
    return Answer((text.strip().encode(),), content_type, headers)


def array(text: str) -> Answer:
    """A JSON array, sent element by element (a line each here)."""
    elements = text.strip().splitlines()
    pieces = [("[" if i == 0 else ",") + element for i, element in enumerate(elements)]
    return Answer((*(piece.encode() for piece in pieces), b"]"), JSON)


def frames(text: str) -> Answer:
    """AWS' event stream: in each line the name of an event and its JSON; with `!` before the name, of an exception."""
    return Answer(tuple(_frame(*line.strip().split(" ", 1)) for line in text.strip().splitlines()), AWS)


def chunks(text: str) -> Answer:
    """AWS' event stream of InvokeModel: the JSON in each line in base64."""
    return Answer(
        tuple(
            _frame("chunk", f'{{"bytes":"{base64.b64encode(line.strip().encode()).decode()}","p":"abcdefgh"}}')
            for line in text.strip().splitlines()
        ),
        AWS,
    )


def _frame(name: str, payload: str) -> bytes:
    kind = ":exception-type" if name.startswith("!") else ":event-type"
    message = "exception" if name.startswith("!") else "event"
    fields = {kind: name.removeprefix("!"), ":content-type": JSON, ":message-type": message}
    headers = b"".join(
        struct.pack(f">B{len(key)}sBH{len(value)}s", len(key), key.encode(), 7, len(value), value.encode())
        for key, value in fields.items()
    )
    body = payload.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message_bytes = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message_bytes + struct.pack(">I", zlib.crc32(message_bytes))


class Upstream:
    """Sends to each request the answer whose number its header `x-answer` has."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self._numbers = itertools.count()

    def add(self, answer: Answer) -> int:
        """Its number.  From any thread."""
        number = next(self._numbers)
        self.answers[number] = answer
        return number

    def chosen(self, fields: dict[str, str]) -> Answer:
        """For a request with these headers."""
        return self.answers[int(fields["x-answer"])]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                await reader.readexactly(int(fields.get("content-length", "0")))
                if not await self._send(self.chosen(fields), reader, writer):
                    break
        writer.close()

    async def _send(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        whole = any(name.startswith("content-length:") for name in answer.headers)
        framing = () if whole else ("transfer-encoding: chunked",)
        fields = [f"content-type: {answer.content_type}", *framing, *answer.headers]
        writer.write(("\r\n".join(["HTTP/1.1 200 OK", *fields]) + "\r\n\r\n").encode())
        for piece in answer.pieces:
            if piece:
                writer.write(piece if whole else b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(answer.pause)
        if answer.end is End.STALLED:
            await asyncio.wait_for(reader.read(), STALL_SECONDS)
            return False
        if answer.end is End.CUT:
            return False
        if not whole:
            writer.write(("\r\n".join(["0", *answer.trailers]) + "\r\n\r\n").encode())
        await writer.drain()
        return True


@contextmanager
def running(upstream: Upstream) -> Iterator[str]:
    """The upstream's URL."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(upstream.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
