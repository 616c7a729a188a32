"""Everything that can go wrong, as RFC 9457 problem documents: the one place that knows which error is which status."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from admin.tokens import AdminTokenNameTaken, NoSuchAdminToken, TooManyAdminTokens
from ledger.sums import NotSummedYet
from ratelimit.budgets.port import BudgetsUnavailable
from store import postgres
from store import redis as store_redis
from tenancy.directory.change_request import StateChanged
from tenancy.directory.groups import GroupInUse, GroupNameTaken, NoSuchGroup
from tenancy.directory.keys import NoSuchKey
from tenancy.directory.mcp_servers import NoSuchServer, ServerNameTaken
from tenancy.directory.models import ModelNameTaken, NoSuchModel
from tenancy.directory.named_policies import NoSuchPolicy, PolicyInUse, PolicyNameTaken
from tenancy.directory.stored_limits import ImpossibleLimit, LimitNameTaken, NoSuchLimit, UnknownSubject
from tenancy.directory.tenants import NoSuchTenant, TenantNameTaken, UnknownGroup, UnknownPolicy
from tenancy.directory.users import NoSuchUser, UserHasKeys

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
REQUEST_ID_KEY = "tollkeeper.request_id"  # where the gate leaves it in the ASGI scope

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document.  `fields` names what was wrong in the request: (field, what is wrong)."""

    status: int
    detail: str
    fields: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, instance: str) -> dict[str, Any]:
        """RFC 9457 members; `type` is about:blank, so `title` is the status's own name."""
        title = HTTPStatus(self.status).phrase
        body: dict[str, Any] = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        if instance:
            body["request_id"] = instance
        if self.fields:
            body["errors"] = [{"field": name, "detail": detail} for name, detail in self.fields]
        return body


class Refused(Exception):
    """A route's own refusal."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


UNAVAILABLE = Problem(503, "the database did not answer; read before you repeat a change, it may have been made")
INTERNAL = Problem(500, "an unexpected error; the log has it under this request_id")

# What the ports raise, and what the caller is told: status, field of the body if it is about one, detail.  The error's
# text is the id or name that it is about.
OF_PORTS: Mapping[type[Exception], tuple[int, str, str]] = {
    NoSuchTenant: (404, "", "there is no tenant {!r}"),
    NoSuchKey: (404, "", "there is no key {!r}"),
    NoSuchUser: (404, "", "the tenant has no user {!r}"),
    NoSuchModel: (404, "", "there is no model {!r}"),
    NoSuchGroup: (404, "", "there is no fairshare group {!r}"),
    UnknownGroup: (422, "fairshare_group", "there is no fairshare group {!r}"),
    UserHasKeys: (409, "", "the user {!r} still has keys; delete them first, or with ?cascade=true"),
    TenantNameTaken: (409, "name", "there is already a tenant named {!r}"),
    ModelNameTaken: (409, "name", "there is already a model named {!r}"),
    NoSuchLimit: (404, "", "there is no limit {!r}"),
    UnknownSubject: (422, "", "there is no tenant, key, user or group {!r} for it to count"),
    LimitNameTaken: (409, "name", "there is already a limit named {!r}"),
    ImpossibleLimit: (422, "", "{}"),
    BudgetsUnavailable: (503, "", "redis did not answer; read before you repeat a change, it may have been made"),
    GroupInUse: (409, "", "tenants belong to the fairshare group {!r}, or it is the default one"),
    NoSuchServer: (404, "", "there is no MCP server {!r}"),
    ServerNameTaken: (409, "name", "there is already an MCP server named {!r}"),
    NoSuchPolicy: (404, "", "there is no policy {!r}"),
    UnknownPolicy: (422, "policy", "there is no policy {!r}"),
    PolicyNameTaken: (409, "name", "there is already a policy named {!r}"),
    PolicyInUse: (409, "", "tenants refer to the policy {!r}"),
    NoSuchAdminToken: (404, "", "there is no admin token {!r}"),
    AdminTokenNameTaken: (409, "name", "there is already an admin token named {!r}"),
    TooManyAdminTokens: (409, "", "there are {} admin tokens, and no more are kept"),
    StateChanged: (412, "", "it was changed since you read it, and its ETag is now {!r}; read it again"),
    NotSummedYet: (503, "", "{} hours of usage are not summed up yet: ask for less time, or again when they are"),
    GroupNameTaken: (409, "name", "there is already a fairshare group named {!r}"),
}
# What takes longer than RETRY_SECONDS to pass, in seconds.
PATIENCE: Mapping[type[Exception], int] = {NotSummedYet: 30}
NAME = re.compile(r"[a-z][a-z_]*")
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
WHOLE = ("", "body", "query")  # where a field is not within another
MAX_SHOWN = 100  # characters of what the caller sent


def respond(problem: Problem, request_id: str) -> JSONResponse:
    headers = dict(problem.headers)
    if problem.status == UNAVAILABLE.status:
        headers.setdefault("retry-after", str(RETRY_SECONDS))
    return JSONResponse(problem.document(request_id), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the app's routes a problem document."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for error in OF_PORTS:
        app.add_exception_handler(error, _port)
    for error in (*postgres.UNAVAILABLE, *store_redis.UNAVAILABLE):
        app.add_exception_handler(error, _unavailable)


def request_id_of(request: Request) -> str:
    found: str = request.scope.get(REQUEST_ID_KEY, "")
    return found


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - as registered
    return respond(error.problem, request_id_of(request))


async def _port(request: Request, error: Exception) -> JSONResponse:
    status, name, text = next(of for kind, of in OF_PORTS.items() if isinstance(error, kind))
    about, *of_field = error.args  # some know the field
    detail = text.format(str(about)[:MAX_SHOWN])
    name, wrong = _named(name or "".join(of_field), detail)
    headers = {"retry-after": str(PATIENCE[type(error)])} if type(error) in PATIENCE else {}
    return respond(Problem(status, detail, ((name, wrong),) if name else (), headers), request_id_of(request))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    details = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not possible at {request.url.path}",
        400: "the body is not JSON",
    }
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_allowed(request))  # of all routes there; the framework names those of the first
    detail = details.get(error.status_code, str(error.detail))
    return respond(Problem(error.status_code, detail, headers=headers), request_id_of(request))


def _allowed(request: Request) -> list[str]:
    def takes(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if takes(method)]


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("store unavailable", error=repr(error), path=request.url.path)
    return respond(UNAVAILABLE, request_id_of(request))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return respond(invalid(error.errors()), request_id_of(request))


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem for a request that does not fit its schema: 400 if the body is no JSON at all, else 422."""
    if any(each["type"] == "json_invalid" for each in errors):
        where = next(each for each in errors if each["type"] == "json_invalid")
        return Problem(400, f"the body is not JSON: {where.get('ctx', {}).get('error', 'malformed')}")
    fields = tuple(_named(_field(each["loc"]), _wrong(each)) for each in errors)
    return Problem(422, "; ".join(f"{name}: {wrong}" for name, wrong in fields), fields)


def _field(location: Sequence[str | int]) -> str:
    """`weight`, `models_allowed.0`; `body` when it is the body as a whole."""
    names = [str(part) for part in location[1:]]
    return ".".join(names) or str(location[0])


def _named(where: str, wrong: str) -> tuple[str, str]:
    """What was wrong with several fields together is said as `name: detail`, at the object that holds them."""
    name, colon, detail = wrong.partition(": ")
    if not colon or not NAME.fullmatch(name):
        return where, wrong
    outside = "" if where in WHOLE else where
    return ".".join(filter(None, (outside, name))), detail


def _wrong(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required"
        case "string_unicode":
            return "is not valid Unicode text"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
