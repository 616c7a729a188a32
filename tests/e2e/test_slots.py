"""A client that keeps exactly the concurrency it may is never refused: no refusal comes from our own lag."""

from collections.abc import Iterator

import pytest

from tests.conftest import public_directory
from tests.e2e.deployment import Deployment


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with public_directory() as directory:
        started = Deployment(directory / "stack")
        yield started
        started.close()


@pytest.mark.parametrize("engine", ["completion_queue", "threads"])
def test_one_after_the_other_on_one_slot(deployment: Deployment, engine: str) -> None:
    deployment.engine(engine)
    who = deployment.tenant(max_in_flight=1)
    statuses = [deployment.chat(who, max_tokens=4).status_code for _ in range(60)]
    assert statuses == [200] * 60
    assert {row["admission"] for row in deployment.usage_when(who, 60)} == {"fast"}
