"""How far the file log has been accounted for, kept on disk so that a killed process goes on from there."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

HEAD_BYTES = 256  # more than one line's time and request id, which no other file begins with


@dataclass(frozen=True, slots=True)
class Source:
    """Which file: its inode, which rotation keeps, and the hash of its first `head_size` bytes, since inodes are used
    again and files are truncated in place."""

    inode: int
    head_size: int
    head_hash: str

    @staticmethod
    def of(descriptor: int) -> "Source":
        head = os.pread(descriptor, HEAD_BYTES, 0)
        return Source(os.fstat(descriptor).st_ino, len(head), _hash(head))

    def is_at(self, descriptor: int) -> bool:
        """Whether the open file is still the one that this describes."""
        return os.fstat(descriptor).st_ino == self.inode and self.begins(descriptor)

    def begins(self, descriptor: int) -> bool:
        """Whether the open file begins as this one, as a copy of it does."""
        head = os.pread(descriptor, self.head_size, 0)
        return len(head) == self.head_size and _hash(head) == self.head_hash


@dataclass(frozen=True, slots=True)
class Position:
    """Every line of `source` up to byte `offset` is accounted for."""

    source: Source
    offset: int


def load(path: Path) -> Position | None:
    """None if there is none, or none that can be read: then the whole file is read again, which changes nothing."""
    try:
        fields = json.loads(path.read_bytes())
        return Position(Source(**fields["source"]), int(fields["offset"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        log.warning("the checkpoint of the access log cannot be read", file=str(path), reason=str(error))
        return None


def saved_at(path: Path) -> float:
    """When it was last kept, as time.time(); 0.0 if never."""
    return path.stat().st_mtime if path.exists() else 0.0


def save(path: Path, position: Position) -> None:
    """Atomic: after a crash the old or the new one is there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".new")
    with partial.open("w") as file:
        json.dump(asdict(position), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _hash(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()
