"""The requests in flight through a process, in a file that outlives it, so that its successor counts them too.

A file of fixed records in shared memory: a change costs a microsecond and no system call, and the kernel keeps it when
the process is killed.  (When the machine dies, its requests die too.) Blocks are allocated on the disk before they are
written: on a full disk the kernel would kill a process that writes to one that has none.  Knows no rules and no
budgets.
"""

import fcntl
import mmap
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

RECORD = struct.Struct("<c36s64p64p")
WRITTEN = struct.Struct("<c36s128s")  # the same, tenant and group as _names packs them
NAMES = struct.Struct("<64p64p")
NAMES_KEPT = 4096
TEXT_MAX_BYTES = 63
FREE, ASKED, ANSWERED = b"\0", b"a", b"r"
NOWHERE = -1  # the place of a request that is not recorded
CHUNK = 4096  # records that are allocated on the disk at a time: 1.2 MB, with their models
SUFFIX = ".in-flight"
# Models, by the same place, in a file of their own beside the records: earlier versions do not know it.
MODEL = struct.Struct("<128p")
MODEL_MAX_BYTES = 127
MODELS = ".models"


class Entry(NamedTuple):
    """One request.  `answered`: its caller may have been told that it runs.  `model` "": not known."""

    lease_id: str
    tenant_id: str
    group: str
    answered: bool
    model: str = ""


class Journal:
    """`directory` is the process's kind and number; each process has a file of its own in it.  At most `size` requests;
    what is beyond is not written down, nor is what a full disk has no room for.  Open as long as the process lives.
    Not thread-safe: the register holds a lock.  OSError."""

    def __init__(self, directory: Path, size: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = directory / f"{secrets.token_hex(4)}{SUFFIX}"
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # held as long as we live
        os.ftruncate(self._file, size * RECORD.size)
        self._map = mmap.mmap(self._file, size * RECORD.size)
        self._model_file = os.open(self._path.with_suffix(MODELS), os.O_CREAT | os.O_RDWR, 0o600)
        os.ftruncate(self._model_file, size * MODEL.size)
        self._models = mmap.mmap(self._model_file, size * MODEL.size)
        self._size, self._used, self._room = size, 0, 0
        self._is_full = False  # whether the disk is full
        self._free: list[int] = []
        self._model_at: list[str] = []  # by place: what is written there now

    def enter(self, lease_id: str, tenant_id: str, group: str, model: str = "") -> int:
        """Records a request; returns its place."""
        names = _names(tenant_id, group)
        if names is None:
            return NOWHERE
        if self._free:
            place = self._free.pop()
        elif self._used < self._room or self._has_more():
            place = self._used
            self._used += 1
            self._model_at.append("")
        else:
            return NOWHERE
        if self._model_at[place] != model:
            self._model_at[place], of_model = model, model.encode()
            MODEL.pack_into(self._models, place * MODEL.size, of_model if len(of_model) <= MODEL_MAX_BYTES else b"")
        WRITTEN.pack_into(self._map, place * RECORD.size, ASKED, lease_id.encode(), names)
        return place

    def answer(self, place: int) -> None:
        if place != NOWHERE:
            self._map[place * RECORD.size] = ANSWERED[0]

    def leave(self, place: int) -> None:
        """Frees the place; call it once."""
        if place != NOWHERE:
            self._map[place * RECORD.size] = FREE[0]
            self._free.append(place)

    def _has_more(self) -> bool:
        """Whether the disk has room for the next records."""
        room = min(self._room + CHUNK, self._size)
        if room == self._room:
            return False
        try:
            for file, record in ((self._file, RECORD), (self._model_file, MODEL)):
                os.posix_fallocate(file, self._room * record.size, (room - self._room) * record.size)
        except OSError as error:
            if not self._is_full:
                log.warning("what is in flight cannot be written down, a successor will not count it",
                            reason=str(error))  # fmt: skip
            self._is_full = True
            return False
        self._room, self._is_full = room, False
        return True


class Predecessor:
    """An earlier process in this place, by its file: `entries` are what it had in flight at the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.look()

    def look(self) -> None:
        self.entries = {entry.lease_id: entry for entry in _read(self._path)}

    def ended(self) -> bool:
        """Whether it is gone; then `entries` are what it left, and its file is removed."""
        try:
            with self._path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.look()
                self._path.unlink()
                self._path.with_suffix(MODELS).unlink(missing_ok=True)
        except BlockingIOError:
            return False
        except FileNotFoundError:
            self.entries = {}
        return True


def predecessors_in(directory: Path) -> list[Predecessor]:
    """Call it before making a journal in `directory`."""
    return [Predecessor(path) for path in directory.glob(f"*{SUFFIX}")]


@lru_cache(NAMES_KEPT)
def _names(tenant_id: str, group: str) -> bytes | None:
    """None if a name is too long."""
    tenant, of = tenant_id.encode(), group.encode()
    return NAMES.pack(tenant, of) if max(len(tenant), len(of)) <= TEXT_MAX_BYTES else None


def _read(path: Path) -> Iterator[Entry]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        written = os.lseek(file.fileno(), 0, os.SEEK_HOLE)  # most of the file was never written
        used = os.pread(file.fileno(), written, 0).rstrip(FREE)
        data = used.ljust(-(-len(used) // RECORD.size) * RECORD.size, FREE)
        models = _models(path, len(data) // RECORD.size)
        for (state, lease_id, tenant_id, group), model in zip(RECORD.iter_unpack(data), models, strict=True):
            if state in (ASKED, ANSWERED):
                texts = (lease_id.decode(), tenant_id.decode(), group.decode())
                yield Entry(*texts, answered=state == ANSWERED, model=model)


def _models(path: Path, count: int) -> list[str]:
    """The models of the first `count` places.  Earlier versions wrote none."""
    data = b""
    with suppress(FileNotFoundError), path.with_suffix(MODELS).open("rb") as file:
        data = os.pread(file.fileno(), count * MODEL.size, 0)
    return [name.decode(errors="replace") for (name,) in MODEL.iter_unpack(data.ljust(count * MODEL.size, FREE))]
