"""How a request states the terms of its change: If-Match, Idempotency-Key, dry_run; and how its answer shows the state.

Makes the ChangeRequest that every change carries.  What the terms mean is in tenancy.directory.change_request.
"""

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request, Response

from admin.fields import View
from admin.gate import PRINCIPAL_KEY, source_of
from admin.problems import Problem, Refused, request_id_of
from tenancy.directory.change_request import ANY, ChangeRequest, tag_of
from tenancy.directory.idempotency import Idempotency

IDEMPOTENCY_KEY = "tollkeeper.idempotency"  # where the terms leave it in the ASGI scope
KEY = re.compile(r"[\x21-\x7e]{1,255}")
TAGS = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
LIST = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e]*"\s*)*')

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class WouldGo(View):
    """The answer of a dry run: how many of each would be deleted.  Nothing was."""

    dry_run: bool
    deletes: dict[str, int]


IfMatch = Annotated[
    str | None,
    Header(
        description="Only if the resource is still in this state: the ETag of an earlier answer, else 412",
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
DryRun = Annotated[bool, Query(description="Say what would be deleted, and keep it")]
DELETES: dict[int | str, dict[str, Any]] = {
    200: {"model": WouldGo, "description": "A dry run: what would be deleted"},
    204: {"description": "Deleted"},
}


def _origin(request: Request) -> ChangeRequest:
    return ChangeRequest(request.scope[PRINCIPAL_KEY].name, source_of(request.scope), request_id_of(request))


def _changing(request: Request, if_match: IfMatch = None) -> ChangeRequest:
    by = _origin(request)
    return ChangeRequest(by.actor, by.source, by.request_id, if_match=_tags(if_match))


def _deleting(request: Request, if_match: IfMatch = None, dry_run: DryRun = False) -> ChangeRequest:
    by = _origin(request)
    return ChangeRequest(by.actor, by.source, by.request_id, if_match=_tags(if_match), dry_run=dry_run)


async def _creating(request: Request, idempotency_key: IdempotencyKey = None) -> ChangeRequest:
    by = _origin(request)
    if idempotency_key is None:
        return by
    if not KEY.fullmatch(idempotency_key):
        raise _wrong("idempotency-key", "must be 1 to 255 visible ASCII characters")
    idempotency = Idempotency(idempotency_key, await _fingerprint(request))
    request.scope[IDEMPOTENCY_KEY] = idempotency
    return ChangeRequest(by.actor, by.source, by.request_id, idempotency=idempotency)


async def _rotating(origin: Annotated[ChangeRequest, Depends(_creating)], if_match: IfMatch = None) -> ChangeRequest:
    return ChangeRequest(
        origin.actor, origin.source, origin.request_id, if_match=_tags(if_match), idempotency=origin.idempotency
    )


By = Annotated[ChangeRequest, Depends(_changing)]
ByCreating = Annotated[ChangeRequest, Depends(_creating)]
ByRotating = Annotated[ChangeRequest, Depends(_rotating)]
ByDeleting = Annotated[ChangeRequest, Depends(_deleting)]


def tagged(response: Response, value: T) -> T:
    """Shows the value's state in the answer."""
    response.headers["etag"] = f'"{tag_of(value)}"'
    return value


async def _fingerprint(request: Request) -> str:
    """Of everything that the request asks for."""
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return hashlib.sha256(asked).hexdigest()


def _tags(header: str | None) -> frozenset[str] | None:
    """The tags of If-Match, which compares strongly: a weak one matches nothing.  RFC 9110, section 13.1.1."""
    if header is None:
        return None
    if header.strip() == ANY:
        return frozenset({ANY})
    if not LIST.fullmatch(header):
        raise _wrong("if-match", 'must be * or entity tags in double quotes, such as "0f1e2d"')
    return frozenset(tag for weak, tag in TAGS.findall(header) if not weak and tag != ANY)


def _wrong(field: str, detail: str) -> Refused:
    return Refused(Problem(422, f"{field}: {detail}", ((field, detail),)))
