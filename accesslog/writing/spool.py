"""Rows on disk while the ledger is away: numbered segments of JSON lines, read back in the order they were written.

A batch counts as kept once it is fsynced.  A process that died mid-write leaves a torn last line, which is skipped: its
rows were never reported as kept.  Rows here have no costs yet: they are priced on their way into the ledger.  Owns the
directory; one process at a time.  It blocks: call it from one worker thread, not on a loop.
"""

import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from accesslog.writing.fence import Fence
from ledger.row import UsageRow
from tenancy.values.lease_id import is_lease_id, lease_time

log = structlog.get_logger(__name__)

SPOOL_MAX_BYTES = 256 * 1024 * 1024  # some 400,000 rows
SEGMENT_BYTES = 1024 * 1024  # one ledger batch or a few
LOCK = "lock"
_SUFFIX, _ASIDE = ".jsonl", ".unreadable"


class SpoolInUse(Exception):
    """Another process keeps its rows in this directory."""


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int
    rows: int
    since: float  # time.time() of its first row


class Spool:
    """A bounded queue of rows that survives the process.  Any thread may read `rows`, `size` (bytes) and `since`.

    While another process has the directory (the one before, which ends) it is empty and takes nothing.  `fence` sees to
    it that it does end."""

    def __init__(self, directory: Path, max_bytes: int = SPOOL_MAX_BYTES, fence: Fence | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self.max_bytes, self._fence = directory, max_bytes, fence
        self._lock: int | None = None
        self._segments: deque[_Segment] = deque()
        self._number = 0
        self._open: _Segment | None = None  # the newest segment, if it was begun by this process and may grow
        self._told = False
        self.take()

    @property
    def held(self) -> bool:
        """Whether this process owns the directory."""
        return self._lock is not None

    def take(self) -> bool:
        """Tries to take the directory, unless it is ours already."""
        if self._lock is not None:
            return True
        try:
            self._lock = _lock(self._directory)
        except SpoolInUse as error:
            if not self._told:
                log.warning(str(error))
            self._told = True
            if self._fence is not None:
                self._fence.end(self._directory / LOCK)
            return False
        if self._fence is not None:
            self._fence.hold(self._lock)
        self._segments.extend(_found(path) for path in _kept_in(self._directory))
        self._number = int(self._segments[-1].path.stem) if self._segments else 0
        return True

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in list(self._segments))

    @property
    def size(self) -> int:
        return sum(segment.size for segment in list(self._segments))

    @property
    def since(self) -> float | None:
        """When the oldest row came, as time.time(); None if there is none."""
        segments = list(self._segments)
        return segments[0].since if segments else None

    def append(self, rows: Sequence[UsageRow]) -> bool:
        """Keeps all of `rows` (True: they are on disk) or none: the spool or the disk is full, or it is not ours."""
        if not self.take():
            return False
        data = b"".join(_dump(row) for row in rows)
        if self.size + len(data) > self.max_bytes:
            return False
        segment = self._writable()
        try:
            with segment.path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if segment.size == 0:
                _fsync_directory(self._directory)
        except OSError as error:
            self._open = None  # its end may be torn: nothing may follow it
            with suppress(OSError):
                if segment.size:
                    os.truncate(segment.path, segment.size)
                else:
                    segment.path.unlink()
            log.warning("usage rows could not be kept on disk", reason=str(error), rows=len(rows))
            return False
        segment.size += len(data)
        segment.rows += len(rows)
        if self._open is None:
            self._open = segment
            self._segments.append(segment)
        if segment.size >= SEGMENT_BYTES:
            self._open = None
        return True

    def oldest(self) -> list[UsageRow]:
        """The rows of the oldest segment, which then grows no more; empty if nothing is kept."""
        while self._segments:
            segment = self._segments[0]
            if segment is self._open:
                self._open = None
            try:
                rows = _load(segment.path)
            except OSError as error:
                self._set_aside(error)
                continue
            if rows:
                return rows
            self.drop_oldest()
        return []

    def _set_aside(self, error: OSError) -> None:
        """The oldest segment cannot be read: it stays on the disk for people, and those behind it go on."""
        path = self._segments.popleft().path
        log.error("rows in the spool cannot be read", file=path.name, reason=str(error))
        with suppress(OSError):
            path.rename(path.with_suffix(_ASIDE))

    def drop_oldest(self) -> None:
        """Forgets the segment that `oldest` returned."""
        self._segments.popleft().path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def _writable(self) -> _Segment:
        if self._open is not None:
            return self._open
        self._number += 1
        return _Segment(self._directory / f"{self._number:010d}{_SUFFIX}", 0, 0, time.time())


def adopt(directory: Path, left: Path) -> None:
    """Appends the segments that a dead process left in `left` to those of `directory`.  Call before opening the spool.
    SpoolInUse if that process is alive."""
    lock = _lock(left)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        last = max((int(path.stem) for path in _kept_in(directory)), default=0)
        for number, path in enumerate(_kept_in(left), last + 1):
            path.rename(directory / f"{number:010d}{_SUFFIX}")
        _fsync_directory(directory)
    finally:
        os.close(lock)


def _kept_in(directory: Path) -> list[Path]:
    """The segments in a directory, oldest first; other files are ignored."""
    return sorted(path for path in directory.glob(f"*{_SUFFIX}") if path.stem.isascii() and path.stem.isdecimal())


def _found(path: Path) -> _Segment:
    stat = path.stat()
    try:
        rows = path.read_bytes().count(b"\n")
    except OSError:  # handled when it is read
        rows = 0
    return _Segment(path, stat.st_size, rows, stat.st_mtime)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SpoolInUse(
            f"another process keeps its usage rows in {directory}: unless it ends, give each its own directory"
        ) from None
    return descriptor


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(row: UsageRow) -> bytes:
    """`ts` is left out: it is in the id."""
    fields = row._asdict()
    del fields["ts"]
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _load(path: Path) -> list[UsageRow]:
    lines = path.read_bytes().splitlines()
    rows = [row for row in map(_parse, lines) if row is not None]
    if len(rows) != len(lines):
        log.warning("unreadable lines in the spool", file=path.name, lines=len(lines) - len(rows))
    return rows


def _parse(line: bytes) -> UsageRow | None:
    """Of this version or another: what an older one did not write has its default, what a newer one did is left out."""
    try:
        fields = json.loads(line)
        if not is_lease_id(fields["id"]):
            return None
        known = {name: fields[name] for name in _STORED if name in fields}
        return UsageRow(ts=lease_time(fields["id"]), **known)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


_STORED = tuple(name for name in UsageRow._fields if name != "ts")
