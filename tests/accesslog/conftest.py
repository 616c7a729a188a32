"""A pipeline on real stores that a test can cut off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accesslog.stack import Stack


@pytest.fixture
def stack(tmp_path: Path, database_url_sync: str, redis_url: str) -> Iterator[Stack]:
    made = Stack(tmp_path, database_url_sync, redis_url)
    made.start()
    yield made
    made.close()
