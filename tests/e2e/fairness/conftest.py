"""The shared stack, whose capacity each test sets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.deployment import Deployment, wait_for


@pytest.fixture
def deployment(stack: Deployment) -> Iterator[Deployment]:
    """With nothing in flight, and without bounds."""
    yield stack
    bound(stack, None)
    idle(stack)


def bound(deployment: Deployment, most: int | None) -> None:
    """Returns once the sidecar enforces it, by its own report: what is set for all is there at once."""
    deployment.admin.put("/capacity", json={"max_in_flight": most}).raise_for_status()

    def enforced() -> bool | None:
        return [each["max_in_flight"] for each in stats(deployment)["sidecars"]] == [most] or None

    wait_for(enforced, f"a capacity of {most}")


def stats(deployment: Deployment) -> dict[str, Any]:
    answer = deployment.admin.get("/stats")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def idle(deployment: Deployment) -> None:
    wait_for(lambda: True if not (now := stats(deployment))["in_flight"] + now["queued"] else None, "nothing in flight")
