"""`tollkeeper model …`."""

from typing import Annotated

import typer

from tollkeeper.cli.command import command, noun
from tollkeeper.cli.field import Field, Given
from tollkeeper.cli.kinds import AMOUNT, NUMBER, SWITCH, or_none
from tollkeeper.cli.resource import Resource, fill, scanned
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list, add_update

PRICE = or_none("PRICE")
MODELS = Resource(
    noun="model",
    path="/models",
    item=Field("MODEL", help="Its id or name.", name="id"),
    named=scanned,
    columns=("id", "name", "enabled", "input_price", "output_price", "cached_price", "context_window", "weight"),
    fields=(
        Field("NAME", help="As clients ask for it.", only="create"),
        Field("--name", help="A new name.", only="update"),
        Field("--enabled/--disabled", SWITCH, "Whether it may be asked for."),
        Field("--upstream-name", or_none("NAME")),
        Field("--endpoint", or_none("URL")),
        Field("--input-price", PRICE),
        Field("--output-price", PRICE),
        Field("--cached-price", PRICE),
        Field("--context-window", AMOUNT),
        Field("--weight", NUMBER),
        Field("--max-in-flight", AMOUNT),
    ),
)

app = noun("Models: what may be asked for, and what a million tokens cost.")
add_list(app, MODELS, "List the registered models by name.")
add_get(app, MODELS, "Show a model.")
add_create(app, MODELS, "Register a model.  From the first on, a model that is not registered is refused.")
add_update(app, MODELS, "Change what is given.")


@command(app, "cache", MODELS.item)
def set_cache(
    session: Session,
    given: Given,
    enabled: Annotated[bool, typer.Option("--enabled/--disabled", help="Whether answers may be kept.")],
    ttl: Annotated[int | None, typer.Option("--ttl", min=1, help="For how many seconds.")] = None,
) -> None:
    """Set whether answers of a model may be kept, and for how long."""
    path = fill("/models/{id}/cache", MODELS.find(session, given))
    body = {"enabled": enabled} | ({} if ttl is None else {"ttl_seconds": ttl})
    session.changed(session.client.ask("PUT", path, body))


add_delete(app, MODELS, "Take a model out of the registry.", "the model {name!r}")
