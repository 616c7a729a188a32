"""The calls of the completion queue engine: a unary call, a client stream, a call of an unknown method.

A call is answered once, from any thread, by whoever takes it out of its engine's `unanswered`.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from serving.call import NEVER_SECONDS, ClientStream, Method, StreamSink, Unary, failure

_NO_FLAGS = 0
_OK = 0

Event = Any
Tag = Callable[[Event], None]


class Engine(Protocol):
    """What a call uses of its engine."""

    observe: Callable[[str, float, str], None] | None
    unanswered: "set[PendingCall]"
    unfinished: int

    def postpone(self, step: Callable[[], None]) -> None:
        """Has `step` run once nothing else waits.  It must not raise."""


class PendingCall:
    """A call that is not over; as it is, one of an unknown method."""

    __slots__ = (
        "_code", "_deadline", "_engine", "_headers_sent", "_if_lost", "_method", "_received_at", "_rpc", "_seconds"
    )  # fmt: skip

    def __init__(self, engine: Engine, rpc: Any, deadline: float, method: Method | None) -> None:
        self._engine, self._rpc, self._deadline, self._method = engine, rpc, deadline, method
        self._received_at, self._headers_sent = time.perf_counter(), False
        self._if_lost: Callable[[], None] | None = None
        engine.unanswered.add(self)
        engine.unfinished += 1

    @property
    def _path(self) -> str:
        return self._method.path if self._method else ""

    def reply(self, message: bytes, if_lost: Callable[[], None] | None = None) -> None:
        if not isinstance(message, bytes):
            raise TypeError(f"a reply must be bytes, not {type(message).__name__}")
        if not self._answer(_OK, "OK", b"", message, if_lost) and if_lost is not None:
            if_lost()

    def fail(self, code: grpc.StatusCode, details: str = "") -> None:
        self._answer(code.value[0], code.name, details.encode(errors="replace"))

    def refuse(self) -> None:
        """Ends a call that cannot wait any longer for its answer."""
        self.fail(grpc.StatusCode.UNAVAILABLE, "shutting down")

    def time_remaining(self) -> float | None:
        return None if self._deadline > NEVER_SECONDS else max(0.0, self._deadline - time.time())

    def _answer(
        self,
        number: int,
        code: str,
        details: bytes,
        message: bytes | None = None,
        if_lost: Callable[[], None] | None = None,
    ) -> bool:
        """False if it was answered before."""
        try:
            self._engine.unanswered.remove(self)  # atomic: of two answerers one goes on
        except KeyError:
            return False
        self._if_lost = if_lost
        self._code, self._seconds = code, time.perf_counter() - self._received_at
        operations = [
            cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
            cygrpc.SendStatusFromServerOperation((), number, details, _NO_FLAGS),
        ]
        if not self._headers_sent:
            operations.append(cygrpc.SendInitialMetadataOperation((), _NO_FLAGS))
        if message is not None:
            operations.append(cygrpc.SendMessageOperation(message, _NO_FLAGS))
        self._rpc.start_server_batch(operations, self._finished)
        return True

    def _finished(self, event: Event) -> None:
        self._engine.unfinished -= 1
        gone = self._code == "OK" and event.batch_operations[0].cancelled()
        if gone and self._if_lost is not None:
            self._if_lost()
        if self._engine.observe is not None:
            self._engine.observe(self._path, self._seconds, "CANCELLED" if gone else self._code)

    def _receive(self, tag: Tag) -> None:
        self._rpc.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), tag)


class UnaryCall(PendingCall):
    __slots__ = ()
    _method: Unary

    def begin(self) -> None:
        self._receive(self._received)

    def _received(self, event: Event) -> None:
        message = event.batch_operations[0].message()
        if message is None or self not in self._engine.unanswered:  # the caller left, or we refused it meanwhile
            self.fail(grpc.StatusCode.CANCELLED)
            return
        if self._deadline < time.time():  # nobody waits for this answer
            self.fail(grpc.StatusCode.DEADLINE_EXCEEDED)
            return
        try:
            answer = self._method.handler(message, self)
            if callable(answer):
                self._engine.postpone(partial(self._answer_last, answer))
            elif answer is not None:
                self.reply(answer)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.fail(*failure(self._path, error))

    def _answer_last(self, make: Callable[[], bytes]) -> None:
        try:
            self.reply(make())
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.fail(*failure(self._path, error))


class StreamCall(PendingCall):
    """A client stream.  Only the serving thread answers it."""

    __slots__ = ("_sink",)
    _method: ClientStream
    _sink: StreamSink | None

    def begin(self) -> None:
        self._sink = None
        try:
            self._sink = self._method.open()
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.fail(*failure(self._path, error))
            return
        self._receive(self._received)

    def refuse(self) -> None:
        self._conclude(False, grpc.StatusCode.UNAVAILABLE, "shutting down")

    def _received(self, event: Event) -> None:
        message = event.batch_operations[0].message()
        self._received_at = time.perf_counter()
        if self._sink is None:
            return
        if message is None:  # ended or cut: only whether headers can still be sent tells
            self._headers_sent = True
            self._rpc.start_server_batch((cygrpc.SendInitialMetadataOperation((), _NO_FLAGS),), self._ended)
            return
        try:
            self._sink.receive(message)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._conclude(False, *failure(self._path, error))
            return
        self._receive(self._received)

    def _ended(self, event: Event) -> None:
        self._conclude(event.success, grpc.StatusCode.CANCELLED)

    def _conclude(self, ok: bool, code: grpc.StatusCode, details: str = "") -> None:
        """Finishes the sink, once.  `code` and `details` are the answer if not `ok`."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            answer = sink.finish(ok)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            ok, (code, details) = False, failure(self._path, error)
        if ok:
            self.reply(answer)
        else:
            self.fail(code, details)
