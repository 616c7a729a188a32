"""Requests as spans and metrics, from a client's trace through every real part to a receiver of OTLP."""

from collections.abc import Iterator

import pytest

from tests.e2e.deployment import MODEL, Deployment, wait_for
from tests.otlp import Collector, attributes, collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def receiver(stack: Deployment) -> Iterator[Collector]:
    """The stack's sidecar sends there."""
    with collector() as running:
        before = stack.settings
        restart(stack, otlp_endpoint=running.url)
        yield running
        restart(stack, otlp_endpoint=before.otlp_endpoint)


def restart(stack: Deployment, **changes: object) -> None:
    stack.processes["sidecar"].stop()
    stack.settings = stack.settings.model_copy(update=changes)
    stack.stack.sidecar(stack.settings)


def test_a_request_is_a_span_of_its_clients_trace_and_counts_in_the_metrics(
    stack: Deployment, receiver: Collector
) -> None:
    who = stack.tenant()
    answer = stack.chat(who, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    refused = stack.chat(who, max_tokens=2_000_000)
    assert (answer.status_code, refused.status_code) == (200, 429)
    spans = wait_for(lambda: found if len(found := receiver.spans()) >= 2 else None, "two spans")
    ran, not_run = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert (ran.trace_id.hex(), ran.parent_span_id.hex(), ran.name) == (TRACE, PARENT, f"chat {MODEL}")
    assert ran.end_time_unix_nano > ran.start_time_unix_nano
    said, usage = attributes(ran), answer.json()["usage"]
    assert said["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert said["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert (said["gen_ai.response.model"], said["tollkeeper.tenant.id"]) == (MODEL, who.tenant_id)
    assert said["tollkeeper.request.id"] == answer.headers["x-request-id"]
    assert not any(who.secret in str(value) for value in said.values())
    why = attributes(not_run)
    assert (not_run.parent_span_id, not_run.status.code, why["error.type"]) == (b"", 2, "429")
    assert why["tollkeeper.denied_by"] == "tenant:tokens:60s"
    (row,) = [row for row in stack.usage_when(who, 2) if row["status"] == 429]
    assert not_run.trace_id.hex() == row["id"].hex
    metrics = wait_for(lambda: receiver.last_metrics() if receiver.metrics else None, "metrics", 30)
    (point,) = [
        each
        for each in metrics["gen_ai.client.operation.duration"].histogram.data_points
        if "error.type" not in attributes(each)
    ]
    assert (point.count, attributes(point)["gen_ai.request.model"]) == (1, MODEL)
    assert [each.trace_id.hex() for each in point.exemplars] == [TRACE]
    points = metrics["gen_ai.client.token.usage"].histogram.data_points
    tokens = {attributes(each)["gen_ai.token.type"]: each.sum for each in points}
    assert tokens == {"input": usage["prompt_tokens"], "output": usage["completion_tokens"]}
