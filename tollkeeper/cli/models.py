"""`tollkeeper model …`."""

from typing import Annotated, Any

import typer

from tollkeeper.cli.body import AMOUNT, FileOption, SetOption, amount, body_of, text_or_none
from tollkeeper.cli.client import segment
from tollkeeper.cli.collection import delete, find, list_items, note_pending, update
from tollkeeper.cli.command import ColumnsOption, DryRunOption, LimitOption, Session, YesOption, command, noun

PATH = "/models"
COLUMNS = ("id", "name", "enabled", "input_price", "output_price", "cached_price", "context_window", "weight")
PRICE = "PRICE|none"

app = noun("Models: what may be asked for, and what a million tokens cost.")
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Its id or name.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it may be asked for.")]
Upstream = Annotated[Any, typer.Option("--upstream-name", parser=text_or_none, metavar="NAME|none")]
Endpoint = Annotated[Any, typer.Option("--endpoint", parser=text_or_none, metavar="URL|none")]
InputPrice = Annotated[Any, typer.Option("--input-price", parser=text_or_none, metavar=PRICE)]
OutputPrice = Annotated[Any, typer.Option("--output-price", parser=text_or_none, metavar=PRICE)]
CachedPrice = Annotated[Any, typer.Option("--cached-price", parser=text_or_none, metavar=PRICE)]
Context = Annotated[Any, typer.Option("--context-window", parser=amount, metavar=AMOUNT)]
Weight = Annotated[int | None, typer.Option("--weight")]
InFlight = Annotated[Any, typer.Option("--max-in-flight", parser=amount, metavar=AMOUNT)]


@command(app, "list")
def list_models(session: Session, limit: LimitOption = None, columns: ColumnsOption = None) -> None:
    """List the registered models by name."""
    list_items(session, PATH, COLUMNS, limit=limit, wanted=columns)


@command(app, "get")
def get_model(session: Session, model: Model) -> None:
    """Show a model."""
    session.show.one(find(session, PATH, model, "name"))


@command(app, "create", repeatable=True)
def create_model(
    session: Session,
    name: Annotated[str, typer.Argument(help="As clients ask for it.")],
    enabled: Enabled = None,
    upstream_name: Upstream = None,
    endpoint: Endpoint = None,
    input_price: InputPrice = None,
    output_price: OutputPrice = None,
    cached_price: CachedPrice = None,
    context_window: Context = None,
    weight: Weight = None,
    max_in_flight: InFlight = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Register a model.  From the first on, a model that is not registered is refused."""
    body = body_of(
        file,
        assignments,
        name=name,
        enabled=enabled,
        upstream_name=upstream_name,
        endpoint=endpoint,
        input_price=input_price,
        output_price=output_price,
        cached_price=cached_price,
        context_window=context_window,
        weight=weight,
        max_in_flight=max_in_flight,
    )
    session.show.one(session.client.ask("POST", PATH, body).body)


@command(app, "update")
def update_model(
    session: Session,
    model: Model,
    name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    enabled: Enabled = None,
    upstream_name: Upstream = None,
    endpoint: Endpoint = None,
    input_price: InputPrice = None,
    output_price: OutputPrice = None,
    cached_price: CachedPrice = None,
    context_window: Context = None,
    weight: Weight = None,
    max_in_flight: InFlight = None,
    assignments: SetOption = None,
    file: FileOption = None,
) -> None:
    """Change what is given."""
    body = body_of(
        file,
        assignments,
        name=name,
        enabled=enabled,
        upstream_name=upstream_name,
        endpoint=endpoint,
        input_price=input_price,
        output_price=output_price,
        cached_price=cached_price,
        context_window=context_window,
        weight=weight,
        max_in_flight=max_in_flight,
    )
    path = f"{PATH}/{segment(find(session, PATH, model, 'name')['id'])}"
    answer = update(session, path, f"{PATH}/{{id}}", body)
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "cache")
def set_cache(
    session: Session,
    model: Model,
    enabled: Annotated[bool, typer.Option("--enabled/--disabled", help="Whether answers may be kept.")],
    ttl: Annotated[int | None, typer.Option("--ttl", min=1, help="For how many seconds.")] = None,
) -> None:
    """Set whether answers of a model may be kept, and for how long."""
    path = f"{PATH}/{segment(find(session, PATH, model, 'name')['id'])}/cache"
    answer = session.client.ask("PUT", path, body_of(None, None, enabled=enabled, ttl_seconds=ttl))
    session.show.one(answer.body)
    note_pending(session, answer.headers.get("tollkeeper-propagation"))


@command(app, "delete")
def delete_model(session: Session, model: Model, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Take a model out of the registry."""
    found = find(session, PATH, model, "name")
    path = f"{PATH}/{segment(found['id'])}"
    delete(session, path, f"{PATH}/{{id}}", f"the model {found['name']!r}", yes=yes, dry_run=dry_run)
