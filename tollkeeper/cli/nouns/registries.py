"""`tollkeeper admin-token …`: no option but a name; a file and `--set` say the rest."""

from tollkeeper.cli.field import Field
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.verbs import Noun

ITEM = Field("ID|NAME", help="Its id or name.", name="id")
NAME = Field("NAME", help="A unique name.", only="create")

ADMIN_TOKENS = Resource(
    noun="admin token",
    path="/admin-tokens",
    item=ITEM,
    named=scanned,
    columns=("id", "name", "role", "token_prefix", "expires_at", "created_at"),
    fields=(NAME,),
    shown_once="token",
)


def _every_verb(resource: Resource) -> Noun:
    app, noun = Noun(resource), resource.noun
    app.add_list(f"List all {noun}s.")
    app.add_get(f"Show an {noun}.")
    app.add_create(f"Create an {noun}.")
    app.add_update("Change the given fields.")
    app.add_delete(f"Delete an {noun}.", what=f"the {noun} {{name!r}} ({{id}})")
    return app


admin_tokens = _every_verb(ADMIN_TOKENS)
