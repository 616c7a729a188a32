"""The shared stack, whose capacity each test sets."""

from collections.abc import Iterator

import pytest

from tests.e2e.deployment import Deployment, wait_for


@pytest.fixture
def deployment(stack: Deployment) -> Iterator[Deployment]:
    """With nothing in flight, and without bounds."""
    yield stack
    bound(stack, None)
    idle(stack)


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
