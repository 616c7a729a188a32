"""Over TCP only callers with the secret are served, on a Unix socket everybody who may open it."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from serving.call import Call, ClientStream, Method, Unary
from serving.engine import EngineKind, open_engine
from serving.guard import SECRET_KEY, Guard
from tests.serving.conftest import TIMEOUT_SECONDS, Served, Server, on_tcp
from tests.serving.streams.test_stream import LOG, Sink
from tests.serving.talks import TALK, Talks

OLD, NEW = "o" * 32, "n" * 32
ECHO, HEALTH = "/test.Service/Echo", "/test.Health/Check"
TCP = "127.0.0.1:0"
Metadata = tuple[tuple[str, str], ...]


def echo(message: bytes, call: Call) -> bytes:
    return message


def unary(channel: grpc.Channel, path: str, metadata: Metadata) -> bytes:
    answer: bytes = channel.unary_unary(path, None, None)(b"a", timeout=TIMEOUT_SECONDS, metadata=metadata)
    return answer


CALLS: dict[str, Callable[[grpc.Channel, Metadata], object]] = {
    "unary": lambda channel, metadata: unary(channel, ECHO, metadata),
    "client stream": lambda channel, metadata: channel.stream_unary(LOG, None, None)(
        iter([b"a"]), timeout=TIMEOUT_SECONDS, metadata=metadata
    ),
    "bidirectional": lambda channel, metadata: list(
        channel.stream_stream(TALK, None, None)(iter([b"a"]), timeout=TIMEOUT_SECONDS, metadata=metadata)
    ),
}


@pytest.fixture
def guarded(kind: EngineKind, serve: Server, talks: Talks, tmp_path: Path) -> Served:
    methods: list[Method] = [Unary(ECHO, echo), Unary(HEALTH, echo), ClientStream(LOG, Sink), talks.method]
    addresses = [TCP, f"unix:{tmp_path}/s.sock"]
    return serve.run(open_engine(kind, methods, addresses, guard=Guard([NEW, OLD], {HEALTH})), TCP)


@on_tcp
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_over_tcp_only_who_has_the_secret_is_served(
    guarded: Served, talks: Talks, tmp_path: Path, call: Callable[[grpc.Channel, Metadata], object]
) -> None:
    wrong: list[Metadata] = [
        (),
        ((SECRET_KEY, ""),),
        ((SECRET_KEY, NEW[:-1]),),
        ((SECRET_KEY, NEW + "n"),),
        ((SECRET_KEY, NEW), (SECRET_KEY, NEW)),
        (("x-other", NEW),),
    ]
    with capture_logs() as logs:
        for metadata in wrong:
            with pytest.raises(grpc.RpcError) as refused:
                call(guarded.channel, metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert [line["event"] for line in logs] == ["a call over TCP without the secret is refused"]
    assert NEW[:8] not in str(logs)
    assert not talks.opened
    assert call(guarded.channel, ((SECRET_KEY, OLD),)) == call(guarded.channel, ((SECRET_KEY, NEW),))
    with grpc.insecure_channel(f"unix:{tmp_path}/s.sock") as channel:
        assert call(channel, ())


@on_tcp
def test_health_is_asked_without_the_secret(guarded: Served) -> None:
    assert unary(guarded.channel, HEALTH, ()) == b"a"


def test_no_secret_can_be_empty() -> None:
    with pytest.raises(ValueError, match="empty"):
        Guard([""])
