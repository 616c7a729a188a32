"""One running stack for all tests that leave it whole; tests that break one start their own."""

from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment


@pytest.fixture(scope="session")
def stack() -> Iterator[Deployment]:
    with public_directory() as directory:
        deployment = Deployment(directory / "stack")
        yield deployment
        deployment.close()
