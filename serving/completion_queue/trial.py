"""A trial of the completion queue engine: calls, streams and a stop over loopback.  contract.py runs it."""

import tempfile
import threading

import grpc

from serving.call import BidiStream, Call, ClientStream, Method, Outgoing, Unary
from serving.completion_queue.engine import CompletionQueueEngine

_DEADLINE_SECONDS = 5.0


class _Count:
    """Answers with the number of messages."""

    def __init__(self) -> None:
        self._messages = 0

    def receive(self, message: bytes) -> None:
        self._messages += len(message)

    def finish(self, ok: bool) -> bytes:
        return b"%d" % self._messages if ok else b""


class _Talk:
    """Sends back what it receives."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    def receive(self, message: bytes) -> None:
        self._outgoing.send(message)

    def end(self) -> None:
        self._outgoing.finish()

    def close(self, ok: bool) -> None:
        pass


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        _try(f"unix:{directory}/trial.sock")


def _try(address: str) -> None:
    held, gone = threading.Event(), threading.Event()

    def hold(_: bytes, call: Call) -> None:
        call.on_cancel(gone.set)
        held.set()

    methods: list[Method] = [
        Unary("/t/Echo", _echo),
        Unary("/t/Hold", hold),
        ClientStream("/t/Count", _Count),
        BidiStream("/t/Talk", _Talk),
    ]
    engine = CompletionQueueEngine(methods, [address], [], None)
    server = threading.Thread(target=engine.serve, daemon=True)  # a trial that fails must end all the same
    server.start()
    with grpc.insecure_channel(address) as channel:
        echoed = channel.unary_unary("/t/Echo", None, None)(b"hello", timeout=_DEADLINE_SECONDS)
        counted = channel.stream_unary("/t/Count", None, None)(iter([b"a", b"b"]), timeout=_DEADLINE_SECONDS)
        talked = list(channel.stream_stream("/t/Talk", None, None)(iter([b"a", b"b"]), timeout=_DEADLINE_SECONDS))
        waiting = channel.unary_unary("/t/Hold", None, None).future(b"")
        held.wait(_DEADLINE_SECONDS)
        waiting.cancel()  # type: ignore[no-untyped-call]
        left = gone.wait(_DEADLINE_SECONDS)
    engine.stop(grace=0.0)
    server.join()
    if (echoed, counted, talked, left) != (b"hello", b"2", [b"a", b"b"], True):
        raise SystemExit(f"wrong answers: {echoed!r}, {counted!r}, {talked!r}, {left}")


def _echo(message: bytes, call: Call) -> bytes | None:
    remaining = call.time_remaining()
    return message if remaining is not None and 0.0 < remaining < 2 * _DEADLINE_SECONDS else b"wrong deadline"


if __name__ == "__main__":
    main()
