"""Processes of one sidecar tell each other of requests, over real sockets."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from accesslog.metrics import AccessLogMetrics
from accesslog.siblings import (
    IDS_A_MESSAGE,
    MAX_MESSAGE,
    MOST_SERVICE,
    NOT_KNOWN,
    News,
    Siblings,
    gone_of,
    over_of,
    read,
)
from accesslog.streams import Gone

A, B = "0190c000-0000-7000-8000-00000000000a", "0190c000-0000-7000-8000-00000000000b"


class Process:
    """One of several, as far as it talks to its siblings."""

    def __init__(self, sockets: list[Path], number: int) -> None:
        self.metrics = AccessLogMetrics()
        self.siblings = Siblings(sockets, number, self.metrics)
        self.heard: dict[News, list[str]] = {news: [] for news in News}

    def start(self) -> "asyncio.Task[None]":
        def hear(news: News) -> Callable[[Iterable[str]], None]:
            return lambda items: self.heard[news].extend(items)

        return asyncio.create_task(self.siblings.run({news: hear(news) for news in News}))


@pytest.fixture
def sockets(public_path: Path) -> list[Path]:
    return [public_path / f"{number}.sock" for number in range(3)]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - files and lists tell nobody
            await asyncio.sleep(0.005)


async def ended(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_all_hear_what_is_over_and_only_the_first_what_is_done(sockets: list[Path]) -> None:
    first, second, third = (Process(sockets, number) for number in (1, 2, 3))
    tasks = [process.start() for process in (first, second, third)]
    await until(lambda: all(path.exists() for path in sockets))
    second.siblings.over(A, 7)
    second.siblings.done([A, B])
    first.siblings.over(B, None)
    first.siblings.done([B])  # nobody has to know
    await until(lambda: first.heard[News.DONE] and second.heard[News.OVER] and len(third.heard[News.OVER]) == 2)
    second.siblings.undecided([B])
    second.siblings.arrived([A])
    await until(lambda: third.heard[News.UNDECIDED] and first.heard[News.ARRIVED] and third.heard[News.ARRIVED])
    assert (first.heard[News.ARRIVED], second.heard[News.ARRIVED]) == ([A], [])
    assert (first.heard[News.UNDECIDED], first.heard[News.DONE]) == ([B], [A, B])
    assert (second.heard[News.UNDECIDED], second.heard[News.DONE], third.heard[News.DONE]) == ([], [], [])
    over = [[over_of(item) for item in each.heard[News.OVER]] for each in (first, second, third)]
    assert (over[0], over[1], sorted(over[2])) == ([(A, 7)], [(B, None)], [(A, 7), (B, None)])
    await ended(*tasks)


async def test_all_others_hear_which_envoys_have_streams_and_which_are_gone(sockets: list[Path]) -> None:
    first, second, third = (Process(sockets, number) for number in (1, 2, 3))
    tasks = [process.start() for process in (first, second, third)]
    await until(lambda: all(path.exists() for path in sockets))
    second.siblings.here(["1a2b", "3c4d"])
    second.siblings.gone([Gone("1a2b", 1_795_230_000.5), Gone("3c4d", 0.0)])
    await until(lambda: all(each.heard[News.HERE] and each.heard[News.GONE] for each in (first, third)))
    assert first.heard[News.HERE] == third.heard[News.HERE] == ["1a2b", "3c4d"]
    assert [gone_of(item) for item in first.heard[News.GONE]] == [Gone("1a2b", 1_795_230_000.5), Gone("3c4d", 0.0)]
    assert gone_of("1a2b" + "x" * 13) is None
    assert second.heard[News.HERE] == second.heard[News.GONE] == []
    await ended(*tasks)


async def test_what_a_process_knows_at_its_end_is_told(sockets: list[Path]) -> None:
    first, second = Process(sockets[:2], 1), Process(sockets[:2], 2)
    tasks = [first.start(), second.start()]
    await until(lambda: all(path.exists() for path in sockets[:2]))
    second.siblings.done([A])
    await ended(tasks[1])
    await until(lambda: first.heard[News.DONE] == [A])
    await ended(tasks[0])


async def test_a_process_that_is_away_misses_what_is_said_and_hears_what_comes_later(sockets: list[Path]) -> None:
    first, second = Process(sockets[:2], 1), Process(sockets[:2], 2)
    sockets[0].touch()  # what a killed process left
    task = second.start()
    second.siblings.over(A, 7)
    await until(lambda: second.metrics.untold.counts[""] == 1)
    other = first.start()
    await until(sockets[0].is_socket)
    second.siblings.over(B, 10 * MOST_SERVICE)
    await until(lambda: [over_of(item) for item in first.heard[News.OVER]] == [(B, MOST_SERVICE)])
    await ended(task, other)


async def test_a_process_that_reads_slowly_gets_it_all_in_order(sockets: list[Path]) -> None:
    second = Process(sockets[:2], 2)
    ids = [f"{number:036d}" for number in range(50 * IDS_A_MESSAGE)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(str(sockets[0]))
        slow.setblocking(False)
        task = second.start()
        second.siblings.done(ids)
        heard: list[str] = []
        async with asyncio.timeout(30):
            while len(heard) < len(ids):
                try:
                    heard += read(slow.recv(MAX_MESSAGE))[1]
                except BlockingIOError:
                    await asyncio.sleep(0.005)
        assert heard == ids
        await ended(task)


@pytest.mark.parametrize(
    ("message", "news", "lease_ids"),
    [
        (b"u" + A.encode(), News.UNDECIDED, [A]),
        (b"d" + (A + B).encode(), News.DONE, [A, B]),
        (b"e" + f"{A}000000000007{B}{NOT_KNOWN}".encode(), News.OVER, [A + "000000000007", B + NOT_KNOWN]),
        (b"u", News.UNDECIDED, []),
        (b"", None, []),
        (b"x" + A.encode(), None, []),
        (b"e" + A.encode(), None, []),
        (b"u" + A.encode()[:-1], None, []),
        (b"u" + b"\xff" * 36, None, []),
        (b"d" + A.encode() * (2 * IDS_A_MESSAGE), None, []),
    ],
)
def test_a_message_is_read(message: bytes, news: News | None, lease_ids: list[str]) -> None:
    assert read(message) == (news, lease_ids)
