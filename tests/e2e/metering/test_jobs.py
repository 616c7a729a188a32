"""Responses in the background, batches, and answers that nobody waited for, through the whole chain: charged once."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.envoys import another_envoy
from tests.formats.wire import Answer, End, Upstream, lines, plain, running
from tests.web import NO_TLS

USED = {"input_tokens": 900, "output_tokens": 4100}
CHAT_USED = {"prompt_tokens": 900, "completion_tokens": 4100, "total_tokens": 5000}
ALL = 5000
BATCH = {"object": "batch", "id": "batch_1", "endpoint": "/v1/chat/completions", "input_file_id": "file-in"}
ANTHROPIC = {"type": "message_batch", "id": "msgbatch_1", "request_counts": {"processing": 2}}


class Place(NamedTuple):
    upstream: Upstream
    client: httpx.Client

    def ask(self, who: Credential, method: str, path: str, answer: Answer | dict[str, Any], **body: object) -> int:
        """The status."""
        found = plain(json.dumps(answer)) if isinstance(answer, dict) else answer
        headers = {**who.headers, "x-answer": str(self.upstream.add(found))}
        sent = {"json": {"model": MODEL, **body}} if method == "POST" else {}
        return self.client.request(method, path, headers=headers, **sent).status_code  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    upstream, directory = Upstream(), Path(tmp_path_factory.mktemp("jobs"))
    with (
        running(upstream) as model,
        another_envoy(stack, directory, model) as url,
        httpx.Client(base_url=url, timeout=30, verify=NO_TLS) as client,
    ):
        yield Place(upstream, client)


def tenant(stack: Deployment) -> Credential:
    """With a budget that is not refilled."""
    who = stack.tenant()
    month = {"scope": "tenant", "unit": "tokens", "kind": "fixed_window", "calendar": "month", "amount": 1_000_000}
    stack.admin.post("/limits", json={**month, "name": "month", "tenant_id": who.tenant_id}).raise_for_status()
    return who


def settled(stack: Deployment, who: Credential, rows: int, tokens: int, source: str) -> dict[str, Any]:
    """The row of the request that began it, once ledger and budget agree on what is charged."""

    def look() -> dict[str, Any] | None:
        found = stack.usage(who)
        charged = [row for row in found if row["usage_source"] != "none"]
        if len(found) != rows or [row["usage_source"] for row in charged] != [source]:
            return None
        used = charged[0]["input_tokens"] + charged[0]["output_tokens"]
        return charged[0] if used == tokens and agree(stack, who) else None

    return wait_for(look, f"{tokens} tokens charged")


def agree(stack: Deployment, who: Credential) -> bool:
    """Whether the month's budget counts what the ledger has."""
    audit = stack.admin.get("/budgets/audit", params={"tenant_id": who.tenant_id}).json()
    return (audit["audited"], audit["drifting"]) == (1, 0)


def test_a_response_in_the_background(stack: Deployment, place: Place) -> None:
    who, path = tenant(stack), "/v1/responses"
    queued = {"id": "resp_1", "object": "response", "status": "queued", "background": True, "usage": None}
    assert place.ask(who, "POST", path, queued, input="Hello", background=True, max_output_tokens=300) == 200
    (row,) = stack.usage_when(who, 1)
    settled(stack, who, 1, row["reserved_tokens"], "reserved")
    assert row["reserved_tokens"] > 300
    done = {**queued, "status": "completed", "usage": USED}
    for answer in ({**queued, "status": "in_progress"}, done, done):
        assert place.ask(who, "GET", f"{path}/resp_1", answer) == 200
    assert settled(stack, who, 4, ALL, "reported")["id"] == row["id"]


def test_a_batch_whose_object_has_its_usage(stack: Deployment, place: Place) -> None:
    who = tenant(stack)
    assert place.ask(who, "POST", "/v1/batches", {**BATCH, "status": "validating"}, input_file_id="file-in") == 200
    done = {**BATCH, "status": "completed", "model": MODEL, "output_file_id": "file-1", "usage": USED}
    for answer in ({**BATCH, "status": "in_progress"}, done, done):
        assert place.ask(who, "GET", "/v1/batches/batch_1", answer) == 200
    row = settled(stack, who, 4, ALL, "reported")
    assert (row["service_tier"], row["model"]) == ("batch", MODEL)


def test_a_batch_whose_results_have_its_usage(stack: Deployment, place: Place) -> None:
    who, path = tenant(stack), "/v1/messages/batches"
    assert place.ask(who, "POST", path, {**ANTHROPIC, "processing_status": "in_progress"}, requests=[]) == 200
    ended = {**ANTHROPIC, "processing_status": "ended"}
    assert place.ask(who, "GET", f"{path}/msgbatch_1", ended) == 200
    message = {"id": "m", "type": "message", "role": "assistant", "model": MODEL, "content": [], "usage": USED}
    result = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    results = lines("\n".join([json.dumps(result)] * 2))
    for _ in range(2):
        assert place.ask(who, "GET", f"{path}/msgbatch_1/results", results) == 200
    assert settled(stack, who, 4, 2 * ALL, "reported")["model"] == MODEL


@pytest.mark.parametrize("inline", [False, True], ids=["file", "inline"])
def test_a_batch_of_mistral(stack: Deployment, place: Place, inline: bool) -> None:
    who, path = tenant(stack), "/v1/batch/jobs"
    job = {"object": "batch", "id": "job_1", "input_files": ["in"], "endpoint": "/v1/chat/completions"}
    assert place.ask(who, "POST", path, {**job, "status": "QUEUED"}, input_files=["in"]) == 200
    results = [{"custom_id": "a", "response": {"status_code": 200, "body": {"model": MODEL, "usage": CHAT_USED}}}] * 2
    file = lines("\n".join(map(json.dumps, results)))
    done = {
        **job,
        "status": "SUCCESS",
        "model": MODEL,
        **({"outputs": results} if inline else {"output_file": "file-m"}),
    }
    for _ in range(2):
        assert place.ask(who, "GET", f"{path}/job_1", done) == 200
        assert place.ask(who, "GET", "/v1/files/file-m/content", file) == 200
    assert settled(stack, who, 5, 2 * ALL, "reported")["service_tier"] == "batch"


def test_an_answer_that_its_client_did_not_wait_for(stack: Deployment, place: Place) -> None:
    """Of a model of which nothing is known: what was reserved, since hardly one writes 1,000 tokens a second."""
    who = tenant(stack)
    with suppress(httpx.TimeoutException):
        headers = {**who.headers, "x-answer": str(place.upstream.add(Answer((), "application/json", end=End.STALLED)))}
        body = {"model": "unheard-of", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 200}
        place.client.post("/v1/chat/completions", json=body, headers=headers, timeout=1.0)
    (row,) = stack.usage_when(who, 1)
    assert settled(stack, who, 1, row["reserved_tokens"], "estimated")["output_tokens"] == 200
