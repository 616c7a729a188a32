"""What model clients are told: the shape of errors, whether to try again, rate headers."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from clients.api import Api, api_of
from clients.errors import Fault, body_of, headers_of, retry_headers
from clients.rates import Rate, RateHeaders, duration, rate_headers

PATHS = [
    ("/v1/chat/completions", Api.OPENAI),
    ("/v1/responses?stream=true", Api.OPENAI),
    ("/openai/deployments/gpt/chat/completions?api-version=1", Api.OPENAI),
    ("/", Api.OPENAI),
    ("/v1/messages", Api.ANTHROPIC),
    ("/proxy/V1/Messages/?beta=true", Api.ANTHROPIC),
    ("/v1/messages/count_tokens", Api.ANTHROPIC),
    ("/v1/messages/batches/b1", Api.ANTHROPIC),
    ("/v1/messagesx", Api.OPENAI),
    ("/v1beta/models/gemini-pro:generateContent", Api.GEMINI),
    ("/v1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent?alt=sse", Api.GEMINI),
    ("/v1/models/m", Api.OPENAI),
    ("/api/chat", Api.OLLAMA),
    ("/api/generate", Api.OLLAMA),
    ("/api/v1/chat", Api.OPENAI),
    ("/v1beta/openai/chat/completions", Api.OPENAI),
    ("/api/embed/?x=/v1/messages", Api.OLLAMA),
    ("/v2/chat", Api.COHERE),
    ("/model/anthropic.claude/converse-stream", Api.BEDROCK),
    ("/model/m/invoke", Api.BEDROCK),
    ("/model/m/other", Api.OPENAI),
]


@pytest.mark.parametrize(("path", "api"), PATHS)
def test_a_path_belongs_to_one_api(path: str, api: Api) -> None:
    assert api_of(path) is api


def test_there_is_a_path_of_each_api() -> None:
    """tests/envoy/ asks Envoy's own refusals for each of these paths; MCP's it asks otherwise."""
    assert {api for _, api in PATHS} == {*Api} - {Api.MCP}


LATE = Fault(429, "Come back later.", "tokens", "rate_limit_exceeded", wait_ms=1500)
BODIES = {
    Api.OPENAI: {
        "error": {"message": "Come back later.", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}
    },
    Api.ANTHROPIC: {"type": "error", "error": {"type": "rate_limit_error", "message": "Come back later."}},
    Api.GEMINI: {
        "error": {
            "code": 429,
            "message": "Come back later.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "tollkeeper",
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
            ],
        }
    },
    Api.OLLAMA: {"error": "Come back later."},
    Api.COHERE: {"message": "Come back later."},
    Api.BEDROCK: {"message": "Come back later."},
    Api.MCP: {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32089,
            "message": "Come back later.",
            "data": {"code": "rate_limit_exceeded", "retry_after_ms": 1500},
        },
    },
}


@pytest.mark.parametrize("api", Api)
def test_each_api_has_a_shape_of_its_own(api: Api) -> None:
    assert json.loads(body_of(LATE, api)) == BODIES[api]


def test_bedrock_names_the_error_in_a_header() -> None:
    assert dict(headers_of(LATE, Api.BEDROCK))["x-amzn-errortype"] == "ThrottlingException"
    assert dict(headers_of(LATE, Api.OPENAI)) == {"content-type": "application/json"}


RETRIES = [
    (None, {"x-should-retry": "false"}),
    (1, {"retry-after": "1", "retry-after-ms": "1"}),
    (1001, {"retry-after": "2", "retry-after-ms": "1001"}),
    (60_000, {"retry-after": "60", "retry-after-ms": "60000"}),
    (60_001, {"retry-after": "60", "x-should-retry": "false"}),
    (79_731_000, {"retry-after": "60", "x-should-retry": "false"}),
]


@pytest.mark.parametrize(("wait_ms", "headers"), RETRIES)
def test_a_wait_beyond_the_bound_is_not_to_be_slept_through(wait_ms: int | None, headers: dict[str, str]) -> None:
    assert dict(retry_headers(wait_ms, max_seconds=60)) == headers


class Refusing(ThreadingHTTPServer):
    """A server that answers every request with one refusal, and counts them."""

    def __init__(self, fault: Fault, api: Api) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = (fault.status, (*headers_of(fault, api), *retry_headers(fault.wait_ms, 60)), body_of(fault, api))
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.server.requests += 1
        self.rfile.read(int(self.headers["content-length"]))
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not to stderr."""


@contextmanager
def refusing(fault: Fault, api: Api) -> Iterator[Refusing]:
    with Refusing(fault, api) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask_openai(url: str) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    with OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        client.chat.completions.create(model="m", messages=messages)


def ask_anthropic(url: str) -> None:
    with Anthropic(base_url=url, api_key="k") as client:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])


ASK: dict[Api, tuple[Callable[[str], None], type[Exception]]] = {
    Api.OPENAI: (ask_openai, openai.RateLimitError),  # what the clients make of 429
    Api.ANTHROPIC: (ask_anthropic, anthropic.RateLimitError),
}
# How often an official client asks, with its own defaults: once, and then once for each of two retries.
TRIES = [(None, 1), (79_731_000, 1), (1, 3)]


@pytest.mark.parametrize("api", ASK)
@pytest.mark.parametrize(("wait_ms", "tries"), TRIES)
def test_official_clients_try_again_only_when_it_makes_sense(api: Api, wait_ms: int | None, tries: int) -> None:
    ask, error = ASK[api]
    with refusing(replace(LATE, wait_ms=wait_ms), api) as server:
        with pytest.raises(error, match="Come back later"):
            ask(server.url)
        assert server.requests == tries


TOKENS = (Rate.of("tokens", "1000", 60), "100", 54_000)
COST = (Rate.of("cost", "12.5", 86_400), "0.75", 1)


def test_rate_headers_are_the_vendors_on_the_vendors_paths() -> None:
    assert rate_headers([TOKENS], Api.OPENAI, RateHeaders.VENDOR, 0) == [
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "100"),
        ("x-ratelimit-reset-tokens", "54s"),
    ]
    assert rate_headers([TOKENS], Api.ANTHROPIC, RateHeaders.VENDOR, 1_767_225_600_000) == [
        ("anthropic-ratelimit-tokens-limit", "1000"),
        ("anthropic-ratelimit-tokens-remaining", "100"),
        ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:54Z"),
    ]


def test_rate_headers_can_be_those_of_the_ietf_draft() -> None:
    assert rate_headers([TOKENS, COST], Api.ANTHROPIC, RateHeaders.IETF, 0) == [
        ("ratelimit-policy", '"tokens";q=1000;w=60, "cost";q=12;w=86400'),
        ("ratelimit", '"tokens";r=100;t=54, "cost";r=0;t=1'),
    ]
    assert rate_headers([], Api.OPENAI, RateHeaders.IETF, 0) == []
    assert len(rate_headers([TOKENS], Api.OPENAI, RateHeaders.BOTH, 0)) == 5


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0ms"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (1500, "1.5s"), (59_999, "59.999s"), (60_000, "1m0s"),
     (60_001, "1m1s"), (360_000, "6m0s"), (3_612_000, "1h0m12s"), (86_400_000, "24h0m0s")],
)  # fmt: skip
def test_a_duration_reads_as_openai_writes_it(ms: int, text: str) -> None:
    assert duration(ms) == text
