"""The keys of a deployment: shared by its processes, and never the end of one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tenancy.values.seal import key_of
from tollkeeper.seal_key import FILE, seal_keys

SECRETS = ("n" * 32, "o" * 32)


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: seal_keys(tmp_path / "data", ()), range(8)))
    assert len(found) == 1
    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600


def test_secrets_come_first_and_what_was_sealed_before_them_is_believed(tmp_path: Path) -> None:
    before = seal_keys(tmp_path, ())
    assert seal_keys(tmp_path, SECRETS).keys == (*map(key_of, SECRETS), *before.keys)


@pytest.mark.parametrize("text", ["{", "[]", '{"key": "00", "since": 1}', '{"key": 1, "since": "x"}'])
def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    made = seal_keys(tmp_path, ())
    assert seal_keys(tmp_path, ()) == made


def test_without_a_place_for_it_the_process_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(seal_keys(tmp_path / "file", ()).keys) == 1
