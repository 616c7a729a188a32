"""Lists of fields that grow at their end: the compact form in which values travel between processes of two versions.

A field may only be added at the end, with a default, and must be one that an older process may ignore.
"""

from collections.abc import Sequence
from typing import Any


def filled(row: Sequence[Any], defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """A field for each default.  Missing ones at the end take the default; further ones, of a newer version, are
    dropped."""
    return (*row[: len(defaults)], *defaults[len(row) :])
