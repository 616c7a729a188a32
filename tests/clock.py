"""A wall clock that a test can step, of a process that is started `on` it.  Its monotonic clock goes on as before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path

LIBRARY = next(each.locate() for each in files("libfaketime") or () if each.name == "libfaketime.so.1")


class Clock:
    """`file` is read again each second."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)

    def step(self, seconds: int) -> None:
        """From now on it says so much more than the machine's."""
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{seconds:+d}")
        aside.rename(self._file)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Processes that are started meanwhile have it."""
        variables = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        os.environ.update(variables)
        try:
            yield
        finally:
            for name in variables:
                del os.environ[name]
