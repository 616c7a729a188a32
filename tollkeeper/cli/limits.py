"""`tollkeeper limit …`."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import FileOption, SetOption, body_of, quantity
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items, note_pending, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun
from tollkeeper.cli.tenants import tenant_id_of

PATH = "/limits"
SUBJECT = ("id", "name", "scope", "tenant_id", "fairshare_group", "key_id", "user_id", "model")
COLUMNS = (*SUBJECT, "unit", "amount", "kind", "window_seconds", "calendar", "time_zone", "shadow")

app = noun("Limits: how much of what, in which window.  The strictest binds.")
Limit = Annotated[str, typer.Argument(metavar="LIMIT", help="Its id or name.")]
Unit = Annotated[str | None, typer.Option("--unit", help="tokens, input_tokens, output_tokens, requests or cost.")]
Amount = Annotated[
    Any,
    typer.Option("--amount", parser=quantity, metavar="N", help="At most so much a window; as 500k, for cost 12.50."),
]
Window = Annotated[str | None, typer.Option("--window", help="minute, hour, day, week, month, or a number of seconds.")]
Kind = Annotated[str | None, typer.Option("--kind", help="bucket, fixed_window or sliding_window.")]
Zone = Annotated[str | None, typer.Option("--time-zone", help="In which days, weeks and months begin.")]
Shadow = Annotated[bool | None, typer.Option("--shadow/--enforced", help="Whether it is only measured.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="The tenant, by id or name.")]
KeyOption = Annotated[str | None, typer.Option("--key", metavar="ID", help="One of its keys.")]
UserOption = Annotated[str | None, typer.Option("--user", metavar="ID", help="One of its users.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="One model.")]
GroupOption = Annotated[str | None, typer.Option("--group", help="A fairshare group.")]


@command(app, "list")
def list_limits(
    session: Session,
    tenant: TenantOption = None,
    group: GroupOption = None,
    limit: LimitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """List limits, oldest first."""
    query = {"tenant_id": _tenant_id(session, tenant), "fairshare_group": group}
    list_items(session, PATH, COLUMNS, query=query, limit=limit, wanted=columns)


@command(app, "get")
def get_limit(session: Session, limit: Limit) -> None:
    """Show a limit."""
    session.show.one(find(session, PATH, limit, "name"))


@command(app, "create", repeatable=True)
def create_limit(
    session: Session,
    unit: Unit = None,
    amount: Amount = None,
    window: Window = None,
    scope: Annotated[str | None, typer.Option("--scope", help="tenant, user, key, model or group.")] = None,
    tenant: TenantOption = None,
    key: KeyOption = None,
    user: UserOption = None,
    model: ModelOption = None,
    group: GroupOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What refusals call it.", show_default="what it is")
    ] = None,
    kind: Kind = None,
    time_zone: Zone = None,
    shadow: Shadow = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Create a limit.  Its scope follows from what it is for, unless given."""
    body = body_of(
        file,
        assignments,
        name=name,
        scope=scope or _scope(key=key, user=user, model=model, group=group, tenant=tenant),
        tenant_id=_tenant_id(session, tenant),
        key_id=key,
        user_id=user,
        model=model,
        fairshare_group=group,
        unit=unit,
        amount=amount,
        kind=kind,
        time_zone=time_zone,
        shadow=shadow,
        **_window(window),
    )
    answer = session.client.ask("POST", PATH, body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "update")
def update_limit(
    session: Session,
    limit: Limit,
    name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    amount: Amount = None,
    window: Window = None,
    time_zone: Zone = None,
    shadow: Shadow = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change what is given.  What is spent stays spent."""
    fields = {"name": name, "amount": amount, "time_zone": time_zone, "shadow": shadow, **_window(window)}
    body = body_of(file, assignments, **fields)
    answer = update(session, _path(session, limit), f"{PATH}/{{id}}", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "delete")
def delete_limit(session: Session, limit: Limit, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Delete a limit, with what is spent of it."""
    found = find(session, PATH, limit, "name")
    path = f"{PATH}/{segment(found['id'])}"
    delete(session, path, f"{PATH}/{{id}}", f"the limit {found['name']!r} ({found['id']})", yes=yes, dry_run=dry_run)


def _scope(**given: str | None) -> str | None:
    """The narrowest of what is given: a key, user or model is one of its tenant."""
    return next((scope for scope, value in given.items() if value is not None), None)


def _window(window: str | None) -> dict[str, Any]:
    """Seconds, or a calendar's unit."""
    if window is None:
        return {}
    return {"window_seconds": int(window)} if window.isdecimal() else {"calendar": window}


def _tenant_id(session: Session, tenant: str | None) -> str | None:
    return None if tenant is None else tenant_id_of(session, tenant)


def _path(session: Session, reference: str) -> str:
    return f"{PATH}/{segment(find(session, PATH, reference, 'name')['id'])}"
