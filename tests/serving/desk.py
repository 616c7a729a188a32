"""A method that holds its calls, and notes whose callers went."""

import time
from dataclasses import dataclass, field
from functools import partial

import grpc

from serving.call import Call, Unary
from tests.serving.conftest import Served

HOLD, ECHO = "/test.Service/Hold", "/test.Service/Echo"


@dataclass
class Desk:
    """Holds calls, and the numbers of those whose callers went."""

    calls: list[Call] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)

    @property
    def method(self) -> Unary:
        return Unary(HOLD, self.hold)

    def hold(self, message: bytes, call: Call) -> None:
        call.on_cancel(partial(self.gone.append, int(message or b"0")))
        self.calls.append(call)


def echo(message: bytes, call: Call) -> bytes:
    return message


def cancel(answer: "grpc.CallFuture[bytes]") -> None:
    answer.cancel()  # type: ignore[no-untyped-call]


def settled(served: Served, desk: Desk) -> list[int]:
    """Who has gone, once the engine has had time to hear of more."""
    for _ in range(20):
        served.call(ECHO, b"")
        time.sleep(0.005)
    return desk.gone
