"""Every engine, served in a thread, called by grpcio's public client."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import grpc
import pytest

from serving.call import Method, Observer
from serving.engine import MAX_MESSAGE_BYTES, Engine, EngineKind, open_engine
from tests.serving.talks import Talks

TIMEOUT_SECONDS = 10.0


class Talk(Protocol):
    """What grpcio returns for a bidirectional stream; its stubs know less of it."""

    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def cancel(self) -> None: ...


@dataclass
class Served:
    """An engine that serves in a thread of its own, and a client of it."""

    engine: Engine
    address: str
    thread: threading.Thread
    channel: grpc.Channel

    def call(self, path: str, message: bytes, timeout: float = TIMEOUT_SECONDS) -> bytes:
        answer: bytes = self.channel.unary_unary(path, None, None)(message, timeout=timeout)
        return answer

    def start(self, path: str, message: bytes, timeout: float = TIMEOUT_SECONDS) -> "grpc.CallFuture[bytes]":
        return self.channel.unary_unary(path, None, None).future(message, timeout=timeout)

    def stream(self, path: str, messages: Iterator[bytes]) -> "grpc.CallFuture[bytes]":
        return self.channel.stream_unary(path, None, None).future(messages, timeout=TIMEOUT_SECONDS)

    def talk(self, path: str, messages: Iterator[bytes], timeout: float = TIMEOUT_SECONDS) -> "Talk":
        """A bidirectional stream; what comes is read by iterating."""
        return cast(Talk, self.channel.stream_stream(path, None, None)(messages, timeout=timeout))

    def code(self, path: str, message: bytes, timeout: float = TIMEOUT_SECONDS) -> tuple[grpc.StatusCode, str | None]:
        """The error that a call ends in."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(path, message, timeout)
        return caught.value.code(), caught.value.details()

    def stop(self, grace: float = 0.0) -> None:
        self.engine.stop(grace)
        self.thread.join(TIMEOUT_SECONDS)
        assert not self.thread.is_alive()


@dataclass
class Server:
    """Starts engines of one kind; stops them when the test is over."""

    kind: EngineKind
    directory: Path
    served: list[Served] = field(default_factory=list)

    def __call__(
        self,
        *methods: Method,
        address: str | None = None,
        observer: Observer | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> Served:
        address = address or self.address()
        engine = open_engine(self.kind, methods, [address], observer=observer, max_message_bytes=max_message_bytes)
        return self.run(engine, address)

    def address(self) -> str:
        """One that is free, of the kind that the engine serves."""
        return f"unix:{self.directory}/{len(self.served)}.sock" if self.kind == "http2" else "127.0.0.1:0"

    def run(self, engine: Engine, address: str) -> Served:
        """An engine that is bound to `address`."""
        thread = threading.Thread(target=engine.serve)
        thread.start()
        target = f"127.0.0.1:{engine.ports[address]}" if address in engine.ports else address
        # A pool of its own: else channels to the same target share one connection, from test to test.
        channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self.served.append(Served(engine, target, thread, channel))
        return self.served[-1]


ON_TCP: list[EngineKind] = ["completion_queue", "threads"]
on_tcp = pytest.mark.parametrize("kind", ON_TCP)
"""For tests of what only those do."""


@pytest.fixture(params=["http2", *ON_TCP])
def kind(request: pytest.FixtureRequest) -> EngineKind:
    engine_kind: EngineKind = request.param
    return engine_kind


@pytest.fixture
def serve(kind: EngineKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(kind, tmp_path_factory.mktemp("sockets"))
    yield server
    for served in server.served:
        served.channel.close()
        served.stop()


@pytest.fixture
def talks() -> Talks:
    return Talks()


def eventually(condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    """Waits until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)
