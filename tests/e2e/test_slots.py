"""A client that keeps exactly the concurrency it may is never refused: no refusal comes from our own lag."""

import pytest

from tests.e2e.deployment import Deployment


@pytest.mark.parametrize("engine", ["threads", "completion_queue", "http2"])  # the last is the stack's own
def test_one_after_the_other_on_one_slot(stack: Deployment, engine: str) -> None:
    stack.engine(engine)
    who = stack.tenant(max_in_flight=1)
    statuses = [stack.chat(who, max_tokens=4).status_code for _ in range(60)]
    assert statuses == [200] * 60
    assert {row["admission"] for row in stack.usage_when(who, 60)} == {"fast"}
