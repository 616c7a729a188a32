"""Envoy's file log through the pipeline: what only the file has, and how far it is accounted for."""

import time
from pathlib import Path

from tests.accesslog.entries import line
from tests.accesslog.stack import Stack, checkpoint_offset, wait_until


def test_what_has_no_room_anywhere_comes_back_from_the_file(tmp_path: Path, stack: Stack) -> None:
    stack.pipeline.close()
    pipeline = stack.start(spool_max_bytes=20_000, spool_dir=tmp_path / "small", max_rows=50)
    stack.postgres.cut()
    entries = stack.admit(200)
    stack.log(entries)
    stack.stream(entries)
    wait_until(lambda: stack.metrics.dropped.counts["rows"] > 0)
    assert pipeline.has_room  # on Envoy's disk
    assert checkpoint_offset(stack) < stack.log_file.stat().st_size
    stack.postgres.restore()
    stack.assert_each_once()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_the_checkpoint_waits_for_what_is_not_settled(stack: Stack) -> None:
    stack.redis.cut()
    entries = stack.admit(5)
    stack.stream(entries)
    stack.log(entries)
    stack.wait_for_rows(5)
    time.sleep(1.5)
    assert checkpoint_offset(stack) == 0
    stack.redis.restore()
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size)


def test_a_start_reads_the_whole_file_of_an_envoy_that_ran_before(stack: Stack) -> None:
    stack.pipeline.close()
    stack.log(stack.admit(2500))
    stack.start()
    stack.assert_each_once()
    assert stack.metrics.backfilled.counts[""] == 2500


def test_rotation_under_load_loses_nothing(stack: Stack) -> None:
    stack.log(stack.admit(1))
    stack.wait_for_rows(1)
    for turn in range(3):
        stack.log(stack.admit(50))
        old = stack.log_file.rename(stack.log_file.with_name(f"access.jsonl.{turn}"))
        late = stack.admit(10)  # Envoy has not been told yet
        with old.open("ab") as file:
            file.write(b"".join(line(fields) + b"\n" for fields in late))
    stack.log(stack.admit(20))
    stack.assert_each_once()


def test_garbage_lines_are_counted_and_passed(stack: Stack) -> None:
    with stack.log_file.open("ab") as file:
        file.write(b"garbage\n\xff\xfe\n{not json}\n" + b"x" * 5000 + b"\n\n")
    stack.log(stack.admit(2))
    with stack.log_file.open("ab") as file:
        file.write(b'{"ratelimit":{"lease_id":"01936b3f-6c00-7abc-8def-0123456789ab","ten\n{"half":')
    stack.assert_each_once()
    wait_until(lambda: stack.metrics.garbage.counts[""] >= 5)
    wait_until(lambda: checkpoint_offset(stack) == stack.log_file.stat().st_size - len(b'{"half":'))
