"""The spool keeps rows on disk, in order, within its bound, through whatever end the process finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accesslog.writing.spool import SEGMENT_BYTES, Spool, SpoolInUse, adopt
from ledger.row import UsageRow
from tests.accesslog.entries import row


def rows(count: int) -> list[UsageRow]:
    return [row(output_tokens=i) for i in range(count)]


def emptied(spool: Spool) -> list[UsageRow]:
    found = []
    while segment := spool.oldest():
        found += segment
        spool.drop_oldest()
    return found


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jsonl"))


def test_rows_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = [*rows(3), row(ttft_ms=None, model="\u00e9\U0001f600 \u2028", path="a\nb")]
    assert spool.append(kept[:2])
    assert spool.append(kept[2:])
    assert (spool.rows, spool.size) == (4, sum(path.stat().st_size for path in segments(tmp_path)))
    assert emptied(spool) == kept
    assert (spool.rows, spool.size, spool.since, segments(tmp_path)) == (0, 0, None, [])
    spool.close()


def test_a_restart_finds_what_was_kept(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    kept = rows(3)
    first.append(kept[:2])
    first.close()
    second = Spool(tmp_path)
    assert second.rows == 2
    second.append(kept[2:])
    assert emptied(second) == kept
    second.close()


def test_rows_may_be_kept_while_others_are_taken_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = rows(4)
    spool.append(kept[:2])
    assert spool.oldest() == kept[:2]
    spool.append(kept[2:])  # must not end up in the segment that is about to go
    spool.drop_oldest()
    assert emptied(spool) == kept[2:]
    spool.close()


def test_a_full_spool_takes_nothing_more_until_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10_000)
    taken = [each for each in rows(50) if spool.append([each])]
    assert 0 < len(taken) < 50
    assert spool.size <= 10_000
    assert emptied(spool) == taken
    assert spool.append(taken[:1])
    spool.close()


def test_segments_are_of_bounded_size(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = rows(3000)
    for start in range(0, 3000, 500):
        spool.append(kept[start : start + 500])
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    assert len(sizes) > 1
    assert max(sizes) < 2 * SEGMENT_BYTES
    assert emptied(spool) == kept
    spool.close()


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_end_costs_at_most_the_row_it_is_in(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path)
    kept = rows(3)
    spool.append(kept)
    spool.close()
    (segment,) = segments(tmp_path)
    os.truncate(segment, segment.stat().st_size - cut)
    again = Spool(tmp_path)
    added = rows(1)
    again.append(added)
    whole = 3 if cut == 1 else 2  # only the newline was lost
    assert emptied(again) == kept[:whole] + added
    again.close()


GARBAGE = [b"", b"\n\n", b"\0\xff\xfe\n", b"[]\n", b"{}\n", b'{"id": 3}\n', b'{"id": "x"}\n', b"null\n", b'"x"\n']


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_cannot_be_read_is_passed_over(tmp_path: Path, garbage: bytes) -> None:
    kept = rows(1)
    (tmp_path / "0000000001.jsonl").write_bytes(garbage)
    spool = Spool(tmp_path)
    spool.append(kept)
    assert emptied(spool) == kept
    assert segments(tmp_path) == []
    spool.close()


def test_rows_of_other_versions_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = [row(queue_ms=3, bytes_out=7), row(ttft_ms=5), row()]
    spool.append(kept)
    spool.close()
    (segment,) = segments(tmp_path)
    newer, older, torn = map(json.loads, segment.read_bytes().splitlines())
    for name in ("queue_ms", "bytes_in", "bytes_out"):
        del older[name]
    del torn["tenant_id"]
    segment.write_text("".join(json.dumps(each) + "\n" for each in ({**newer, "colour": "red"}, older, torn)))
    again = Spool(tmp_path)
    assert emptied(again) == [kept[0], kept[1]._replace(queue_ms=0, bytes_in=0, bytes_out=0)]
    again.close()


def test_a_disk_that_fails_is_a_full_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    kept = rows(2)
    assert spool.append(kept[:1])
    first = segments(tmp_path / "spool")[0]
    held = first.read_bytes()
    first.unlink()
    first.mkdir()  # not even root can append to a directory
    assert not spool.append(kept[1:])
    first.rmdir()
    first.write_bytes(held)
    assert spool.append(kept[1:])
    assert emptied(spool) == kept
    spool.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from accesslog.writing.spool import Spool
from tests.accesslog.entries import row
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]))
print([spool.append([row()]) for _ in range(3)])
"""


def test_a_full_disk_keeps_nothing_of_what_did_not_fit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-1] == "[False, False, False]"
    assert segments(tmp_path) == []


def test_a_directory_is_its_successors_only_when_the_process_before_has_left_it(tmp_path: Path) -> None:
    kept = rows(2)
    spool, successor = Spool(tmp_path), Spool(tmp_path)
    assert spool.append(kept[:1])
    assert not successor.append(kept[1:])
    assert (successor.held, successor.rows, successor.oldest()) == (False, 0, [])
    spool.close()
    assert successor.append(kept[1:])
    assert emptied(successor) == kept
    successor.close()


def test_rows_that_another_process_left_are_taken_over_behind_the_own_ones(tmp_path: Path) -> None:
    kept = rows(4)
    for name, batches in (("own", [kept[:1]]), ("left", [kept[1:3], kept[3:]])):
        for batch in batches:
            spool = Spool(tmp_path / name)
            spool.append(batch)
            spool.close()
    adopt(tmp_path / "own", tmp_path / "left")
    assert segments(tmp_path / "left") == []
    spool = Spool(tmp_path / "own")
    assert emptied(spool) == kept
    spool.close()


def test_rows_that_a_living_process_keeps_are_not_taken_over(tmp_path: Path) -> None:
    living = Spool(tmp_path / "left")
    kept = rows(1)
    living.append(kept)
    with pytest.raises(SpoolInUse):
        adopt(tmp_path / "own", tmp_path / "left")
    assert emptied(living) == kept
    living.close()


def test_a_file_of_another_name_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.jsonl", "-1.jsonl", "0000000001.jsonl.bak"):
        (tmp_path / name).write_text("not ours\n")
    spool, kept = Spool(tmp_path), rows(2)
    assert spool.append(kept)
    assert emptied(spool) == kept
    spool.close()
    left = tmp_path / "left"
    left.mkdir()
    (left / "notes.jsonl").write_text("not ours\n")
    adopt(tmp_path, left)
    assert (tmp_path / "notes.jsonl").exists()
    assert (left / "notes.jsonl").exists()


def test_a_segment_that_cannot_be_read_does_not_hold_up_those_behind_it(tmp_path: Path) -> None:
    (tmp_path / "0000000001.jsonl").mkdir()  # an error for any reader, root too
    spool, kept = Spool(tmp_path), rows(3)
    assert spool.append(kept)
    assert emptied(spool) == kept
    assert (tmp_path / "0000000001.unreadable").exists()
    spool.close()
