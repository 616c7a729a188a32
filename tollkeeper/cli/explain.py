"""`tollkeeper explain`: why a request was let through or refused, and what it cost."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.client import segment
from tollkeeper.cli.command import with_session
from tollkeeper.cli.session import Session

HIDDEN = frozenset(
    {"usage_source", "admission", "limit", "items", "recomputed", "reason"}
)  # said by other fields, or below


@with_session()
def explain(
    session: Session,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST-ID", help="Its x-request-id, or its lease id.")],
) -> None:
    """Explain a request that ended: what was decided, what it used, and its bill, from the prices of its time; or
    why it was refused, whose key it was, and what to do."""
    found = session.client.get(f"/requests/{segment(request_id)}")
    requests = found["requests"] + found.get("denials", [])
    if session.show.as_json:
        session.show.json(requests)
        return
    for number, each in enumerate(requests):
        if number:
            typer.echo()
        _show(session, each)


def _show(session: Session, request: dict[str, Any]) -> None:
    fields = {name: each for name, each in request.items() if name not in HIDDEN and each not in ("", None, {})}
    if "items" not in request:  # refused before its budgets were asked
        session.show.one(fields)
        return
    session.show.one({**fields, **({"items": request["items"]} if request["items"] else {})})
    if request["items"] and not request["recomputed"]:
        session.show.note("the items do not add up to the costs of the row")
    if not request["items"] and request["price_version"] is None:
        session.show.note("no prices: the model had none when the row was written, or it is older than their history")
