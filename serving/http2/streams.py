"""The streams of the HTTP/2 engine: client streams and bidirectional ones.

Sinks are called by the serving thread alone, which also sends; an outbox that another thread fills wakes it.
"""

from collections.abc import Callable
from functools import partial

import grpc

from serving.call import BidiSink, BidiStream, ClientStream, StreamSink, failure, notify
from serving.http2.answers import PREFIX
from serving.http2.calls import CANCELLED, OK, SHUTTING_DOWN, UNAVAILABLE, Answer, PendingCall
from serving.waiting.outbox import Outbox


class ClientStreamCall(PendingCall):
    is_stream = True
    sink: StreamSink | None = None

    def begin(self) -> None:
        method: ClientStream = self.method
        try:
            self.sink = method.open()
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.conclude(*failure(self.path, error))

    def received(self, message: bytes) -> None:
        if self.sink is None:
            return
        try:
            self.sink.receive(message)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.abort(*failure(self.path, error))

    def finished(self) -> None:
        self._finish(True, OK)

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        self._finish(False, code, details)

    def left(self) -> None:
        super().left()
        self._finish(False, CANCELLED)

    def expire(self) -> None:
        super().expire()
        self._finish(False, CANCELLED)

    def refuse(self) -> None:
        self._finish(False, UNAVAILABLE, SHUTTING_DOWN)
        super().refuse()  # one whose answer nobody takes

    def _finish(self, ok: bool, code: grpc.StatusCode, details: str = "") -> None:
        """Finishes the sink, once.  `code` and `details` are the answer if not `ok`."""
        sink, self.sink = self.sink, None
        if sink is None:
            return
        try:
            answer = sink.finish(ok)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            ok, (code, details) = False, failure(self.path, error)
        if ok:
            self.take(answer, None)
        else:
            self.conclude(code, details)


class BidiCall(PendingCall):
    """Receives while it has room for what it is to send; sends its status last."""

    is_stream = True
    sink: BidiSink | None = None
    outbox: Outbox
    end_told = False

    def begin(self) -> None:
        method: BidiStream = self.method
        self.outbox = Outbox(method.max_queued, self._more_to_send)
        try:
            self.sink = method.open(self.outbox)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.abort(*failure(self.path, error))

    def take(self, answer: Answer, if_lost: Callable[[], None] | None) -> None:
        """There is more to send."""
        if not self.over and self.pending is None:
            self.drained()

    def drained(self) -> None:
        """One message after another, then the status."""
        while not self.over:
            with self.outbox.lock:
                message, status = self.outbox.take(), self.outbox.status
            if message is None:
                if status is not None:
                    self.conclude(*status)
                    self._close(status[0] is OK)
                break
            self.pending = memoryview(PREFIX.pack(0, len(message)) + message)
            if not self.connection.pump(self):
                break
        if not self.over and self.stalled and not self.outbox.full:
            self.read()

    def holds_back(self) -> bool:
        return self.outbox.full

    def received(self, message: bytes) -> None:
        if self.sink is None or self.outbox.status is not None:
            return
        try:
            self.sink.receive(message)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.abort(*failure(self.path, error))

    def finished(self) -> None:
        if self.end_told or self.sink is None or self.outbox.status is not None:
            return
        self.end_told = True
        try:
            self.sink.end()
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self.abort(*failure(self.path, error))

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the stream without what is still queued, or half sent."""
        self.outbox.abort(code, details)
        self.conclude(*(self.outbox.status or (code, details)))
        self._close(False)

    def left(self) -> None:
        self.outbox.abort(CANCELLED, "")
        super().left()
        self._close(False)

    def expire(self) -> None:
        self.outbox.abort(CANCELLED, "")
        super().expire()
        self._close(False)

    def refuse(self) -> None:
        self.abort(UNAVAILABLE, SHUTTING_DOWN)

    def _more_to_send(self) -> None:
        """From any thread, with the outbox's lock."""
        self.connection.engine.post(self, None, None)

    def _close(self, ok: bool) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
            notify(self.path, partial(sink.close, ok))
