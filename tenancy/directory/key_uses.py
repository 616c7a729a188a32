"""The port that notes when keys were last used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class KeyUses(Protocol):
    """Not a change of a key: no version counts it, nothing is announced."""

    async def note(self, uses: Mapping[str, datetime]) -> None:
        """Writes the latest use of each key, by its id, at most once a minute.  Never raises, and never waits: a key
        that is just being changed is skipped; its next use is written instead."""
