"""Lists in pages: where one goes on, as a query parameter."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

from admin.console.visit import Visit
from tenancy.directory.tenants import Position

AFTER = "after"
BETWEEN = "~"


class Dated(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...


def after_of(visit: Visit) -> Position | None:
    """The position after which a list by age goes on; None for the first page, or if the cursor cannot be read."""
    time, _, id = visit.query(AFTER).partition(BETWEEN)
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (at, id) if at.tzinfo is not None and id.isascii() and id.isprintable() else None


def next_page(visit: Visit, found: Sequence[Dated], many: int, **query: str) -> str:
    """The address of the page after the first `many` of `found`; "" if there is none."""
    if len(found) <= many:
        return ""
    last = found[many - 1]
    asked = {name: text for name, text in query.items() if text}
    return f"{visit.request.url.path}?" + urlencode(
        {**asked, AFTER: f"{last.created_at.isoformat()}{BETWEEN}{last.id}"}
    )
