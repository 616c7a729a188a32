"""`tollkeeper model …`."""

from typing import Any

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field
from tollkeeper.cli.kinds import AMOUNT, NONE, NUMBER, POSITIVE, SWITCH, TEXTS, amount, or_none
from tollkeeper.cli.nouns.model_prices import add_prices
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun

PRICE = or_none("PRICE")
TIER_HELP = (
    "Other prices of a service tier or of long input, such as batch:input=0.5,output=2 or :above=200k,input=6.  May be"
    " repeated; takes the place of those that there are; none: no tiers."
)


def _tiers(_: Session, texts: list[str]) -> list[dict[str, Any]]:
    return [] if texts == [NONE] else [*map(_tier, texts)]


def _tier(text: str) -> dict[str, Any]:
    """`SERVICE_TIER:KIND=PRICE,KIND=PRICE`, `SERVICE_TIER:above=TOKENS,…`, `:above=TOKENS,…`."""
    service_tier, _, rest = text.partition(":")
    found: dict[str, Any] = {"service_tier": service_tier} if service_tier else {}
    for pair in rest.split(","):
        kind, equals, value = pair.partition("=")
        if not equals:
            raise CommandFailed(Exit.USAGE, f"--price-tier {text}: must be like batch:input=0.5,output=2")
        name, number = ("above_input_tokens", amount(value)) if kind == "above" else (f"{kind}_price", value)
        found[name] = number
    return found


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
        Field("--cached-price", PRICE, "Price of a million input tokens read from a cache.", default="as input"),
        Field("--context-window", AMOUNT, "Context window, in tokens."),
        Field("--weight", NUMBER, "Weight; recorded, not enforced."),
        Field("--max-in-flight", AMOUNT, "Requests at once in each sidecar; the others wait."),
        Field("--queue-timeout-seconds", AMOUNT, "How long a request may wait; none: as everywhere."),
        Field("--cache-write-5m-price", PRICE, "Of a million tokens written into a cache.", default="as input"),
        Field("--cache-write-1h-price", PRICE, "Of a million written for an hour.", default="as for 5 minutes"),
        Field("--reasoning-price", PRICE, "Of a million reasoning tokens.", default="as output"),
        Field("--audio-input-price", PRICE, "Of a million tokens of sound put in.", default="as input"),
        Field("--audio-output-price", PRICE, "Of a million tokens of sound put out.", default="as output"),
        Field("--image-input-price", PRICE, "Of a million tokens of images put in.", default="as input"),
        Field("--image-output-price", PRICE, "Of a million tokens of images put out.", default="as output"),
        Field("--image-price", PRICE, "Price of each image made."),
        Field("--request-price", PRICE, "Price of each request that ran."),
        Field("--price-tier", TEXTS, TIER_HELP, name="price_tiers", convert=_tiers),
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
add_prices(app, MODELS)
