import threading
import time
from collections.abc import Callable
from functools import partial

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from structlog.testing import capture_logs

from serving.call import Call, Handler, Malformed, Method, Unary
from tests.serving.conftest import Server, eventually

ECHO = "/test.Service/Echo"
MEGABYTE = 1024 * 1024


def echo(message: bytes, call: Call) -> bytes:
    return message


def later(message: bytes, call: Call) -> None:
    threading.Thread(target=call.reply, args=[message]).start()


def when_idle(message: bytes, call: Call) -> Callable[[], bytes]:
    return lambda: message


def twice(message: bytes, call: Call) -> bytes:
    call.reply(message)
    call.fail(grpc.StatusCode.ABORTED)
    return b"another"


def reserved(message: bytes, call: Call) -> None:
    call.fail(grpc.StatusCode.FAILED_PRECONDITION, "schlüssel\n")


def broken(message: bytes, call: Call) -> bytes:
    raise RuntimeError("secret detail")


def broken_when_idle(message: bytes, call: Call) -> Callable[[], bytes]:
    return partial(broken, message, call)


def not_bytes(message: bytes, call: Call) -> bytes:
    return "text"  # type: ignore[return-value]


def parse(message: bytes, call: Call) -> bytes:
    return Struct.FromString(message).SerializeToString()


def malformed(message: bytes, call: Call) -> bytes:
    raise Malformed("no descriptor")


@pytest.mark.parametrize("handler", [echo, later, when_idle, twice])
@pytest.mark.parametrize("message", [b"", b"hello", bytes(3 * MEGABYTE)], ids=["empty", "small", "3 MB"])
def test_a_call_is_answered_once(serve: Server, handler: Handler, message: bytes) -> None:
    served = serve(Unary(ECHO, handler))
    assert [served.call(ECHO, message) for _ in range(3)] == [message] * 3


FAILURES = [
    (reserved, b"", grpc.StatusCode.FAILED_PRECONDITION, "schlüssel\n"),
    (broken, b"", grpc.StatusCode.INTERNAL, "internal error"),
    (broken_when_idle, b"", grpc.StatusCode.INTERNAL, "internal error"),
    (not_bytes, b"", grpc.StatusCode.INTERNAL, "internal error"),
    (parse, b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "malformed message"),
    (malformed, b"", grpc.StatusCode.INVALID_ARGUMENT, "no descriptor"),
]


@pytest.mark.parametrize(("handler", "message", "code", "details"), FAILURES)
def test_a_failure_has_its_status_and_the_engine_lives_on(
    serve: Server,
    handler: Handler,
    message: bytes,
    code: grpc.StatusCode,
    details: str,
) -> None:
    served = serve(Unary("/test.Service/Fail", handler), Unary(ECHO, echo))
    for _ in range(3):
        assert served.code("/test.Service/Fail", message) == (code, details)
        assert served.call(ECHO, b"next") == b"next"


def test_only_our_own_failures_are_logged(serve: Server) -> None:
    served = serve(Unary("/test.Service/Broken", broken), Unary("/test.Service/Malformed", malformed))
    with capture_logs() as events:
        served.code("/test.Service/Malformed", b"")
        served.code("/test.Service/Broken", b"")
    assert [(event["event"], event["method"], str(event["exc_info"])) for event in events] == [
        ("handler failed", "/test.Service/Broken", "secret detail")
    ]


def test_an_unknown_method_is_unimplemented(serve: Server) -> None:
    served = serve(Unary(ECHO, echo))
    for path in ("/test.Service/Other", "/other.Service/Echo", "/"):
        assert served.code(path, b"")[0] is grpc.StatusCode.UNIMPLEMENTED
    assert served.call(ECHO, b"next") == b"next"


def test_a_message_beyond_the_limit_is_refused(serve: Server) -> None:
    served = serve(Unary(ECHO, echo), max_message_bytes=MEGABYTE)
    assert served.call(ECHO, bytes(MEGABYTE)) == bytes(MEGABYTE)
    assert served.code(ECHO, bytes(MEGABYTE + 1))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.call(ECHO, b"next") == b"next"


def test_the_limit_is_4_mib_by_default(serve: Server) -> None:
    served = serve(Unary(ECHO, echo))
    assert served.code(ECHO, bytes(4 * MEGABYTE + 1))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_call_knows_its_deadline(serve: Server) -> None:
    remaining: list[float | None] = []

    def handler(message: bytes, call: Call) -> bytes:
        remaining.append(call.time_remaining())
        return message

    served = serve(Unary(ECHO, handler))
    served.call(ECHO, b"", timeout=5.0)
    served.channel.unary_unary(ECHO, None, None)(b"")
    assert remaining[0] is not None
    assert 0.0 < remaining[0] < 5.5  # gRPC rounds up what it sends
    assert remaining[1] is None


def test_a_late_answer_harms_nobody(serve: Server) -> None:
    held: list[Call] = []

    def hold(message: bytes, call: Call) -> None:
        held.append(call)

    served = serve(Unary("/test.Service/Hold", hold), Unary(ECHO, echo))
    assert served.code("/test.Service/Hold", b"", timeout=0.1)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    cancelled = served.start("/test.Service/Hold", b"")
    eventually(lambda: len(held) == 2)
    cancelled.cancel()  # type: ignore[no-untyped-call]
    assert served.call(ECHO, b"between") == b"between"
    eventually(lambda: held[0].time_remaining() == 0.0)
    for call in held:
        call.reply(b"late")
        call.fail(grpc.StatusCode.ABORTED)
    assert served.call(ECHO, b"next") == b"next"


def test_an_answer_that_nobody_took_is_told_of(serve: Server) -> None:
    held: list[Call] = []
    lost: list[bytes] = []

    def hold(message: bytes, call: Call) -> None:
        held.append(call)

    def answer(message: bytes, call: Call) -> None:
        call.reply(message, lambda: lost.append(message))

    served = serve(Unary("/test.Service/Hold", hold), Unary(ECHO, answer))
    left = served.start("/test.Service/Hold", b"left")
    eventually(lambda: held)
    left.cancel()  # type: ignore[no-untyped-call]
    assert [served.call(ECHO, b"taken") for _ in range(50)] == [b"taken"] * 50
    held[0].reply(b"left", lambda: lost.append(b"left"))
    eventually(lambda: lost)
    held[0].reply(b"again", lambda: lost.append(b"again"))
    eventually(lambda: b"again" in lost)
    assert b"taken" not in lost


def test_an_answer_after_the_engine_has_stopped_harms_nobody(serve: Server) -> None:
    held: list[Call] = []

    def hold(message: bytes, call: Call) -> None:
        held.append(call)

    served = serve(Unary("/test.Service/Hold", hold))
    answer = served.start("/test.Service/Hold", b"")
    eventually(lambda: held)
    served.stop()
    assert answer.code() is grpc.StatusCode.UNAVAILABLE
    held[0].reply(b"late")
    held[0].fail(grpc.StatusCode.ABORTED)


def test_handlers_run_one_at_a_time(serve: Server) -> None:
    inside: list[None] = []
    crowded: list[int] = []

    def handler(message: bytes, call: Call) -> bytes:
        inside.append(None)
        time.sleep(0.001)
        crowded.append(len(inside))
        inside.pop()
        return message

    methods: list[Method] = [Unary(f"/test.Service/{name}", handler) for name in "ABCD"]
    served = serve(*methods)
    answers = [served.start(method.path, b"") for method in methods for _ in range(10)]
    assert [answer.result() for answer in answers] == [b""] * 40
    assert crowded == [1] * 40


def test_many_calls_at_once_each_get_their_own_answer(serve: Server) -> None:
    served = serve(Unary(ECHO, later))
    messages = [b"%d" % number for number in range(500)]
    answers = [served.start(ECHO, message) for message in messages]
    assert [answer.result() for answer in answers] == messages


def test_a_pause_refuses_nobody_who_still_waits(serve: Server) -> None:
    pauses = [0.5]

    def handler(message: bytes, call: Call) -> bytes:
        if pauses:
            time.sleep(pauses.pop())
        return message

    served = serve(Unary(ECHO, handler))
    answers = [served.start(ECHO, b"x", timeout=60.0) for _ in range(3000)]
    assert {answer.code() for answer in answers} == {grpc.StatusCode.OK}


def test_calls_that_expired_in_a_pause_do_not_reach_the_handler(serve: Server) -> None:
    handled: list[bytes] = []

    def handler(message: bytes, call: Call) -> bytes:
        time.sleep(0.5 if message == b"pause" else 0.0)
        handled.append(message)
        return message

    served = serve(Unary(ECHO, handler))
    served.call(ECHO, b"warm")
    pause = served.start(ECHO, b"pause")
    time.sleep(0.1)
    expired = [served.start(ECHO, b"expired", timeout=0.1) for _ in range(10)]
    assert pause.result() == b"pause"
    assert {answer.code() for answer in expired} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert served.call(ECHO, b"next") == b"next"
    assert handled == [b"warm", b"pause", b"next"]
