"""One running stack for all tests that leave it whole; tests that break one start their own.

It ends when its worker goes on with tests of another folder: one that is idle takes a twentieth of a core.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Its models' clusters are not below /dev, from which an Envoy before 1.40 reads no file."""
    with public_directory() as directory:
        clusters = tmp_path_factory.mktemp("models") / "models.yaml"
        deployment = Deployment(directory / "stack", settings={"model_clusters": clusters})
        yield deployment
        deployment.close()
