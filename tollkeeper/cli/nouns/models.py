"""`tollkeeper model …`."""

from tollkeeper.cli.field import NEW_NAME, Field
from tollkeeper.cli.kinds import AMOUNT, NUMBER, POSITIVE, SWITCH, or_none
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.verbs import Noun

PRICE = or_none("PRICE")
MODELS = Resource(
    noun="model",
    path="/models",
    item=Field("MODEL", help="The model's id or name.", name="id"),
    named=scanned,
    columns=("id", "name", "enabled", "input_price", "output_price", "cached_price", "context_window", "weight"),
    fields=(
        Field("NAME", help="The name that clients ask for.", only="create"),
        NEW_NAME,
        Field("--enabled/--disabled", SWITCH, "Whether clients may use it."),
        Field("--upstream-name", or_none("NAME"), "Its name at the model server, if another."),
        Field("--endpoint", or_none("URL"), "URL of the model server."),
        Field("--input-price", PRICE, "Price of a million input tokens."),
        Field("--output-price", PRICE, "Price of a million output tokens."),
        Field("--cached-price", PRICE, "Price of a million cached input tokens."),
        Field("--context-window", AMOUNT, "Context window, in tokens."),
        Field("--weight", NUMBER, "Weight; recorded, not enforced."),
        Field("--max-in-flight", AMOUNT, "Requests in flight; recorded, not enforced."),
    ),
)

app = Noun(MODELS, "Models: which ones clients may use, and the price of a million tokens.")
app.add_list("List the registered models by name.")
app.add_get("Show a model.")
app.add_create("Register a model.  Once one is registered, requests for models that are not are refused.")
app.add_update("Change the given fields.")
app.add_action(
    "cache",
    "Set whether answers of a model may be kept, and for how long.",
    Field("--enabled/--disabled", SWITCH, "Whether answers may be kept.", required=True),
    Field("--ttl", POSITIVE, "For how many seconds.", name="ttl_seconds"),
    method="PUT",
    below="/cache",
)
app.add_delete("Take a model out of the registry.", what="the model {name!r}")
