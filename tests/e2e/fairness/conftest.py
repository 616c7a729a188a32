"""A stack of its own: its capacity is set by each test."""

from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment, wait_for


@pytest.fixture(scope="package")
def own_stack() -> Iterator[Deployment]:
    with public_directory() as directory:
        deployment = Deployment(directory / "stack")
        yield deployment
        deployment.close()


@pytest.fixture
def deployment(own_stack: Deployment) -> Iterator[Deployment]:
    """With nothing in flight, and without bounds."""
    yield own_stack
    bound(own_stack, None)
    idle(own_stack)


def bound(deployment: Deployment, most: int | None) -> None:
    """Returns once the sidecar enforces it."""
    deployment.admin.put("/capacity", json={"max_in_flight": most}).raise_for_status()
    wait_for(lambda: True if stats(deployment)["max_in_flight"] == most else None, f"a capacity of {most}")


def stats(deployment: Deployment) -> dict[str, int]:
    answer = deployment.admin.get("/stats")
    answer.raise_for_status()
    found: dict[str, int] = answer.json()
    return found


def idle(deployment: Deployment) -> None:
    wait_for(lambda: True if not (now := stats(deployment))["in_flight"] + now["queued"] else None, "nothing in flight")
