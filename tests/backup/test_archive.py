"""The file: whole or not there, for its owner alone, and whatever was changed in it is noticed."""

import asyncio
import os
import zipfile
from pathlib import Path

import msgspec
import pytest

from tollkeeper.backup.archive import FORMAT, MANIFEST, BadBackup, CannotWrite, Manifest, Table, reading, writing

ROWS = b"1\tann\n2\tbob\n"


def manifest(*tables: Table, format: int = FORMAT) -> Manifest:
    return Manifest(format, "2026-11-28T08:00:00.000+00:00", "0.1.0", "18.0", ["0001_tenancy"], [], [*tables])


def write(path: Path, content: bytes = ROWS) -> None:
    with writing(path) as archive:
        with archive.table("users") as member:
            asyncio.run(member.write(content))
        archive.finish(manifest(Table("users", ["id", "name"], content.count(b"\n"), member.bytes, member.sha256)))


def damage(path: Path) -> str:
    with pytest.raises(BadBackup) as caught, reading(path) as archive:
        archive.verify()
    return str(caught.value)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    write(tmp_path / "backup")
    with reading(tmp_path / "backup") as archive:
        archive.verify()
        (table,) = archive.manifest.tables
        assert b"".join(archive.content(table)) == ROWS
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_nothing_is_there_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "backup") as archive:  # noqa: PT012 - within the block
        with archive.table("users") as member:
            asyncio.run(member.write(ROWS))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "backup")
    with pytest.raises(CannotWrite, match="is there already"):
        write(tmp_path / "backup", b"")


def test_what_a_killed_one_left_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "backup.part").write_bytes(b"x" * 100_000)
    (tmp_path / "backup.part").chmod(0o644)
    write(tmp_path / "backup")
    with reading(tmp_path / "backup") as archive:
        archive.verify()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def test_two_do_not_write_the_same_file(tmp_path: Path) -> None:
    with writing(tmp_path / "backup") as archive:
        with pytest.raises(CannotWrite, match="another backup is being written"):
            write(tmp_path / "backup")
        archive.finish(manifest())
    with reading(tmp_path / "backup") as found:
        found.verify()


def test_a_manifest_writes_nothing_at_a_terminal(tmp_path: Path) -> None:
    with writing(tmp_path / "backup") as archive:
        archive.finish(msgspec.structs.replace(manifest(), tollkeeper="0.1.0\x1b[2Kwhole"))
    assert damage(tmp_path / "backup").endswith("characters in its manifest that cannot be printed")


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"kept")
    (tmp_path / "backup.part").symlink_to(tmp_path / "other")
    with pytest.raises(CannotWrite):
        write(tmp_path / "backup")
    (tmp_path / "backup.part").unlink()
    os.link(tmp_path / "other", tmp_path / "backup.part")
    with pytest.raises(CannotWrite, match="somebody else's"):
        write(tmp_path / "backup")
    assert (tmp_path / "other").read_bytes() == b"kept"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_part_of_a_file_is_no_backup(tmp_path: Path, share: float) -> None:
    write(tmp_path / "backup", os.urandom(5000).hex().encode() + b"\n")
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "backup").write_bytes(whole[: int(len(whole) * share)])
    assert "is no backup" in damage(tmp_path / "backup")


def test_each_byte_of_the_rows_counts(tmp_path: Path) -> None:
    write(tmp_path / "backup", os.urandom(500).hex().encode() + b"\n")
    whole = (tmp_path / "backup").read_bytes()
    for at in range(80, 500, 40):
        (tmp_path / "backup").write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert "tables/users.copy" in damage(tmp_path / "backup")


def rewrite(path: Path, **members: bytes) -> None:
    """A sound zip of other content."""
    with zipfile.ZipFile(path) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**before, **members}.items():
            archive.writestr(name, content)


def test_other_rows_than_the_manifest_has_are_noticed(tmp_path: Path) -> None:
    write(tmp_path / "backup")
    rewrite(tmp_path / "backup", **{"tables/users.copy": ROWS + b"3\teve\n"})
    assert "has changed since" in damage(tmp_path / "backup")
    rewrite(tmp_path / "backup", **{"tables/users.copy": ROWS[:-6]})
    assert "has changed since" in damage(tmp_path / "backup")


def test_members_of_no_table_are_noticed(tmp_path: Path) -> None:
    write(tmp_path / "backup")
    rewrite(tmp_path / "backup", **{"tables/more.copy": b""})
    assert "other members" in damage(tmp_path / "backup")


def test_another_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    assert "is no backup" in damage(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("hello", "world")
    assert "is no backup of Tollkeeper" in damage(tmp_path / "zip")
    assert "No such file" in damage(tmp_path / "none")


def test_one_of_a_newer_form_is_called_that(tmp_path: Path) -> None:
    write(tmp_path / "backup")
    newer = msgspec.json.encode({"format": FORMAT + 1, "tables": "elsewhere"})
    rewrite(tmp_path / "backup", **{MANIFEST: newer})
    assert "newer version" in damage(tmp_path / "backup")
