"""One running stack for all tests that leave it whole; tests that break one start their own.

It ends when its worker goes on with tests of another folder: one that is idle takes a twentieth of a core.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment


@pytest.fixture(scope="package")
def stack() -> Iterator[Deployment]:
    with public_directory() as directory:
        deployment = Deployment(directory / "stack")
        yield deployment
        deployment.close()
