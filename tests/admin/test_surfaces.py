"""A second surface beside the management API: its own prefix, credentials and shape of errors."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from admin.access.permission import Action, Principal, Resource, ResourceKind, Role
from admin.commands.refusals import Reason, Refusal
from admin.gate.answers import PRINCIPAL_KEY
from admin.gate.body import MAX_BODY_BYTES
from admin.gate.stack import gated
from admin.gate.surface import STATUSES, Surface
from admin.metrics import AdminMetrics
from tests.web import NO_TLS


class MasterKey:
    """`X-Master-Key: <role>` stands for somebody with that role."""

    challenge = "X-Master-Key"

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        given = request.headers.get("x-master-key")
        if given is None:
            return Refusal(Reason.NO_CREDENTIAL, "Unauthorized")
        if given not in tuple(Role):
            return Refusal(Reason.WRONG_CREDENTIAL, "Unauthorized")
        return Principal("master", Role(given))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/chat/broken":
        raise RuntimeError("a bug")
    if scope["path"] == "/chat/open":
        await PlainTextResponse("open")(scope, receive, send)
        return
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{scope[PRINCIPAL_KEY].name} {body.decode()}")(scope, receive, send)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    return (Action.READ if method == "GET" else Action.CHANGE), Resource(ResourceKind.TENANT)


def plain(refusal: Refusal, request_id: str) -> Response:
    return JSONResponse({"error": refusal.reason, "id": request_id}, STATUSES[refusal.reason])


async def first(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("first")(scope, receive, send)


@pytest.fixture
def metrics() -> AdminMetrics:
    return AdminMetrics()


@pytest.fixture
async def http(metrics: AdminMetrics) -> AsyncIterator[httpx.AsyncClient]:
    surfaces = [
        Surface(("/api/v1",), first, MasterKey(), asks, plain),
        Surface(("/chat", "/talk/now"), echo, MasterKey(), asks, plain, frozenset({"/chat/open"})),
    ]
    transport = httpx.ASGITransport(gated(surfaces, metrics))
    async with httpx.AsyncClient(verify=NO_TLS, transport=transport, base_url="http://test") as client:
        yield client


OWNER, VIEWER = {"x-master-key": "owner"}, {"x-master-key": "viewer"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "says"),
    [
        ("GET", "/chat", {}, b"", 401, "no_credential"),
        ("GET", "/chat", {"x-master-key": "x"}, b"", 401, "wrong_credential"),
        ("GET", "/chat/open", {}, b"", 200, "open"),
        ("POST", "/chat", VIEWER, b"hello", 403, "forbidden"),
        ("POST", "/chat/rooms", OWNER, b"hello", 200, "master hello"),
        ("POST", "/chat", OWNER | {"content-type": "text/plain"}, b"hello", 415, "wrong_type"),
        ("POST", "/chat", OWNER, b"x" * (MAX_BODY_BYTES + 1), 413, "too_large"),
        ("GET", "/chat/broken", OWNER, b"", 500, "internal"),
        ("GET", "/talk/now/or/never", OWNER, b"", 200, "master"),
        ("GET", "/talk", OWNER, b"", 200, "first"),
        ("GET", "/chats", OWNER, b"", 200, "first"),
        ("GET", "/", OWNER, b"", 200, "first"),
        ("GET", "/nothing", {}, b"", 401, "no_credential"),
    ],
)
async def test_each_request_is_its_surfaces(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes,
    status: int,
    says: str,
) -> None:
    answer = await http.request(method, path, headers=headers, content=content)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert answer.headers["cache-control"] == "no-store"
    if status >= 400:
        assert answer.json()["id"] == answer.headers["x-request-id"]
    assert answer.headers.get("www-authenticate") == ("X-Master-Key" if status == 401 else None)


async def test_wrong_credentials_count_together_over_all_surfaces(
    http: httpx.AsyncClient, metrics: AdminMetrics
) -> None:
    wrong = {"x-master-key": "x"}
    for path in ("/chat", "/api/v1") * 50:
        assert (await http.get(path, headers=wrong)).status_code == 401
    assert (await http.get("/chat", headers=wrong)).status_code == 429
    assert (await http.get("/chat/rooms", headers=OWNER)).status_code == 200
    assert (await http.get("/chat/open")).status_code == 200
    assert metrics.refused_tokens.counts == {"": 101}
    assert metrics.answers.counts == {"2xx": 2, "3xx": 0, "4xx": 101, "5xx": 0}


def test_two_surfaces_cannot_have_the_same_prefix(metrics: AdminMetrics) -> None:
    twice = [Surface((path, "/same"), first, MasterKey(), asks, plain) for path in ("/a", "/b")]
    with pytest.raises(ValueError, match="/same"):
        gated(twice, metrics)
