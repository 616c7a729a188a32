"""How every list is paged: `limit` and an opaque `cursor`; the answer's `next_cursor` is null on the last page."""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

from fastapi import Request
from pydantic import Field

from admin.api.derived import shape
from admin.commands.refusals import Refused, invalid
from admin.fields import Body, Name, View, Whole, is_printable
from admin.gate.answers import PRINCIPAL_KEY

T = TypeVar("T")

DEFAULT_LIMIT = 100
MOST = 1000
# What may differ from page to page.
MAY_CHANGE = frozenset({"limit", "cursor", "format", "from", "to"})
_list: ContextVar[tuple[Callable[[str], str], str]] = ContextVar("list")
MAX_ID = 2**63  # bigint


class Page(Body):
    """The query parameters of a list."""

    limit: Whole = Field(DEFAULT_LIMIT, ge=1, le=MOST, description="Maximum number of items")
    cursor: str | None = Field(None, max_length=4096, description="`next_cursor` of the previous page")

    def after_time(self) -> tuple[datetime, str] | None:
        """The cursor of a list by age: creation time and id."""
        parts = self._parts(str, str)
        if parts is None:
            return None
        try:
            time = datetime.fromisoformat(parts[0])
        except ValueError:
            raise not_a_cursor() from None
        if time.tzinfo is None:
            raise not_a_cursor()
        return time, parts[1]

    def after_name(self) -> str:
        """The cursor of a list by name."""
        parts = self._parts(str)
        return parts[0] if parts else ""

    def before_id(self) -> int | None:
        """The cursor of a list by falling number."""
        parts = self._parts(int)
        if parts is not None and not 0 < parts[0] < MAX_ID:
            raise not_a_cursor()
        return parts[0] if parts else None

    def answer(self, name: str, found: Sequence[object], *position: str) -> dict[str, object]:
        """The items under `name`, and the next cursor; `found` has one more than fits if there are more.

        `position` names the fields that the list is sorted by."""
        items, next_cursor = cut(found, self.limit, lambda item: [getattr(item, field) for field in position])
        return {name: items, "next_cursor": next_cursor}

    def _parts(self, *kinds: type) -> list[Any] | None:
        if self.cursor is None:
            return None
        try:
            parts = json.loads(base64.b64decode(self.cursor + "=" * (-len(self.cursor) % 4), b"-_", validate=True))
        except (ValueError, binascii.Error, RecursionError):
            raise not_a_cursor() from None
        if not isinstance(parts, list) or tuple(type(part) for part in parts) != (str, *kinds):
            raise not_a_cursor()
        seal, *parts = parts
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(parts).encode()):
            raise not_a_cursor()
        if any(isinstance(part, str) and not is_printable(part) for part in parts):
            raise not_a_cursor()
        return parts


class NamedPage(Page):
    """A page of a list that can be searched by name."""

    name: Name | None = Field(None, description="Only items with exactly this name")


def page_of(name: str, says: str, base: type[View] = View, **items: Any) -> type[View]:
    """The answer of a list: items of one type under one name, and the cursor of the next page."""
    return shape(name, says, base, **{field: list[of] for field, of in items.items()}, next_cursor=str | None)  # type: ignore[valid-type]


def cut(items: Sequence[T], limit: int, position: Callable[[T], Sequence[object]]) -> tuple[Sequence[T], str | None]:
    """The page and the next cursor, from one item more than fits when there is one."""
    if len(items) <= limit:
        return items, None
    page = items[:limit]
    return page, encode(position(page[-1]))


def encode(position: Sequence[object]) -> str:
    """The cursor of a position, sealed: it is good for this list alone, and for the caller who was given it."""
    parts = json.loads(json.dumps([*position], default=str))
    text = json.dumps([_seal(parts), *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def of_this_list(request: Request) -> None:
    """A dependency of every route: what cursors that are read or made in answering the request belong to."""
    ports, principal = request.app.state.ports, request.scope.get(PRINCIPAL_KEY)
    if principal is None:
        return
    filters = sorted((name, value) for name, value in request.query_params.multi_items() if name not in MAY_CHANGE)
    _list.set((ports.principals.seal, json.dumps([principal.name, request.url.path, filters])))


def _seal(position: Sequence[object]) -> str:
    seal, of = _list.get()
    return seal(f"{of}{json.dumps(position)}")


def not_a_cursor() -> Refused:
    return invalid(("cursor", "is not a cursor of this list"))
