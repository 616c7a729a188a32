"""The streams of the completion queue engine: client streams and bidirectional ones.

Sinks are called by the serving thread alone, which alone answers a client stream.  A bidirectional stream sends from
any thread, one message at a time, with its outbox's lock.
"""

import time
from functools import partial

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from serving.call import BidiSink, BidiStream, ClientStream, StreamSink, failure, notify
from serving.completion_queue.calls import NO_FLAGS, Event, PendingCall, Watch
from serving.waiting.outbox import Outbox


class ClientStreamCall(PendingCall):
    __slots__ = ("_sink",)
    is_stream = True
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
        if message is None:  # ended or cut off: it was cut off if headers can no longer be sent
            self._headers_sent = True
            self._rpc.start_server_batch((cygrpc.SendInitialMetadataOperation((), NO_FLAGS),), self._ended)
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


class BidiCall(PendingCall):
    """Receives while it has room for what it is to send; sends its status last."""

    __slots__ = ("_held_back", "_outbox", "_sending", "_sink")
    is_stream = True
    _method: BidiStream
    _sink: BidiSink | None
    _watch: Watch

    def begin(self) -> None:
        self._outbox = Outbox(self._method.max_queued, self._send_next)
        self._sending = self._held_back = False
        self._sink = None
        with self._engine.watching:
            self._begin_watch()
        try:
            self._sink = self._method.open(self._outbox)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._abort(*failure(self._path, error))
            return
        self._receive(self._received)

    def refuse(self) -> None:
        self._abort(grpc.StatusCode.UNAVAILABLE, "shutting down")
        if self._sending:  # to a client that may never read it
            self._rpc.cancel(grpc.StatusCode.UNAVAILABLE.value[0], "shutting down")

    def _send_next(self) -> None:
        """With the outbox's lock: one message after another, then the status."""
        if self._sending:
            return
        message, status = self._outbox.take(), self._outbox.status
        if message is not None:
            operations = [cygrpc.SendMessageOperation(message, NO_FLAGS)]
            if not self._headers_sent:
                operations.append(cygrpc.SendInitialMetadataOperation((), NO_FLAGS))
            self._headers_sent = self._sending = True
            self._rpc.start_server_batch(operations, self._sent)
        elif status is not None:
            self.fail(*status)

    def _sent(self, _: Event) -> None:
        with self._outbox.lock:
            self._sending = False
            self._send_next()
        if self._held_back and not self._outbox.full:
            self._held_back = False
            self._receive(self._received)

    def _received(self, event: Event) -> None:
        message = event.batch_operations[0].message()
        self._received_at = time.perf_counter()
        if self._sink is None or self._outbox.status is not None:
            return
        try:
            if message is None:
                self._sink.end()
                return
            self._sink.receive(message)
        except Exception as error:  # noqa: BLE001 - the edge of an RPC
            self._abort(*failure(self._path, error))
            return
        if self._outbox.full:
            self._held_back = True
        else:
            self._receive(self._received)

    def _caller_gone(self) -> None:
        self._watch.gone = True
        self._abort(grpc.StatusCode.CANCELLED, "")

    def _abort(self, code: grpc.StatusCode, details: str) -> None:
        """Call from the serving thread."""
        self._outbox.abort(code, details)
        self._close(False)

    def _finished(self, event: Event) -> None:
        super()._finished(event)
        self._close(self._code == "OK" and not self._watch.gone)

    def _close(self, ok: bool) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            notify(self._path, partial(sink.close, ok))
