from pathlib import Path

import pytest

from accesslog.file_log.checkpoint import Position, Source
from accesslog.file_log.space import HEAD_BYTES, STEP_BYTES, LogSpace, has_room_beside

SIZE = 3 * STEP_BYTES


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.jsonl"
    path.write_bytes(b"x" * SIZE)
    return path


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def position(path: Path, offset: int) -> Position:
    with path.open("rb") as file:
        return Position(Source.of(file.fileno()), offset)


def test_what_is_accounted_for_is_given_back_but_for_what_is_kept(log: Path) -> None:
    space = LogSpace(log, keep_bytes=STEP_BYTES)
    space.give_back(position(log, STEP_BYTES + 1))
    assert on_disk(log) >= SIZE
    space.give_back(position(log, SIZE))
    assert on_disk(log) <= SIZE - 2 * STEP_BYTES + HEAD_BYTES + 8192
    data = log.read_bytes()
    assert len(data) == SIZE
    assert data[:HEAD_BYTES].strip(b"x") == data[2 * STEP_BYTES :].strip(b"x") == b""


def test_nothing_is_given_back_of_another_file_or_if_all_is_kept(log: Path, tmp_path: Path) -> None:
    done = position(log, SIZE)
    LogSpace(log, keep_bytes=0).give_back(done)
    space = LogSpace(log, keep_bytes=1)
    old = log.rename(tmp_path / "access.jsonl.1")
    space.give_back(done)  # there is no file of the name
    log.write_bytes(b"y" * SIZE)
    LogSpace(log, keep_bytes=1).give_back(done)
    assert on_disk(old) >= SIZE
    assert on_disk(log) >= SIZE


def test_a_disk_has_room_or_is_not_there(tmp_path: Path) -> None:
    assert has_room_beside(tmp_path / "access.jsonl")
    assert not has_room_beside(tmp_path / "none" / "access.jsonl")
