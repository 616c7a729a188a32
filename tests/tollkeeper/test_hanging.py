"""A process that hangs is told from one that is busy, and its place is filled by another."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tollkeeper import hanging
from tollkeeper.group import Group
from tollkeeper.handover import Candidate
from tollkeeper.hanging import HUNG_SECONDS, LOOK_SECONDS, REPLACEABLE_SECONDS, Silence, states_of
from tollkeeper.plan import Worker
from tollkeeper.up.process import Process

DEADLOCKED = "import threading; print(flush=True); lock = threading.Lock(); lock.acquire(); lock.acquire()"
BUSY = "print(flush=True)\nwhile True: pass"
# Answers once, and then no more.
FORGETFUL = """
import signal, sys
from pathlib import Path
from tollkeeper.handover import News, Place
place, asked = Place(), []
place.tell(News.READY)
place.wait()
place.tell(News.SERVING)
place.watch(Path(sys.argv[1]), 600.0, lambda tell: asked or asked.append(tell()))
signal.pause()
"""


@contextmanager
def child(program: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def seconds_until_it_hangs(pid: int, *, owes: bool, replaceable: bool = False, most: float = 120.0) -> float:
    """On a clock of its own."""
    silence, now = Silence(pid), 0.0
    while not silence.hangs(now, owes=owes, replaceable=replaceable) and now < most:
        now += LOOK_SECONDS
    return now


def test_who_sleeps_and_owes_an_answer_hangs() -> None:
    with child(DEADLOCKED) as pid:
        while states_of(pid, all_threads=True) != {"S"}:
            time.sleep(0.01)
        assert seconds_until_it_hangs(pid, owes=True) <= HUNG_SECONDS + 1
        assert seconds_until_it_hangs(pid, owes=False) >= 120


def test_who_can_be_replaced_at_once_is_given_less_time() -> None:
    with child(DEADLOCKED) as pid:
        while states_of(pid, all_threads=True) != {"S"}:
            time.sleep(0.01)
        assert seconds_until_it_hangs(pid, owes=True, replaceable=True) <= REPLACEABLE_SECONDS
        assert seconds_until_it_hangs(pid, owes=False, replaceable=True) >= 120


@pytest.mark.parametrize("replaceable", [False, True])
def test_who_is_busy_has_ten_times_as_long(replaceable: bool) -> None:
    with child(BUSY) as pid:
        assert seconds_until_it_hangs(pid, owes=True, replaceable=replaceable) > 9 * HUNG_SECONDS


def test_who_is_stopped_hangs_even_if_it_owes_nothing() -> None:
    with child(BUSY) as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        assert seconds_until_it_hangs(pid, owes=False) <= HUNG_SECONDS + 1


def test_one_that_answers_no_more_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hanging, "HUNG_SECONDS", 0.5)
    command, started = [sys.executable, "-c", FORGETFUL, str(tmp_path / "it.sock")], list[Process]()

    def start(candidate: Candidate) -> Process:
        started.append(Process("test", command, tmp_path / "log", stdin=candidate.child, outlives=True))
        return started[-1]

    group, deadline = Group([Worker("test", 1, ())], start, keep_spare=False, drain=1.0), time.monotonic() + 60
    try:
        while len(started) < 2 and time.monotonic() < deadline:
            group.step()
            candidates = {member.candidate.socket: member.candidate for member in group.members}
            for readable in select.select(list(candidates), [], [], 0.1)[0]:
                candidates[readable].read()
        assert started[0].exit_code == -signal.SIGKILL
        assert len(started) == 2
    finally:
        group.let_go()
        group.stop(0.0)
