"""Every line of the log is read once, whatever happens to the file; over a checkpoint too."""

import os
import shutil
import time
from pathlib import Path

import pytest

from accesslog.file_log.checkpoint import Position
from accesslog.file_log.space import LogSpace
from accesslog.file_log.tail import LINE_MAX_BYTES, QUIET_SECONDS, Line, Tail


class Reader:
    """A tail with a clock, and where it stands."""

    def __init__(self, path: Path, start: Position | None = None, saved_at: float = 0.0) -> None:
        self.tail, self.now = Tail(path, start, saved_at), 0.0
        self.position = start

    def read(self, wait: float = 0.0) -> list[str]:
        """All lines that are there, and those that show after `wait` s of silence."""
        found = self._drain()
        self.now += wait
        while lines := self._drain():
            found += lines
        return found

    def _drain(self) -> list[str]:
        found: list[Line] = []
        for _ in range(4):  # a switch of files shows no line at once
            while lines := self.tail.read(self.now):
                found += lines
        if found:
            self.position = Position(found[-1].source, found[-1].end)
        return [each.data.decode() for each in found]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.jsonl"


def write(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}{end}" for line in lines))


def test_lines_are_read_as_they_come(log: Path) -> None:
    reader = Reader(log)
    assert reader.read() == []
    assert reader.tail.caught_up
    write(log, "one", "two")
    assert reader.read() == ["one", "two"]
    write(log, "thr", end="")
    assert reader.read() == []
    write(log, "ee", "four")
    assert reader.read() == ["three", "four"]


def test_a_chunk_boundary_splits_no_line(log: Path) -> None:
    lines = [f"{i}:" + "x" * 1000 for i in range(1000)]
    write(log, *lines)
    assert Reader(log).read() == lines


def test_reading_goes_on_from_a_position(log: Path) -> None:
    write(log, "one", "two")
    reader = Reader(log)
    reader.read()
    write(log, "three")
    assert Reader(log, reader.position).read() == ["three"]


def test_a_file_that_was_copied_and_truncated_meanwhile_is_read_on_in_its_copy(log: Path) -> None:
    write(log, "one", "two")
    reader = Reader(log)
    reader.read()
    write(log, "three")
    shutil.copy(log, log.with_name("access.jsonl.1"))
    os.truncate(log, 0)
    write(log, "four")
    later = Reader(log, reader.position, saved_at=time.time())
    assert later.read(QUIET_SECONDS) == ["three", "four"]


def test_a_hole_is_passed_over(log: Path) -> None:
    lines = [f"{number:06}" + "x" * 993 for number in range(10_000)]
    write(log, *lines)
    whole = Reader(log)
    assert len(whole.read()) == len(lines)
    assert whole.position is not None
    LogSpace(log, keep_bytes=1).give_back(whole.position)
    write(log, "new")
    assert log.stat().st_blocks * 512 < 3_000_000
    assert Reader(log, whole.position).read() == ["new"]
    assert (
        Reader(log).read()[-1] == "new"
    )  # with what is left before and behind the hole, and the cut line as an empty one


def test_a_renamed_file_is_read_to_its_end_then_its_successor(log: Path) -> None:
    reader = Reader(log)
    write(log, "one")
    assert reader.read() == ["one"]
    old = log.rename(log.with_name("access.jsonl.1"))
    log.touch()  # by logrotate, before Envoy has been told
    write(old, "two")
    assert reader.read(QUIET_SECONDS) == ["two"]
    write(old, "three")
    assert reader.read(QUIET_SECONDS) == ["three"]
    write(log, "four")
    assert reader.read(QUIET_SECONDS) == ["four"]
    write(log, "five")
    assert reader.read() == ["five"]


def test_a_rotation_while_away_loses_nothing(log: Path) -> None:
    reader = Reader(log)
    write(log, "one")
    reader.read()
    for number, text in ((2, "two"), (1, "three")):
        write(log, text)
        old = log.rename(log.with_name(f"access.jsonl.{number}"))
        os.utime(old, (1_700_000_000 - number, 1_700_000_000 - number))
    write(log, "four")
    again = Reader(log, reader.position)
    assert again.read(QUIET_SECONDS) + again.read(QUIET_SECONDS) == ["two", "three", "four"]


def test_a_file_that_is_gone_is_followed_by_what_is_left(log: Path) -> None:
    reader = Reader(log)
    write(log, "one")
    reader.read()
    log.unlink()
    keep = log.with_name("held-so-that-the-inode-is-not-used-again")
    keep.touch()
    write(log, "two")
    assert Reader(log, reader.position).read() == ["two"]


def test_old_files_from_before_the_checkpoint_are_left_alone(log: Path) -> None:
    reader = Reader(log)
    write(log, "one")
    reader.read()
    ancient = log.rename(log.with_name("access.jsonl.7"))
    ancient.write_text("ancient\n")  # another file now
    os.utime(ancient, (1_000_000_000, 1_000_000_000))
    write(log, "two")
    assert Reader(log, reader.position, saved_at=1_700_000_000).read() == ["two"]


@pytest.mark.parametrize("more", [0, 1, 100])
def test_a_truncated_file_is_read_from_its_beginning(log: Path, more: int) -> None:
    reader = Reader(log)
    write(log, *(f"before {i}" for i in range(10)))
    reader.read()
    os.truncate(log, 0)
    write(log, *(f"after {i}" for i in range(more)))  # also to beyond where we were
    assert reader.read() == [f"after {i}" for i in range(more)]
    assert Reader(log, reader.position).read() == []


def test_a_position_in_a_file_truncated_meanwhile_is_not_believed(log: Path) -> None:
    reader = Reader(log)
    write(log, *(f"before {i}" for i in range(10)))
    reader.read()
    os.truncate(log, 0)
    write(log, *(f"after {i}" for i in range(100)))
    assert len(Reader(log, reader.position).read()) == 100


def test_a_line_without_end_is_skipped_and_memory_stays_bounded(log: Path) -> None:
    write(log, "one", "x" * (3 * LINE_MAX_BYTES), "two")
    reader = Reader(log)
    assert reader.read() == ["one", "", "two"]
    assert reader.position is not None
    assert reader.position.offset == log.stat().st_size


def test_a_file_that_vanishes_is_waited_for(log: Path) -> None:
    reader = Reader(log)
    write(log, "one")
    assert reader.read() == ["one"]
    log.unlink()
    assert reader.read(QUIET_SECONDS) == []
    write(log, "two")
    assert reader.read(QUIET_SECONDS) == ["two"]
