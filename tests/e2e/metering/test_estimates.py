"""What is reserved before a request runs, against what a scripted model server then reports, through the whole chain.

No way of asking passes a budget by more than one request's estimate error; and estimates follow what is reported.
"""

import base64
import json
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from typer.testing import CliRunner

from ratelimit.tenants.average import NEEDED
from ratelimit.tenants.estimates.media import SPOKEN_TOKENS
from tests.e2e.deployment import MODEL, Credential, Deployment, wait_for
from tests.e2e.envoys import another_envoy
from tests.formats.wire import Answer, Upstream, plain, running
from tests.media import png, wav
from tests.web import NO_TLS
from tollkeeper.__main__ import app

BUDGET = 3_000
REQUESTS = 100
UNBOUNDED = 1_500  # tokens that the model writes if nobody bounds it; 1,024 are expected
CHAT, COMPLETIONS, GEMINI = "/v1/chat/completions", "/v1/completions", f"/v1beta/models/{MODEL}:generateContent"
WORDS = [{"role": "user", "content": "Hello there"}]


class Shape(NamedTuple):
    """A way to ask, and what the model server makes of it: it counts everything."""

    path: str
    body: dict[str, Any]
    input_tokens: int
    output_tokens: int


IMAGE = f"data:image/png;base64,{base64.b64encode(png(1024, 1024, 4096)).decode()}"
PICTURES = [{"type": "image_url", "image_url": {"url": IMAGE}}] * 2
SHAPES = {
    "prompts": Shape(COMPLETIONS, {"prompt": ["a"] * 100, "max_tokens": 500}, 100, 50_000),
    "a few prompts": Shape(COMPLETIONS, {"prompt": ["a"] * 10, "max_tokens": 50}, 10, 500),
    "prompts of ids": Shape(COMPLETIONS, {"prompt": [[1, 2, 3]] * 20, "max_tokens": 20}, 60, 400),
    "n": Shape(CHAT, {"messages": WORDS, "n": 30, "max_tokens": 29}, 10, 870),
    "best_of": Shape(COMPLETIONS, {"prompt": "a", "best_of": 20, "max_tokens": 40}, 1, 800),
    "best_of of several": Shape(COMPLETIONS, {"prompt": ["a", "b"], "n": 2, "best_of": 9, "max_tokens": 30}, 2, 540),
    "num_choices": Shape(CHAT, {"messages": WORDS, "num_choices": 6, "max_tokens": 100}, 10, 600),
    "llama.cpp": Shape(CHAT, {"messages": WORDS, "max_tokens": 1, "n_predict": 200, "n": 1, "n_cmpl": 3}, 10, 600),
    "two bounds": Shape(CHAT, {"messages": WORDS, "max_tokens": 5, "max_completion_tokens": 400}, 10, 400),
    "no bound": Shape(CHAT, {"messages": WORDS}, 10, UNBOUNDED),
    "no bound, prompts": Shape(COMPLETIONS, {"prompt": ["a"] * 2}, 2, 2 * UNBOUNDED),
    "images": Shape(CHAT, {"messages": [{"role": "user", "content": PICTURES}], "max_tokens": 50}, 1536, 50),
    "candidates": Shape(
        GEMINI,
        {
            "contents": [{"role": "user", "parts": [{"text": "Hello there"}]}],
            "generationConfig": {"maxOutputTokens": 90, "candidateCount": 8},
        },
        4,
        720,
    ),
    "small": Shape(CHAT, {"messages": WORDS, "max_tokens": 20}, 10, 20),
}
INPUT_ERROR = 20  # tokens, of prompts as short as these
OPEN = {"no bound", "no bound, prompts"}  # can use more than is reserved


def answer_of(shape: Shape, *, usage: bool = True) -> Answer:
    if shape.path == GEMINI:
        counts = {"promptTokenCount": shape.input_tokens, "candidatesTokenCount": shape.output_tokens}
        parts = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
        return plain(json.dumps({**parts, "usageMetadata": counts}))
    counts = {"prompt_tokens": shape.input_tokens, "completion_tokens": shape.output_tokens}
    choice = {"index": 0, "message": {"content": "Hi"}, "text": "Hi", "finish_reason": "stop"}
    return plain(json.dumps({"id": "c1", "choices": [choice], **({"usage": counts} if usage else {})}))


class Place(NamedTuple):
    deployment: Deployment
    upstream: Upstream
    client: httpx.Client

    def ask(self, who: Credential, shape: Shape, *, usage: bool = True) -> int:
        """The status."""
        headers = {**who.headers, "x-answer": str(self.upstream.add(answer_of(shape, usage=usage)))}
        return self.client.post(shape.path, json={"model": MODEL, **shape.body}, headers=headers).status_code


@pytest.fixture(scope="module")
def place(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    upstream, directory = Upstream(), Path(tmp_path_factory.mktemp("estimates"))
    with (
        running(upstream) as model,
        another_envoy(stack, directory, model) as url,
        httpx.Client(base_url=url, timeout=30, verify=NO_TLS) as client,
    ):
        yield Place(stack, upstream, client)


def test_a_hundred_adversarial_requests_pass_a_budget_by_at_most_one_requests_error(place: Place) -> None:
    """One at a time, since each that runs beside others may be off."""
    deployment, names = place.deployment, random.Random(4).choices(list(SHAPES), k=REQUESTS)
    who = deployment.tenant(max_in_flight=1)
    month = {"scope": "tenant", "unit": "tokens", "kind": "fixed_window", "calendar": "month", "amount": BUDGET}
    deployment.admin.post("/limits", json={**month, "tenant_id": who.tenant_id}).raise_for_status()
    answers = [place.ask(who, SHAPES[name]) for name in names]
    wait_for(lambda: True if counted(deployment, who) >= REQUESTS else None, "the rows")
    assert counted(deployment, who) == REQUESTS
    used = error = 0
    ran = [SHAPES[name] for name, status in zip(names, answers, strict=True) if status == 200]
    for shape, row in zip(ran, [row for row in deployment.usage(who) if row["status"] == 200], strict=True):
        tokens = row["input_tokens"] + row["output_tokens"]
        assert tokens == shape.input_tokens + shape.output_tokens
        used, error = used + tokens, max(error, tokens - row["reserved_tokens"])
    assert set(answers) == {200, 429}
    assert BUDGET // 2 < used <= BUDGET + error


def counted(deployment: Deployment, who: Credential) -> int:
    """Requests in the ledger, of which many refusals share a row."""
    return sum(row["requests"] for row in deployment.usage(who))


def test_what_a_request_bounds_is_reserved_however_it_says_so(place: Place) -> None:
    who = place.deployment.tenant()
    assert [place.ask(who, shape) for shape in SHAPES.values()] == [200] * len(SHAPES)
    rows = place.deployment.usage_when(who, len(SHAPES))
    errors = {
        name: row["input_tokens"] + row["output_tokens"] - row["reserved_tokens"]
        for name, row in zip(SHAPES, rows, strict=True)
    }
    assert {name for name, error in errors.items() if error > INPUT_ERROR} == OPEN, errors


def test_speech_is_expected_by_its_text_and_charged_by_how_long_it_lasts(place: Place) -> None:
    who, ten_seconds = place.deployment.tenant(), Answer((bytes(160_000),), "audio/mpeg")
    headers = {**who.headers, "x-answer": str(place.upstream.add(ten_seconds))}
    body = {"model": MODEL, "input": "The quick brown fox jumps over the lazy dog. " * 4}
    assert place.client.post("/v1/audio/speech", json=body, headers=headers).status_code == 200
    (row,) = place.deployment.usage_when(who, 1)
    assert (row["usage_source"], row["output_tokens"]) == ("estimated", 200)
    assert row["reserved_tokens"] == (1 + SPOKEN_TOKENS) * row["input_tokens"] > 200


@pytest.mark.parametrize(("model", "status"), [("w", 200), ("other", 403)])
def test_a_restricted_key_may_send_a_form_that_names_its_model(place: Place, model: str, status: int) -> None:
    who, heard = (
        place.deployment.tenant(key={"models_allowed": ["w"]}),
        plain('{"text":"Hi","usage":{"input_tokens":14}}'),
    )
    headers = {**who.headers, "x-answer": str(place.upstream.add(heard))}
    form: Any = {"file": ("a.wav", wav(2), "audio/wav"), "model": (None, model)}
    assert place.client.post("/v1/audio/transcriptions", files=form, headers=headers).status_code == status
    (row,) = place.deployment.usage_when(who, 1)
    assert (row["model"], row["input_tokens"]) == (model, 14 if status == 200 else 0)


LONG = [{"role": "user", "content": "The quick brown fox jumps over the lazy dog. " * 20}]


def test_estimates_follow_what_a_model_server_reports(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    who, max_tokens = place.deployment.tenant(), 10
    shape = Shape(CHAT, {"messages": LONG, "max_tokens": max_tokens, "model": "learned"}, 0, 5)

    def reserved(count: int) -> int:
        return int(place.deployment.usage_when(who, count)[-1]["reserved_tokens"]) - max_tokens

    assert place.ask(who, shape, usage=False) == 200
    estimate = reserved(1)
    assert 150 < estimate < 300
    for _ in range(NEEDED):
        assert place.ask(who, shape._replace(input_tokens=estimate * 3 // 2)) == 200
    found = wait_for(lambda: learned(place.deployment, NEEDED), "it is learned")
    assert (found["process"], found["route"]) == ("ratelimit", "generates")
    assert found["factor"] == pytest.approx(1.5, abs=0.01)
    assert place.ask(who, shape) == 200
    assert reserved(NEEDED + 2) == pytest.approx(1.5 * estimate, abs=2)
    monkeypatch.setenv("TOLLKEEPER_METRICS_LISTEN", place.deployment.settings.metrics_listen)
    shown = [line.split() for line in CliRunner().invoke(app, ["learned"]).output.splitlines()]
    assert ["ratelimit", "learned", "generates", "latin", str(found["factor"]), str(NEEDED)] in shown


def learned(deployment: Deployment, reports: int) -> dict[str, Any] | None:
    with urllib.request.urlopen(f"http://{deployment.settings.metrics_listen}/learned") as response:
        found: list[dict[str, Any]] = json.load(response)["corrections"]
    return next((row for row in found if (row["model"], row["reports"]) == ("learned", reports)), None)
