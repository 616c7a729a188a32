"""Baseline of the chain: the serving engine with handlers that return constant bytes and drop the access log.

It costs what Envoy and gRPC cost by themselves; the difference to Tollkeeper is the cost of Tollkeeper's own work.
usage: static_answers SOCKET CHECK_ANSWER_FILE RATELIMIT_ANSWER_FILE
"""

import sys
from pathlib import Path

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from bench.stage import stop_on_signals
from ratelimit.service import PATH as RESERVE
from serving.call import ClientStream, Method, Unary
from serving.engine import open_engine


class Drop:
    def receive(self, message: bytes) -> None:
        pass

    def finish(self, ok: bool) -> bytes:
        return b""


def main(socket: str, check: str, ratelimit: str) -> None:
    admitted, reserved = Path(check).read_bytes(), Path(ratelimit).read_bytes()
    methods: list[Method] = [
        Unary(CHECK, lambda message, call: admitted),
        Unary(RESERVE, lambda message, call: reserved),
        ClientStream(STREAM, Drop),
    ]
    engine = open_engine("auto", methods, [f"unix:{socket}"])
    stop_on_signals(lambda: engine.stop(0.0))
    engine.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
