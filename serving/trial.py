"""A trial of the completion queue engine: a call, a stream and a stop over loopback.  contract.py runs it."""

import tempfile
import threading

import grpc

from serving.call import Call, ClientStream, Unary
from serving.completion_queue import CompletionQueueEngine

_DEADLINE_SECONDS = 5.0


class _Count:
    """Answers with the number of messages."""

    def __init__(self) -> None:
        self._messages = 0

    def receive(self, message: bytes) -> None:
        self._messages += len(message)

    def finish(self, ok: bool) -> bytes:
        return b"%d" % self._messages if ok else b""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        _try(f"unix:{directory}/trial.sock")


def _try(address: str) -> None:
    engine = CompletionQueueEngine([Unary("/t/Echo", _echo), ClientStream("/t/Count", _Count)], [address], [], None)
    server = threading.Thread(target=engine.serve, daemon=True)  # a trial that fails must end all the same
    server.start()
    with grpc.insecure_channel(address) as channel:
        echoed = channel.unary_unary("/t/Echo", None, None)(b"hello", timeout=_DEADLINE_SECONDS)
        counted = channel.stream_unary("/t/Count", None, None)(iter([b"a", b"b"]), timeout=_DEADLINE_SECONDS)
    engine.stop(grace=0.0)
    server.join()
    if (echoed, counted) != (b"hello", b"2"):
        raise SystemExit(f"wrong answers: {echoed!r}, {counted!r}")


def _echo(message: bytes, call: Call) -> bytes | None:
    remaining = call.time_remaining()
    return message if remaining is not None and 0.0 < remaining < 2 * _DEADLINE_SECONDS else b"wrong deadline"


if __name__ == "__main__":
    main()
