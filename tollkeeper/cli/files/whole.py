"""A file that is there whole or not at all: a part of an export would pass for the month."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tollkeeper.cli.exits import CommandFailed, Exit


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """What the block writes is under `path` once the block has ended; if it fails, `path` is as it was."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise CommandFailed(Exit.FAILED, f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def output(path: Path | None, *, binary: bool) -> Iterator[BinaryIO]:
    """The file, or stdout without one; what is `binary` no terminal is to show."""
    if path is not None:
        with written_whole(path) as file:
            yield file
        return
    if binary and sys.stdout.isatty():
        raise CommandFailed(Exit.USAGE, "this is not for a terminal: say --out FILE")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
