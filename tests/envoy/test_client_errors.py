"""Refusals that never see Python, the meter's and Envoy's own: in the shape that the clients of the called API read."""

import json

import httpx
import pytest

from clients.api import Api, api_of
from clients.errors import Fault, body_of, headers_of
from tests.clients.test_clients import PATHS
from tests.envoy.chain import Chain
from tests.web import WEB

TWICE = Fault(400, "The body names n more than once", "invalid_request_error", "duplicate_key", "n")
NO_SIDECAR = Fault(
    503,
    "The request could not be checked because Tollkeeper does not answer",
    "server_error",
    "tollkeeper_unavailable",
    wait_ms=1000,
)
SPELLINGS = [(path, api) for path, api in PATHS if path != "/"] + [
    ("/v1/messages/", Api.ANTHROPIC),
    ("/v1/models/m:countTokens/", Api.GEMINI),
    ("/tunedModels/m:generateContent", Api.GEMINI),
    ("/x/API/Tags", Api.OLLAMA),
    ("/v2/chat2", Api.OPENAI),
    ("/model/m/count-tokens", Api.BEDROCK),
    ("/model/m/converses/x", Api.OPENAI),
]


def assert_told(answer: httpx.Response, fault: Fault, api: Api) -> None:
    assert (answer.status_code, answer.json()) == (fault.status, json.loads(body_of(fault, api)))
    for name, text in headers_of(fault, api):
        assert answer.headers[name] == text
    assert ("x-amzn-errortype" in answer.headers) == (api is Api.BEDROCK)


@pytest.mark.parametrize(("path", "api"), SPELLINGS)
def test_the_meter_refuses_in_the_words_of_the_api(chain: Chain, path: str, api: Api) -> None:
    assert api_of(path) is api
    answer = chain.post('{"n":1,"n":2}', path)
    assert_told(answer, TWICE, api)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(("path", "api"), SPELLINGS)
def test_envoy_refuses_in_the_words_of_the_api(complete: str, path: str, api: Api) -> None:
    answer = WEB.post(complete + path, json={})
    assert_told(answer, NO_SIDECAR, api)
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("1", "1000")


@pytest.mark.parametrize("path", ["/v1/realtime?model=gpt-realtime", "/openai/realtime", "/v1/chat/completions"])
def test_a_websocket_is_refused_and_told_why(complete: str, path: str) -> None:
    upgrade = {
        "connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol": "realtime, openai-beta.realtime-v1",
    }  # fmt: skip
    answer = WEB.get(complete + path, headers=upgrade)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "upgrade_refused")
    assert "realtime" in answer.json()["error"]["message"]


def test_an_error_that_stands_for_several_says_its_own_status(complete: str) -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket"}
    answer = WEB.get(f"{complete}/v1beta/models/m:generateContent", headers=upgrade)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 403)
