"""Callers who go while they are answered, or while others come."""

import threading
import time
from functools import partial

import grpc
import pytest

from serving.call import Call, Unary
from tests.serving.conftest import Server, eventually
from tests.serving.desk import ECHO, HOLD, Desk, cancel, echo, settled


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_of_many_callers_those_who_went_are_reported_and_the_others_answered(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    answers = [served.start(HOLD, b"%d" % number) for number in range(100)]
    eventually(lambda: len(desk.calls) == 100)
    for answer in answers[::2]:
        cancel(answer)
    eventually(lambda: len(desk.gone) == 50)
    for call in desk.calls:
        call.reply(b"answer")
    assert {answer.result() for answer in answers[1::2]} == {b"answer"}
    assert sorted(settled(served, desk)) == list(range(0, 100, 2))


def test_of_a_cancel_that_crosses_with_an_answer_one_wins(serve: Server, desk: Desk) -> None:
    served = serve(desk.method, Unary(ECHO, echo))
    answers = [served.start(HOLD, b"%d" % number, timeout=60.0) for number in range(100)]
    eventually(lambda: len(desk.calls) == 100)

    def answer_all() -> None:
        for call in desk.calls:
            call.reply(b"answer")

    answering = threading.Thread(target=answer_all)
    answering.start()
    for answer in answers:
        cancel(answer)
    answering.join()
    gone = settled(served, desk)
    assert len(gone) == len(set(gone))
    answered = {number for number, answer in enumerate(answers) if answer.code() is grpc.StatusCode.OK}
    assert not answered & set(gone)


def test_registering_that_crosses_with_an_answer_harms_nobody(serve: Server) -> None:
    held: list[Call] = []
    gone: list[Call] = []

    def hold(message: bytes, call: Call) -> None:
        held.append(call)

    served = serve(Unary(HOLD, hold), Unary(ECHO, echo))
    answers = [served.start(HOLD, b"", timeout=60.0) for _ in range(100)]
    eventually(lambda: len(held) == 100)

    def register_all() -> None:
        for call in held:
            call.on_cancel(partial(gone.append, call))

    registering = threading.Thread(target=register_all)
    registering.start()
    for call in held:
        call.reply(b"answer")
    registering.join()
    assert [answer.result() for answer in answers] == [b"answer"] * 100
    assert gone == []


def test_callbacks_take_turns_with_handlers(serve: Server) -> None:
    inside: list[None] = []
    crowded: list[int] = []

    def step() -> None:
        inside.append(None)
        time.sleep(0.001)
        crowded.append(len(inside))
        inside.pop()

    def hold(message: bytes, call: Call) -> None:
        call.on_cancel(step)
        step()

    served = serve(Unary(HOLD, hold))
    first = [served.start(HOLD, b"") for _ in range(30)]
    eventually(lambda: len(crowded) == 30)
    for answer in first:
        cancel(answer)
    second = [served.start(HOLD, b"") for _ in range(30)]
    eventually(lambda: len(crowded) == 90)
    for answer in second:
        cancel(answer)
    eventually(lambda: len(crowded) == 120)
    assert set(crowded) == {1}
