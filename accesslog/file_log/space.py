"""The disk that Envoy's file log lies on: whether it has room, and giving back what has been accounted for.

A log that nobody rotates would fill it.  Renaming the file needs Envoy's help, and truncating it loses what is written
at that moment.  So the blocks of what has been accounted for are given back in place: the file keeps its name and its
length, Envoy goes on writing at its end, and no reader loses its position.
"""

import ctypes
import os
from pathlib import Path

import structlog

from accesslog.file_log.checkpoint import Position

log = structlog.get_logger(__name__)

MEBIBYTE = 1024 * 1024
STEP_BYTES = 8 * MEBIBYTE  # given back at a time, so that it is done rarely
HEAD_BYTES = 65_536  # not given back: a file is recognized by its beginning (checkpoint.py)
ROOM_BYTES = 64 * MEBIBYTE
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def has_room_beside(file: Path) -> bool:
    """Whether the disk of `file` has room for some hundred thousand lines more."""
    try:
        stat = os.statvfs(file.parent)
    except OSError:
        return False
    return stat.f_bavail * stat.f_frsize >= ROOM_BYTES


class LogSpace:
    """For one log file.  `keep_bytes` of what was accounted for stay readable for people; 0: all of it."""

    def __init__(self, file: Path, keep_bytes: int) -> None:
        self._file, self._keep_bytes = file, keep_bytes
        self._inode = self._freed = 0
        self._refused = False
        self._fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        self._fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def give_back(self, done: Position) -> None:
        """Every line up to `done` is accounted for.  Nothing is given back of a renamed file: whatever rotates it also
        removes it.  If the disk cannot punch holes, or the file is not ours, that is logged once."""
        end = (done.offset - self._keep_bytes) // STEP_BYTES * STEP_BYTES
        if not self._keep_bytes or self._refused or end <= HEAD_BYTES:
            return
        if done.source.inode == self._inode and end <= self._freed:
            return
        try:
            self._punch(done, end)
        except OSError as error:
            self._refused = True
            log.warning("what was read of the access log cannot be given back, rotate it", reason=str(error))

    def _punch(self, done: Position, end: int) -> None:
        file = os.open(self._file, os.O_RDWR)
        try:
            if not done.source.is_at(file):
                return
            if self._fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, HEAD_BYTES, end - HEAD_BYTES) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            self._inode, self._freed = done.source.inode, end
        finally:
            os.close(file)
