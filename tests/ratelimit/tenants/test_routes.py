"""The route tables: what each server's routes are, and that no spelling of a path gets around them."""

import pytest

from clients.api import Api
from ratelimit.tenants.routes.kind import Kind
from ratelimit.tenants.routes.table import SERVERS, BadRoutes, Found, parse_routes, route_table

TABLE = route_table()

KINDS = [
    ("POST", "/v1/chat/completions", Kind.GENERATES),
    ("POST", "/v1/messages", Kind.GENERATES),
    ("POST", "/v1/messages/count_tokens", Kind.COUNTS),
    ("POST", "/v1/responses/input_tokens", Kind.COUNTS),
    ("GET", "/v1/responses/resp_1", Kind.STORED),
    ("POST", "/v1/responses/resp_1/cancel", Kind.STORED),
    ("GET", "/v1/batches/b1", Kind.STORED),
    ("POST", "/v1/batches", Kind.BATCHES),
    ("POST", "/invocations", Kind.GENERATES),
    ("POST", "/v1/chat/completions/batch", Kind.GENERATES),
    ("POST", "/v1/chat/completions/input_tokens", Kind.COUNTS),
    ("POST", "/v1/chat/completions/control", Kind.REFUSED),
    ("POST", "/v1/conversations/c/restart", Kind.GENERATES),
    ("POST", "/upload/v1beta/files", Kind.READS),
    ("POST", "/v1beta/interactions", Kind.REFUSED),
    ("POST", "/v1/tokenize-text", Kind.COUNTS),
    ("GET", "/v1/chat/deferred-completion/d", Kind.REFUSED),
    ("POST", "/v1/decisions", Kind.EMBEDS),
    ("POST", "/v1/systemone", Kind.EMBEDS),
    ("GET", "/v1/stream/somebody", Kind.REFUSED),
    ("PUT", "/hicache/storage-backend", Kind.REFUSED),
    ("POST", "/v1/threads/t/runs", Kind.REFUSED),
    ("GET", "/v1/files", Kind.REFUSED),
    ("GET", "/v1/files/f1", Kind.READS),
    ("GET", "/v1/files/f1/url", Kind.REFUSED),
    ("GET", "/v1/batches", Kind.REFUSED),
    ("POST", "/generate_stream", Kind.GENERATES),
    ("POST", "/completion", Kind.GENERATES),
    ("POST", "/infill", Kind.GENERATES),
    ("POST", "/api/chat", Kind.GENERATES),
    ("POST", "/v2/rerank", Kind.RERANKS),
    ("POST", "/v1/audio/speech", Kind.SPEAKS),
    ("POST", "/v1/images/edits", Kind.DRAWS),
    ("POST", "/v1/audio/transcriptions", Kind.TRANSCRIBES),
    ("HEAD", "/v1/models", Kind.READS),
    ("GET", "/metrics", Kind.REFUSED),
    ("GET", "/slots", Kind.REFUSED),
    ("GET", "/props", Kind.REFUSED),
    ("POST", "/flush_cache", Kind.REFUSED),
    ("POST", "/sleep", Kind.REFUSED),
    ("POST", "/update_weights_from_disk", Kind.REFUSED),
    ("POST", "/v1/load_lora_adapter", Kind.REFUSED),
    ("POST", "/abort_request", Kind.REFUSED),
    ("POST", "/api/pull", Kind.REFUSED),
    ("GET", "/v1/realtime", Kind.REFUSED),
    ("POST", "/v1/realtime/calls", Kind.REFUSED),
    ("POST", "/v1/realtime/client_secrets", Kind.REFUSED),
    ("POST", "/v1/realtime/sessions", Kind.REFUSED),
    ("POST", "/v1/realtime/transcription_sessions", Kind.REFUSED),
    ("GET", "/openai/realtime", Kind.REFUSED),
]


@pytest.mark.parametrize(("method", "path", "kind"), KINDS)
def test_a_route_is_what_its_server_makes_of_it(method: str, path: str, kind: Kind) -> None:
    found = TABLE.find(method, path)
    assert found is not None
    assert (found.kind, found.model) == (kind, "")


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/chat/completions", Api.OPENAI),
        ("/v1/messages", Api.ANTHROPIC),
        ("/proxy/v1/messages/count_tokens?beta=true", Api.ANTHROPIC),
        ("/v1beta/models/gemini-pro:generateContent", Api.GEMINI),
        ("/api/chat", Api.OLLAMA),
        ("/v2/chat", Api.COHERE),
        ("/model/m/converse", Api.BEDROCK),
    ],
)
def test_a_route_knows_whose_client_asks(path: str, api: Api) -> None:
    found = TABLE.find("POST", path)
    assert found is not None
    assert found.api is api


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"),
        ("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "gemini-2.5-pro"),
        ("/openai/deployments/My-GPT/chat/completions?api-version=1", "My-GPT"),
        ("/model/anthropic.claude-v2:1/converse", "anthropic.claude-v2:1"),
        ("/model/anthropic.claude-v2%3A1/invoke", "anthropic.claude-v2:1"),
        ("/v1/projects/p/locations/l/publishers/google/models/g:generateContent", "g"),
        ("/v2/models/ensemble/generate_stream", "ensemble"),
        ("/engines/m/completions", "m"),
    ],
)
def test_the_model_in_the_path_is_read_as_it_is_written(path: str, model: str) -> None:
    found = TABLE.find("POST", path)
    assert found is not None
    assert (found.kind, found.model) == (Kind.GENERATES, model)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1/chat/completions?a=/v1/models",
        "//v1//chat/completions",
        "/V1/Chat/Completions",
        "/v1/chat/%63ompletions",
        "/team/a/v1/chat/completions",
        "/openai/v1/chat/completions",
    ],
)
def test_a_route_has_many_spellings(path: str) -> None:
    found = TABLE.find("POST", path)
    assert found is not None
    assert found.kind is Kind.GENERATES


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions;/v1/models",
        "/v1/chat/completions/v1/tokenize",
        "/v1/tokenize/../chat/completions",
        "/v1/tokenize/%2e%2e/chat/completions",
        "/v1/chat%252fcompletions",
        "/v1/messages/count_tokens/..",
        "/v1\\chat\\completions",
        "/v1/chat/completions%00",
        "/v1/chat/completions%3f/count_tokens",
        "/x/generate",
        "/model//converse",
        "/v1beta/models/:generateContent",
        "*",
    ],
)
def test_what_servers_may_read_differently_has_no_route(path: str) -> None:
    assert TABLE.find("POST", path) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "BREW", "get", ""])
def test_another_method_is_another_route(method: str) -> None:
    assert TABLE.find(method, "/v1/chat/completions") is None


def test_where_tables_disagree_the_stricter_holds() -> None:
    said: dict[tuple[str, str], set[Kind]] = {}
    for route in TABLE.routes:
        said.setdefault((route.method, route.path.lower()), set()).add(route.kind)
    assert {route: kinds for route, kinds in said.items() if len(kinds) > 1} == {
        ("GET", "/health"): {Kind.READS, Kind.REFUSED},  # LiteLLM asks every model
        ("POST", "/v1/conversations"): {Kind.STORED, Kind.GENERATES},  # Mistral's run one
        ("POST", "/v1/conversations/{id}"): {Kind.STORED, Kind.GENERATES},
    }
    assert TABLE.find("GET", "/health") == Found(Kind.REFUSED)
    assert TABLE.find("POST", "/v1/conversations") == Found(Kind.GENERATES)
    assert route_table(["vllm"]).find("GET", "/health") == Found(Kind.READS)


def test_only_the_tables_that_are_chosen_are_open() -> None:
    table = route_table(["openai"])
    assert table.find("POST", "/v1/chat/completions") is not None
    assert table.find("POST", "/generate") is None
    assert {route.server for route in table.routes} == {"openai"}
    with pytest.raises(BadRoutes, match="no table for 'vlm'"):
        route_table(["vlm"])


def test_an_operators_own_routes_come_first() -> None:
    own = "POST /my/{model}/run generates # ours\n\nGET /metrics reads\nPOST /v1/chat/completions refused"
    table = route_table(SERVERS, own)
    assert table.find("POST", "/my/m/run") == Found(Kind.GENERATES, "m")
    assert table.find("GET", "/metrics") == Found(Kind.READS)
    assert table.find("POST", "/v1/chat/completions") == Found(Kind.REFUSED)


@pytest.mark.parametrize(
    "line",
    ["POST", "POST /x", "POST x generates", "post /x generates", "BREW /x reads", "POST /x sings", "POST /a{b}c reads"],
)
def test_a_line_that_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(BadRoutes, match=line.split()[0]):
        parse_routes(line, "own")
