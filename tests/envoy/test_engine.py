"""A real Envoy that calls the HTTP/2 engine: its calls of a kind have one header block, and it follows a takeover."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from authz.service import CHECK
from protos.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from protos.envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse
from ratelimit.service import PATH as RESERVE
from serving.call import Unary
from serving.http2.engine import Http2Engine
from tests.envoy.chain import MESSAGES, Chain, existing_envoy
from tests.envoy.conftest import envoy_with
from tests.serving.conftest import eventually

PASSED = 404  # by both services, and by the stub, which has no such model
BODY = f'{{"model":"m",{MESSAGES}}}'


class Counted:
    """Answers of constant bytes, counted."""

    def __init__(self) -> None:
        self.checks = self.reserved = 0
        admitted = CheckResponse()
        admitted.ok_response.SetInParent()
        self._admitted = admitted.SerializeToString()
        self._reserved = RateLimitResponse(overall_code=RateLimitResponse.OK).SerializeToString()
        self.methods = (Unary(CHECK, self._check), Unary(RESERVE, self._reserve))

    def _check(self, message: bytes, call: object) -> bytes:
        self.checks += 1
        return self._admitted

    def _reserve(self, message: bytes, call: object) -> bytes:
        self.reserved += 1
        return self._reserved


@contextmanager
def serving(directory: Path, *, takes_over: bool = False) -> Iterator[tuple[Http2Engine, Counted]]:
    counted = Counted()
    addresses = [f"unix:{directory}/{name}.sock" for name in ("authz", "ratelimit")]
    engine = Http2Engine(counted.methods, addresses, None, max_message_bytes=1 << 22, takes_over=takes_over)
    thread = threading.Thread(target=engine.serve)
    thread.start()
    yield engine, counted
    engine.stop(1.0)
    thread.join(10.0)
    assert not thread.is_alive()


def test_calls_of_a_kind_have_one_block_and_a_takeover_fails_none(tmp_path: Path, stub_url: str) -> None:
    with ExitStack() as stack:
        engine, counted = stack.enter_context(serving(tmp_path, takes_over=True))
        url = stack.enter_context(envoy_with(existing_envoy(tmp_path, stub_url), tmp_path))
        chain = Chain(url, tmp_path / "access.jsonl")
        assert {chain.post(BODY).status_code for _ in range(20)} == {PASSED}
        assert (counted.checks, counted.reserved) == (20, 20)
        remembered = [len(each.reader.known) for each in engine._connections.values()]
        assert 1 < max(remembered) <= 2  # its method, and health checks

        statuses: list[int] = []
        asking = threading.Thread(target=lambda: statuses.extend(chain.post(BODY).status_code for _ in range(200)))
        asking.start()
        eventually(lambda: counted.reserved > 50)
        _, successor = stack.enter_context(serving(tmp_path, takes_over=True))
        engine.stop(1.0)
        asking.join()
        assert statuses == [PASSED] * 200
        assert successor.reserved > 0
        assert counted.reserved + successor.reserved >= 220
