"""The file of a backup: a zip with a member for each table, as `COPY` writes it, and a manifest at its end.

A zip's directory is at its end too, so a truncated file is no zip.  The file gets its name once it is complete and on
disk.  No database here.
"""

import errno
import fcntl
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MAX_BYTES = 4 * 1024 * 1024
CHUNK = 256 * 1024
# What zipfile raises of a file that is damaged or strange.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)  # of no connection
UNREADABLE = (KeyError, zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, zlib.error)
LEVEL = 1  # of deflate: three times as fast as the default, for a tenth more space


class BadBackup(Exception):
    """The file is not a backup, is incomplete, or has a format that this version does not read."""


class CannotWrite(Exception):
    """The file cannot be written there."""


class Table(msgspec.Struct, frozen=True):
    """`rows` and `sha256` are of the member's content.  `sequence`: the last number given out in `identity`."""

    name: str
    columns: list[str]
    rows: int
    bytes: int
    sha256: str
    identity: str | None = None
    sequence: int | None = None

    @property
    def member(self) -> str:
        return f"tables/{self.name}.copy"


class Manifest(msgspec.Struct, frozen=True):
    """`taken_at`: when the snapshot was, ISO 8601 in UTC.  `tables`: each follows those that it refers to.  `months`:
    those that the ledger has rows of, as YYYY_MM."""

    format: int
    taken_at: str
    tollkeeper: str
    postgres: str
    migrations: list[str]
    months: list[str]
    tables: list[Table]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def texts(self) -> list[str]:
        named = (name for table in self.tables for name in (table.name, *table.columns))
        return [self.taken_at, self.tollkeeper, self.postgres, *self.migrations, *self.months, *named]


class Counted:
    """Writes to a member, and remembers how much that was."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash, self.bytes = file, hashlib.sha256(), 0

    async def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Writer:
    """See `writing`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def table(self, name: str) -> Iterator[Counted]:
        with self._archive.open(Table(name, [], 0, 0, "").member, "w", force_zip64=True) as file:
            yield Counted(file)

    def finish(self, manifest: Manifest) -> None:
        self._archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """The file appears under its name when the block has ended, readable for its owner alone; nothing does if the block
    raises.  CannotWrite."""
    if path.exists():
        raise CannotWrite(f"{path} is there already")
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotWrite(f"{part}: {error.strerror}") from None
    with _saying(part), open(descriptor, "r+b") as file:
        _take(file, part)
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
            os.rename(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _saying(part: Path) -> Iterator[None]:
    """Tells errors of the disk from errors of a connection.  Wraps everything: what is buffered is written when the
    file is closed."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK:
            raise CannotWrite(f"{part}: {error.strerror}") from None
        raise


def _take(file: IO[bytes], part: Path) -> None:
    """A file left by a killed backup is overwritten; one that another backup is writing, or another user made, is
    not."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
        raise CannotWrite(f"{part} is somebody else's")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotWrite(f"another backup is being written to {part}") from None
    os.fchmod(file.fileno(), 0o600)
    file.truncate(0)


class Reader:
    """See `reading`."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive, self.manifest = archive, manifest

    def content(self, table: Table) -> Iterator[bytes]:
        """Of the member, in pieces; BadBackup at its end if it is not what the manifest says, so use nothing before."""
        digest, size, rows = hashlib.sha256(), 0, 0
        try:
            with self._archive.open(table.member) as file:
                while data := file.read(CHUNK):
                    digest.update(data)
                    size, rows = size + len(data), rows + data.count(b"\n")
                    if size > table.bytes:
                        break
                    yield data
        except UNREADABLE as error:
            raise BadBackup(f"{table.member} cannot be read: {error}") from None
        if (digest.hexdigest(), size, rows) != (table.sha256, table.bytes, table.rows):
            raise BadBackup(f"{table.member} is not what was written: it has changed since")

    def verify(self) -> None:
        """Reads all of it; BadBackup."""
        for table in self.manifest.tables:
            for _ in self.content(table):
                pass


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """BadBackup."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise BadBackup(f"{path} is no backup, or only the beginning of one") from None
    except OSError as error:
        raise BadBackup(f"{path}: {error.strerror}") from None
    with archive:
        yield Reader(archive, _manifest(archive, path))


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        with archive.open(MANIFEST) as file:
            text = file.read(MANIFEST_MAX_BYTES + 1)
        if msgspec.json.decode(text, type=_Format).format > FORMAT:
            raise BadBackup(f"{path} is of a newer version of Tollkeeper than this one")
        manifest = msgspec.json.decode(text, type=Manifest)
    except UNREADABLE as error:
        raise BadBackup(f"{path} is no backup of Tollkeeper, or has been changed: {error}") from None
    if not all(map(str.isprintable, manifest.texts)):  # they are shown at a terminal
        raise BadBackup(f"{path} has characters in its manifest that cannot be printed")
    expected = {MANIFEST, *(table.member for table in manifest.tables)}
    if sorted(archive.namelist()) != sorted(expected):
        raise BadBackup(f"{path} has other members than its manifest says")
    return manifest


class _Format(msgspec.Struct):
    format: int
