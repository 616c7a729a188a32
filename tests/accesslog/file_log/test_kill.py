"""kill -9 in the middle of the work: afterwards every request that was logged is in the ledger, and charged, once."""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from accesslog.service import PATH
from tests.accesslog.entries import message, proto
from tests.accesslog.stack import Stack, wait_until
from tests.conftest import create_database
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import Process

ROOT = Path(__file__).parents[3]


class Envoy:
    """Sends entries on a stream, and opens another when it breaks; what was sent meanwhile is lost, as with Envoy."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.max_reconnect_backoff_ms", 200)])
        self._open = self._channel.stream_unary(PATH, None, None)
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._call: Any = None

    def send(self, data: bytes) -> None:
        if self._call is None or self._call.done():
            self._queue = SimpleQueue()
            self._call = self._open.future(iter(self._queue.get, None))
        self._queue.put(data)

    def close(self) -> None:
        self._queue.put(None)
        self._channel.close()


@pytest.fixture
def stack(tmp_path: Path, database_url_sync: str, redis_url: str) -> Iterator[Stack]:
    """The stores without a pipeline of ours: the child has it."""
    made = Stack(tmp_path, database_url_sync, redis_url)
    yield made
    made.close()


def start_child(stack: Stack, number: int) -> Process:
    arguments = [str(stack.directory), *stack.urls]
    return Process(
        "child",
        [sys.executable, "-m", "tests.accesslog.child", *arguments],
        stack.directory / f"{number}.log",
        directory=ROOT,
    )


def test_a_killed_process_finds_everything_again(stack: Stack) -> None:
    envoy = Envoy(stack.directory / "als.sock")
    numbers = itertools.count()
    child = start_child(stack, next(numbers))
    unflushed: list[dict[str, Any]] = []
    try:
        for turn in range(60):
            if turn in (20, 35):
                child.kill()
            if turn in (25, 36):
                child = start_child(stack, next(numbers))
            entries = stack.admit(20)
            envoy.send(message(*map(proto, entries)))
            unflushed += entries
            if turn % 7 == 0:  # Envoy flushes its file now and then
                stack.log(unflushed)
                unflushed = []
            time.sleep(0.05)
        stack.log(unflushed)
        stack.assert_each_once()
        size, checkpoint = stack.log_file.stat().st_size, stack.directory / "checkpoint.json"
        wait_until(lambda: checkpoint.exists() and f'"offset": {size}' in checkpoint.read_text())
    finally:
        envoy.close()
        child.stop()


def test_a_killed_postgres_comes_back_to_every_row(public_path: Path, redis_url: str) -> None:
    server = Postgres(public_path / "postgres")
    stack = Stack(public_path, asyncio.run(create_database(server)), redis_url)
    stack.start()
    try:
        for turn in range(40):
            if turn == 10:
                server.process.kill()
            if turn == 20:
                server = Postgres(public_path / "postgres", server.port)
            stack.stream(stack.admit(25))
            time.sleep(0.05)
        stack.assert_each_once()
    finally:
        stack.close()
        server.stop()
