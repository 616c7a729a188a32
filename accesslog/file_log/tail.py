"""The lines of a log file that grows, is renamed away, truncated, or not there yet.

Knows files and lines, not what is in them.  Envoy goes on writing to a renamed file until it is told to reopen, so a
renamed file is read until it is quiet and its successor has something in it.
"""

import os
from pathlib import Path

from msgspec import Struct

from accesslog.file_log.checkpoint import HEAD_BYTES, Position, Source

CHUNK_BYTES = 256 * 1024
LINE_MAX_BYTES = 1024 * 1024  # far beyond a line with every field at its longest: 96 KiB of headers hold the path
QUIET_SECONDS = 2.0  # Envoy's flush interval (1 s as rendered), twice
CLOCK_SECONDS = 60.0  # file times and ours may differ on a network file system
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})


class Line(Struct, frozen=True, gc=False):
    """One line without its newline; `end` is the offset after it."""

    data: bytes
    source: Source
    end: int


class Tail:
    """Reads on from `start`; without one, the current file from its beginning.  `now` is any clock's, in s.

    If the file of `start` is gone, what was written after `saved_at` (time.time()) may hold lines that were never read.
    """

    def __init__(self, path: Path, start: Position | None, saved_at: float = 0.0) -> None:
        self._path = path
        self._file: int | None = None
        self._source = Source(0, 0, "")
        self._offset = 0  # of the first byte that was not returned in a line
        self._rest = b""  # the bytes from there on, without a newline so far
        self._skipping = False  # inside a line that is too long
        self._grew_at = float("-inf")
        self._visited: set[int] = set()
        self.caught_up = False  # whether the end of the current file was reached once
        if start is not None:
            self._resume(start, saved_at)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self, now: float, quiet_seconds: float = QUIET_SECONDS) -> list[Line]:
        """The next lines; none if there are none yet.  A renamed file is left after `quiet_seconds` without one."""
        if self._file is None and not self._open(self._path, now):
            self.caught_up = True
            return []
        assert self._file is not None  # noqa: S101 - _open has set it
        if not self._source.is_at(self._file):
            self._rewind(self._file)  # truncated in place, and perhaps written to since
        if not self._rest:
            self._offset = _after_hole(self._file, self._offset)
        while chunk := os.pread(self._file, CHUNK_BYTES, self._offset + len(self._rest)):
            self._grew_at = now
            if lines := self._split(chunk):
                return lines
        if self._is_current():
            self.caught_up = True
        elif now - self._grew_at >= quiet_seconds:
            self._follow(now)
        return []

    def _split(self, chunk: bytes) -> list[Line]:
        *whole, rest = (self._rest + chunk).split(b"\n")
        if self._source.head_size < HEAD_BYTES and self._file is not None:
            self._source = Source.of(self._file)
        lines = []
        for data in whole:
            self._offset += len(data) + 1
            lines.append(Line(b"" if self._skipping else data, self._source, self._offset))
            self._skipping = False
        if len(rest) > LINE_MAX_BYTES:
            self._offset += len(rest)
            rest, self._skipping = b"", True
        self._rest = rest
        return lines

    def _resume(self, start: Position, saved_at: float) -> None:
        family = self._family()
        for path in sorted(family, key=lambda each: each.stat().st_ino != start.source.inode):
            if path.stat().st_size >= start.offset and self._open(path, float("-inf")):
                if self._file is not None and start.source.begins(self._file):
                    self._source, self._offset = Source.of(self._file), start.offset
                    return
                self.close()
        for path in self._family():
            if path.stat().st_mtime >= saved_at - CLOCK_SECONDS and self._open(path, float("-inf")):
                return

    def _follow(self, now: float) -> None:
        """Goes from a renamed file to the one that came after it, if that has begun."""
        assert self._file is not None  # noqa: S101 - only called with an open file
        ours = os.fstat(self._file)
        self._visited.add(ours.st_ino)
        for path in self._family():
            stat = path.stat()
            later = stat.st_mtime_ns >= ours.st_mtime_ns and stat.st_ino not in self._visited
            if path == self._path:
                later = stat.st_size > 0
            if later and self._open(path, now):
                return

    def _family(self) -> list[Path]:
        """The log and what it was renamed to, oldest first, the current one last."""
        files = [
            (path.stat().st_mtime_ns, path)
            for path in self._path.parent.glob(f"{self._path.name}?*")
            if path.is_file() and path.suffix not in _COMPRESSED
        ]
        current = [self._path] if self._path.exists() else []
        return [path for _, path in sorted(files)] + current

    def _open(self, path: Path, now: float) -> bool:
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        self.close()
        self._file, self._grew_at = file, now
        self._rewind(file)
        return True

    def _rewind(self, file: int) -> None:
        self._source, self._offset, self._rest, self._skipping = Source.of(file), 0, b"", False

    def _is_current(self) -> bool:
        """Whether ours is (still) the file under the log's name; also if there is none at the moment."""
        assert self._file is not None  # noqa: S101 - only called with an open file
        try:
            current = self._path.stat().st_ino == os.fstat(self._file).st_ino
        except FileNotFoundError:
            return True
        if current:
            self._visited.clear()
        return current


def _after_hole(file: int, offset: int) -> int:
    """The next offset with data: blocks before it may have been given back to the disk."""
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:  # nothing is, or the disk cannot tell
        return offset
