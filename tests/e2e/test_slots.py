"""A client that keeps exactly the concurrency it may is never refused: no refusal comes from our own lag."""

import pytest

from tests.e2e.deployment import Deployment


# The last is the stack's own.
@pytest.mark.parametrize(
    ("engine", "log"), [("threads", "file"), ("completion_queue", "both"), ("http2", "both"), ("http2", "file")]
)
def test_one_after_the_other_on_one_slot(stack: Deployment, engine: str, log: str) -> None:
    stack.sidecar(engine=engine, access_log=log)
    who = stack.tenant(max_in_flight=1)
    if log == "file":
        stack.until_logged_once(stack.tenant())
    statuses = [stack.chat(who, max_tokens=4).status_code for _ in range(60)]
    assert statuses == [200] * 60
    assert {row["admission"] for row in stack.usage_when(who, 60)} == {"fast"}
