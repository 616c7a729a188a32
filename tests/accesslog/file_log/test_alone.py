"""Which requests the file log alone tells of, and that what it tells of alone is heard of at once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accesslog.file_log import backfill
from accesslog.file_log.alone import LATE_KEPT_SECONDS, LATE_SECONDS, LATELY_SECONDS, MOST_ENVOYS, Alone
from accesslog.file_log.line import ended_at, stands_alone
from tenancy.values.lease_id import NO_ENVOY, mint_lease_id
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line
from tests.accesslog.stack import Stack, checkpoint_offset, wait_until

ONE, OTHER = "1a2b", "3c4d"
IN_TIME = LATE_SECONDS / 2


def request(envoy: str = ONE) -> str:
    return mint_lease_id(int(time.time() * 1000), envoy)


class Told:
    """An `Alone` at a time that the test sets, for Envoys whose streams it opens."""

    def __init__(self) -> None:
        self.now, self.streams = 1000.0, {ONE, OTHER}
        self.alone = Alone(lambda envoy: envoy in self.streams, lambda: self.now)

    def __call__(self, envoy: str = ONE) -> bool:
        return self.alone.tells(request(envoy))

    def read(self, envoy: str = ONE, late: float = IN_TIME) -> bool:
        self.alone.read(request(envoy), late)
        return self(envoy)


@pytest.fixture
def told() -> Told:
    return Told()


def test_an_envoy_whose_lines_come_at_once_tells_in_its_file_alone(told: Told) -> None:
    assert not told()
    assert told.read()
    assert not told(OTHER)
    told.now += LATELY_SECONDS - 0.1
    assert told()
    told.now += 0.2
    assert not told()  # its file may be full, or another by now


def test_one_that_writes_late_tells_in_both_logs(told: Told) -> None:
    assert told.read()
    assert not told.read(late=LATE_SECONDS * 2)
    assert not told.read()
    told.now += LATE_KEPT_SECONDS
    assert told.read()


def test_one_without_a_stream_would_not_be_missed(told: Told) -> None:
    told.streams.clear()
    assert not told.read()
    told.streams.add(ONE)
    assert told.read()
    assert not told.read(NO_ENVOY)


def test_a_reader_that_falls_behind_asks_for_both_logs(told: Told) -> None:
    assert told.read()
    assert told.read(OTHER)
    assert told.alone.writers == 2
    told.alone.pause()
    assert told.alone.writers == 0
    assert not told()
    assert not told(OTHER)
    assert told.read()


def test_envoys_without_end_are_not_kept(told: Told) -> None:
    names = [f"{number:04x}" for number in range(1, 10 * MOST_ENVOYS)]
    told.streams.update(names)
    assert all(told.read(name) for name in names)
    assert sum(told(name) for name in names) <= MOST_ENVOYS


def test_the_end_of_a_request_is_read_without_parsing() -> None:
    fields = entry(decision(), CHAT_USAGE, start_time="2026-01-01T00:00:01.250Z", total_ms=4500)
    assert ended_at(line(fields)) == datetime(2026, 1, 1, 0, 0, 5, 750_000, UTC).timestamp()
    odd: list[dict[str, Any]] = [{"start_time": None}, {"start_time": "2026-99-01T00:00:01.250Z"}, {"total_ms": "x"}]
    assert [ended_at(line({**fields, **changes})) for changes in odd] == [None] * 3
    assert not stands_alone(line(fields))
    assert stands_alone(line(entry(decision(log="file"), CHAT_USAGE)))
    assert not stands_alone(line(entry(decision(model='"log":"file"'), CHAT_USAGE, path='"log":"file"')))


def alone(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "ratelimit": {**fields["ratelimit"], "log": "file"}}


def test_what_stands_alone_does_not_wait_for_the_stream(stack: Stack) -> None:
    ended: list[str] = []
    stack.restart(grace_seconds=600.0, ended=lambda lease_id, _service: ended.append(lease_id))
    entries = stack.admit(20)
    stack.log(entries[:1])  # which the stream is to bring
    stack.log([alone(each) for each in entries[1:]])
    wait_until(lambda: len(ended) >= 19)
    assert set(ended) == {each["ratelimit"]["lease_id"] for each in entries[1:]}
    assert checkpoint_offset(stack) == 0
    stack.stream(entries[:1])
    stack.assert_each_once()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)
    assert stack.metrics.backfilled.counts[""] == 0


def test_what_stands_alone_and_finds_no_room_is_taken_when_there_is_some(stack: Stack) -> None:
    stack.restart(grace_seconds=600.0, spool_max_bytes=20_000, spool_dir=stack.directory / "small", max_rows=50)
    stack.postgres.cut()
    stack.log([alone(each) for each in stack.admit(200)])
    wait_until(lambda: stack.metrics.dropped.counts["rows"] > 0)
    stack.postgres.restore()
    stack.assert_each_once()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_an_entry_in_both_logs_counts_once_whatever_its_line_says(stack: Stack) -> None:
    entries = [alone(each) for each in stack.admit(50)]
    stack.log(entries[:25])
    stack.stream(entries)
    stack.log(entries[25:])
    stack.assert_each_once()


def now_ended(fields: dict[str, Any], seconds_ago: float) -> dict[str, Any]:
    """Its end is so long ago."""
    began = datetime.fromtimestamp(time.time() - seconds_ago, UTC)
    return {**fields, "start_time": began.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "total_ms": 0}


def through(envoy: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(fields: dict[str, Any]) -> dict[str, Any]:
        lease_id = fields["ratelimit"]["lease_id"][:-4] + envoy
        return {**fields, "ratelimit": {**fields["ratelimit"], "lease_id": lease_id}}

    return change


def test_the_reader_tells_late_lines_from_those_that_it_reads_late_itself(stack: Stack) -> None:
    found = Alone(lambda _envoy: True)
    stack.restart(alone=found)
    time.sleep(2 * backfill.POLL_SECONDS)  # it has looked
    (first, second) = stack.admit(2)
    stack.log([now_ended(through(ONE)(first), 0.0)])  # read up to POLL_SECONDS later
    wait_until(lambda: found.tells(request(ONE)))
    stack.log([now_ended(through(OTHER)(second), 1.0)])  # it was not there a moment ago
    lines = 2
    wait_until(lambda: stack.pipeline.file_lines == lines)
    assert found.tells(request(ONE))
    assert not found.tells(request(OTHER))
