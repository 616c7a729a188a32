"""One request to the management API: who asks, on what terms (If-Match, Idempotency-Key, dry_run), and the headers of
its answer.  Routes are handed it as a dependency; what the terms mean is in tenancy.directory.terms.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import MutableHeaders

from admin.commands.refusals import invalid
from admin.commands.session import Done, Session
from admin.fields import View
from admin.gate.answers import PROPAGATION_HEADER, propagation_of, session_of
from tenancy.directory.change_request import ANY, Deleted, tag_of
from tenancy.directory.idempotency import Idempotency

PREFIX = "/api/v1"
NOTICE_HEADER = "tollkeeper-notice"
KEY = re.compile(r"[\x21-\x7e]{1,255}")
TAGS = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
LIST = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*')

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Call:
    """What commands need of the request, and what its answer gets beside the body."""

    session: Session
    headers: MutableHeaders

    def shown(self, value: T) -> T:
        """Shows the value's state."""
        self.headers["etag"] = f'"{tag_of(value)}"'
        return value

    def changed(self, done: Done[T]) -> T:
        """Shows the state, and whether every sidecar has been told."""
        self.told(done)
        return self.shown(done.value)

    def created(self, done: Done[T], where: str) -> T:
        """As `changed`, and its path below the prefix."""
        self.headers["location"] = f"{PREFIX}{where}"
        return self.changed(done)

    def deleted(self, done: Done[Deleted]) -> Response:
        """Nothing, or what a dry run found."""
        if self.session.by.dry_run:
            return JSONResponse({"dry_run": True, "deletes": dict(done.value)})
        self.told(done)
        return Response(status_code=204, headers={PROPAGATION_HEADER: self.headers[PROPAGATION_HEADER]})

    def told(self, done: Done[Any]) -> None:
        self.headers.update(propagation_of(done))
        if done.notice:
            self.headers[NOTICE_HEADER] = done.notice


class WouldGo(View):
    """The answer of a dry run: how many of each kind would be deleted.  Nothing was deleted."""

    dry_run: bool
    deletes: dict[str, int]


IfMatch = Annotated[
    str | None,
    Header(
        description="ETag of an earlier answer; if the resource has changed since, the request is refused with 412",
        max_length=8192,
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description=(
            "Makes the request safe to repeat for 24 hours: the same key and body get the first answer again, another"
            " body 422.  An answer with a secret is not repeated: 409 then names what was made"
        ),
        max_length=255,
    ),
]
DryRun = Annotated[bool, Query(description="Only show what would be deleted, and delete nothing")]
DELETES: dict[int | str, dict[str, Any]] = {
    200: {"model": WouldGo, "description": "A dry run: what would be deleted"},
    204: {"description": "Deleted"},
}


def _reading(request: Request, response: Response) -> Call:
    return _call(request, response)


def _changing(request: Request, response: Response, if_match: IfMatch = None) -> Call:
    return _call(request, response, if_match=_tags(if_match))


def _deleting(request: Request, response: Response, if_match: IfMatch = None, dry_run: DryRun = False) -> Call:
    return _call(request, response, if_match=_tags(if_match), dry_run=dry_run)


async def _creating(request: Request, response: Response, idempotency_key: IdempotencyKey = None) -> Call:
    return _call(request, response, idempotency=await _idempotency(request, idempotency_key))


async def _rotating(
    request: Request, response: Response, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
) -> Call:
    return _call(request, response, if_match=_tags(if_match), idempotency=await _idempotency(request, idempotency_key))


Reading = Annotated[Call, Depends(_reading)]
Changing = Annotated[Call, Depends(_changing)]
Creating = Annotated[Call, Depends(_creating)]
Rotating = Annotated[Call, Depends(_rotating)]
Deleting = Annotated[Call, Depends(_deleting)]


def _call(request: Request, response: Response, **terms: Any) -> Call:
    return Call(session_of(request.scope, request.app.state.ports, **terms), response.headers)


async def _idempotency(request: Request, key: str | None) -> Idempotency | None:
    """With the fingerprint of everything that the request asks for."""
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise invalid(("idempotency-key", "must be 1 to 255 visible ASCII characters"))
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return Idempotency(key, hashlib.sha256(asked).hexdigest())


def _tags(header: str | None) -> frozenset[str] | None:
    """The tags of If-Match, which compares strongly: a weak one matches nothing.  RFC 9110, section 13.1.1."""
    if header is None:
        return None
    if header.strip() == ANY:
        return frozenset({ANY})
    if not LIST.fullmatch(header):
        raise invalid(("if-match", 'must be * or entity tags in double quotes, such as "0f1e2d"'))
    return frozenset(tag for weak, tag in TAGS.findall(header) if not weak and tag != ANY)
