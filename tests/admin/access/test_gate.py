"""Who gets in: the token, failed attempts, request ids, and what never appears in a log."""

import json
import socket

import httpx
import pytest
import structlog
from starlette.requests import HTTPConnection

from admin.access.permission import Principal
from admin.access.principals import NoAdminToken, Principals
from admin.api.surface import OPEN_PATHS
from admin.app import create_app
from admin.gate.authentication import Bearer, FailedAttempts, token_in
from tests.admin.conftest import TOKEN, Admin
from tests.admin.problems import refused
from tests.web import NO_TLS, WEB


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic abc", None),
        ("abc", None),
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("ADMIN abc", None),
    ],
)
def test_the_token_in_a_header(header: str | None, token: str | None) -> None:
    assert token_in(header) == token


def test_another_scheme_takes_no_bearer_token() -> None:
    assert [token_in(f"{scheme} abc", "ADMIN") for scheme in ("ADMIN", "admin", "Bearer")] == ["abc", "abc", None]


async def test_only_the_admin_token_is_a_principal() -> None:
    bearer = Bearer(Principals("s3cret"))

    async def found(header: str | None) -> Principal | None:
        headers = [] if header is None else [(b"authorization", header.encode())]
        principal = await bearer.principal(HTTPConnection({"type": "http", "headers": headers}))
        return principal if isinstance(principal, Principal) else None

    owner = await found("Bearer s3cret")
    assert owner is not None
    assert (owner.name, owner.role) == ("admin", "owner")
    for header in (None, "", "Bearer", "Bearer ", "Bearer s3cret2", "Bearer s3cre", "Bearer S3CRET", "s3cret"):
        assert await found(header) is None, header


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_without_a_token_there_is_no_api(token: str) -> None:
    with pytest.raises(NoAdminToken, match="TOLLKEEPER_ADMIN_TOKEN"):
        Principals(token)


def test_every_route_but_health_needs_the_token(admin: Admin) -> None:
    schema = admin.http.get("/openapi.json").json()
    routes = [(method, path) for path, item in schema["paths"].items() for method in item if path not in OPEN_PATHS]
    routes += [("get", "/api/v1/openapi.json"), ("get", "/nothing"), ("get", "/")]
    assert len(routes) > 20
    with httpx.Client(verify=NO_TLS, base_url=admin.url) as anybody:
        for method, path in routes:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
                answer = anybody.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                refused(answer, 401)
                assert answer.headers["www-authenticate"].startswith("Bearer")
    assert admin.audit() == []


def test_a_secret_of_a_key_is_not_an_admin_token(admin: Admin) -> None:
    secret = admin.key(admin.tenant()["id"])["secret"]
    refused(WEB.get(f"{admin.url}/api/v1/tenants", headers={"authorization": f"Bearer {secret}"}), 401)


def test_wrong_tokens_are_counted_by_network() -> None:
    failed = FailedAttempts(allowed=2, window_seconds=60)
    found = [failed.add(address) for address in ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2")]
    assert found == [False, False, True, False]
    assert [failed.add(f"2001:db8::{n}") for n in range(3)] == [False, False, True]
    assert not failed.add("2001:db8:0:1::1")
    assert not failed.add("")  # a Unix socket


def test_guesses_end_in_429_and_a_right_token_passes(admin: Admin) -> None:
    url = f"{admin.url}/api/v1/tenants"
    with httpx.Client(verify=NO_TLS) as guesser:
        answers = [guesser.get(url, headers={"authorization": f"Bearer {n}"}) for n in range(101)]
    assert [answer.status_code for answer in answers] == [401] * 100 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert refused(answers[-1], 429)["detail"] == "too many wrong tokens from this address"
    assert admin.http.get("/tenants").status_code == 200


def test_a_missing_token_is_no_guess(admin: Admin) -> None:
    with httpx.Client(verify=NO_TLS) as anybody:
        assert {anybody.get(f"{admin.url}/api/v1/tenants").status_code for _ in range(150)} == {401}
    assert admin.http.get("/tenants").status_code == 200


def test_a_request_id_that_could_harm_a_log_is_replaced(admin: Admin) -> None:
    for given in ("", "a b", "x" * 129, "é", "a\tb", '"quoted"', "<x>"):
        answer = admin.http.get("/tenants", headers=[(b"x-request-id", given.encode())])
        assert answer.headers["x-request-id"] not in ("", given)
        assert len(answer.headers["x-request-id"]) == 36


def test_what_is_not_http_gets_a_clean_refusal(admin: Admin) -> None:
    port = int(admin.url.rsplit(":", 1)[1])
    for sent in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA" * 5000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            answer = client.recv(1000)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert admin.http.get("/health").status_code == 200


def test_no_secret_is_logged(admin: Admin) -> None:
    with structlog.testing.capture_logs() as logs:
        tenant = admin.tenant()
        created = admin.key(tenant["id"])
        admin.http.put(f"/keys/{created['key']['id']}/disabled", json={"disabled": True})
        admin.http.post("/tenants", content=b"{", headers={"x-secret": "hush"})
        WEB.get(f"{admin.url}/api/v1/tenants", headers={"authorization": "Bearer wrong-token"})
    text = json.dumps(logs, default=str)
    for secret in (created["secret"][18:], TOKEN, "wrong-token", "hush"):
        assert secret not in text


def test_an_app_needs_a_token() -> None:
    with pytest.raises(NoAdminToken):
        create_app(None, None, admin_token="")  # type: ignore[arg-type]
