"""authz over real gRPC, on every engine, with real stores behind it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from authz.service import CHECK
from serving.engine import EngineKind, open_engine
from tests.authz.conversation import Answer, check_request
from tests.authz.sidecar import Sidecar, bearer

Check = Callable[[dict[str, str]], Answer]
NO_SUCH_KEY = "sk_" + "0" * 48


@pytest.fixture(params=["http2", "completion_queue", "threads"])
def kind(request: pytest.FixtureRequest) -> EngineKind:
    kind: EngineKind = request.param
    return kind


@pytest.fixture
def sidecar(database_url_sync: str, redis_url: str) -> Iterator[Sidecar]:
    sidecar = Sidecar(database_url_sync, redis_url)
    yield sidecar
    sidecar.close()


@pytest.fixture
def channel(kind: EngineKind, sidecar: Sidecar, tmp_path: Path) -> Iterator[grpc.Channel]:
    address = f"unix:{tmp_path}/authz.sock" if kind == "http2" else "127.0.0.1:0"
    engine = open_engine(kind, sidecar.service.methods(), [address])
    thread = threading.Thread(target=engine.serve)
    thread.start()
    target = f"127.0.0.1:{engine.ports[address]}" if engine.ports else address
    with grpc.insecure_channel(target) as channel:
        yield channel
    engine.stop(1.0)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def check(channel: grpc.Channel) -> Check:
    call = channel.unary_unary(CHECK, bytes, bytes)
    return lambda headers: Answer.read(call(check_request(headers), timeout=5))


def test_first_looked_up_then_answered_at_once(check: Check, sidecar: Sidecar) -> None:
    key = sidecar.issue()
    answers = [check(bearer(key)) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.metadata.pop("lease_id") for answer in answers}) == 5
    assert len({str(answer) for answer in answers}) == 1
    assert sidecar.tenancy.hits.counts["process"] == 4
    assert sidecar.metrics.decisions.counts["allowed"] == 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": NO_SUCH_KEY}, 401),
        ({"x-api-key": "a b"}, 401),
        ({"x-api-key": "one", "api-key": "two"}, 401),
        ({"authorization": "Bearer " + "k" * 16384}, 401),
        ({"x-api-key": NO_SUCH_KEY, "x-other": "v" * 16384}, 401),
    ],
)
def test_a_refusal(check: Check, headers: dict[str, str], status: int) -> None:
    assert check(headers).status == status


def test_a_malformed_message_is_invalid_and_the_next_call_is_served(channel: grpc.Channel, check: Check) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(CHECK, bytes, bytes)(b"\x0a\xff", timeout=5)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert check({}).status == 401


def test_many_at_once_each_get_their_own_answer(check: Check, sidecar: Sidecar) -> None:
    keys = [sidecar.issue(f"tenant-{n}") for n in range(8)]
    with ThreadPoolExecutor(16) as callers:
        asked = [(key, callers.submit(check, bearer(key, x_user_id=f"u{n}"))) for n in range(20) for key in keys]
        for key, answer in asked:
            assert answer.result().headers["x-key-id"] == key.id
    assert sidecar.tenancy.hits.counts["postgres"] == len(keys)


def test_a_revocation_is_obeyed(check: Check, sidecar: Sidecar) -> None:
    key = sidecar.issue()
    assert check(bearer(key)).status == 200
    sidecar.loop.run(sidecar.people.disable(key))
    sidecar.apply_outbox()
    sidecar.resolver.invalidate(key.hash)
    assert check(bearer(key)).status == 403
