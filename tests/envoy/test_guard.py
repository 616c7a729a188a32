"""The guard in a real Envoy: copies of a key reach neither the model server nor the log; nor do headers that steer."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tenancy.values.secret import PORTAL_PREFIX, mint_secret
from tests.envoy.chain import CHAT, MESSAGES, Chain

Sent = Callable[[], list[dict[str, Any]]]
KEY = mint_secret()
OF_PORTAL = mint_secret(PORTAL_PREFIX)
BODY = '{"model":"mock-model",' + MESSAGES + "}"

COPIES = {
    "cookie": f"session=1; token={KEY}",
    "proxy-authorization": f"Bearer {KEY}",
    "x-goog-api-key": KEY,
    "sec-websocket-protocol": f"realtime, openai-insecure-api-key.{KEY}",
    "x-user-id": KEY,
    "referer": f"https://chat.example.com/?key={KEY}",
    "x-anything": "sk_" + KEY[3:].upper(),
    "x-of-portal": f"{OF_PORTAL[:-1]} {OF_PORTAL}",
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_key_does_not_go_upstream(chain: Chain, sent: Sent, name: str) -> None:
    assert chain.post(BODY, **{name: COPIES[name], "x-kept": "sk_short"}).status_code == 200
    (seen,) = sent()
    headers = dict(seen["headers"])
    assert name not in headers
    assert headers["x-kept"] == "sk_short"
    assert KEY[3:].lower() not in str(seen).lower()
    assert OF_PORTAL not in str(seen)


FOREIGN = "sk-2Bq_x9-KdTzW0mYh3vLrQg"  # as LiteLLM gives them out


def test_a_copy_of_another_systems_key_goes_too(chain: Chain, sent: Sent) -> None:
    copies = {
        "x-litellm-api-key": FOREIGN,
        "x-user-id": f"100%-{FOREIGN}",
        "cookie": f"a=1; key={FOREIGN}",
        "x-request-id": f"id-{FOREIGN}",
    }
    assert chain.post(BODY, authorization=f"Bearer {FOREIGN}", **copies, **{"x-kept": "sk-other"}).status_code == 200
    (seen,) = sent()
    headers = dict(seen["headers"])
    assert (headers.pop("authorization"), headers["x-kept"]) == (f"Bearer {FOREIGN}", "sk-other")
    assert headers["x-request-id"] == "sk_removed"
    assert FOREIGN not in str(headers)
    assert "x-user-id" not in headers
    assert FOREIGN not in chain.log.read_text()


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
@pytest.mark.parametrize(
    "path", [f"{CHAT}?key={FOREIGN}", f"/{FOREIGN}{CHAT}", f"{CHAT}?key={FOREIGN.replace('-', '%2D')}"]
)
def test_a_url_with_another_systems_key_is_refused(chain: Chain, sent: Sent, name: str, path: str) -> None:
    answer = chain.post(BODY, path, **{name: FOREIGN if name == "x-api-key" else f"Bearer {FOREIGN}"})
    assert (answer.status_code, "must not be in a URL" in answer.text) == (400, True)
    assert sent() == []
    assert FOREIGN not in chain.log.read_text()
    assert FOREIGN[3:] not in chain.log.read_text()


def test_a_short_word_in_a_credential_header_takes_nothing_along(chain: Chain, sent: Sent) -> None:
    assert chain.post(BODY, authorization="Bearer json", **{"x-format": "json"}).status_code == 200
    assert dict(sent()[0]["headers"])["x-format"] == "json"


def test_the_headers_that_authz_reads_are_left_to_it(chain: Chain, sent: Sent) -> None:
    """Without authz, as here, they pass."""
    assert chain.post(BODY, authorization=f"Bearer {KEY}", x_api_key=KEY, api_key=KEY).status_code == 200
    headers = dict(sent()[0]["headers"])
    assert (headers["authorization"], headers["x-api-key"], headers["api-key"]) == (f"Bearer {KEY}", KEY, KEY)


USERS = {
    b"ann smith <ann@example.com>": "ann smith <ann@example.com>",
    "zoë".encode(): "zo%C3%AB",
    b"zo\xeb": "zo%EB",
    b"zo%EB": "zo%25EB",
}


@pytest.mark.parametrize("given", USERS, ids=str)
def test_a_users_name_is_printable_and_stays_anothers_other(chain: Chain, sent: Sent, given: bytes) -> None:
    assert chain.post(BODY, x_user_id=given).status_code == 200
    assert dict(sent()[0]["headers"])["x-user-id"] == USERS[given]


URLS = {
    "query": f"{CHAT}?key={KEY}",
    "path": f"/{KEY}{CHAT}",
    "escaped": f"{CHAT}?key={quote(KEY).replace('sk_', '%73k%5F')}",
    "escaped digits": f"/v1/models/sk_{''.join(f'%{ord(c):02x}' for c in KEY[3:])}",
    "anthropic": f"/v1/messages?key={KEY}",
    "of the portal": f"{CHAT}?key={OF_PORTAL}",
}


@pytest.mark.parametrize("path", URLS.values(), ids=URLS.keys())
def test_a_key_in_the_url_is_refused_and_not_logged(chain: Chain, sent: Sent, path: str) -> None:
    name = f"url-{abs(hash(path))}"
    answer = chain.post(BODY, path, x_request_id=name)
    assert answer.status_code == 400
    assert "An API key must not be in a URL" in answer.text
    assert answer.json()["error"].get("code", "invalid_request_error") in ("credential_in_url", "invalid_request_error")
    assert sent() == []
    assert "sk_removed" in str(chain.entry(name)) or "?" in path
    assert KEY[3:] not in chain.log.read_text()
    assert OF_PORTAL not in chain.log.read_text()


@pytest.mark.parametrize(
    ("key", "removed"), [(KEY, "sk_removed"), (OF_PORTAL, "xag_removed")], ids=["ours", "the portal's"]
)
def test_a_key_in_the_request_id_or_as_the_model_is_not_logged(chain: Chain, key: str, removed: str) -> None:
    entry_id = f"id-{key}-{key}"
    chain.post(BODY.replace("mock-model", key), x_request_id=entry_id)
    entry = chain.entry(f"id-{removed}-{removed}")
    assert f'"model":"{removed}"' in entry["meter"]["asked"]
    assert key not in chain.log.read_text()


def test_what_steers_a_proxy_does_not_go_upstream(chain: Chain, sent: Sent) -> None:
    steering = {"x-envoy-retry-on": "5xx", "x-http-method-override": "DELETE", "proxy-authorization": "Basic eDp5"}
    assert chain.post(BODY, **steering).status_code == 200
    headers = dict(sent()[0]["headers"])
    assert not steering.keys() & headers.keys()
    assert headers["accept-encoding"] == "identity"


def test_a_route_is_found_again_once_what_led_there_is_taken(chain: Chain, sent: Sent) -> None:
    assert chain.post(BODY, x_rewrite_url="/elsewhere").status_code == 200
    (seen,) = sent()
    assert "x-rewrite-url" not in dict(seen["headers"])
