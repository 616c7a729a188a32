"""`tollkeeper model …`."""

from typing import Any

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field
from tollkeeper.cli.kinds import AMOUNT, NONE, NUMBER, POSITIVE, SWITCH, TEXT, TEXTS, amount, or_none
from tollkeeper.cli.nouns.model_prices import add_prices
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun

PRICE = or_none("PRICE")
TIER_HELP = (
    "Other prices of a service tier or of long input, such as batch:input=0.5,output=2 or :above=200k,input=6.  May be"
    " repeated; replaces all tiers; none: removes them."
)
ENDPOINT_HELP = (
    "One of several servers: URL,weight=3,priority=1,credential=env:VARIABLE, all but the URL as needed.  May be"
    " repeated; replaces all endpoints; none: removes them."
)
TARGET_HELP = (
    "Makes it an alias of this model, or MODEL=WEIGHT.  May be repeated; replaces all targets; none: it is no alias."
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


def endpoints_of(_: Session, texts: list[str]) -> list[dict[str, Any]]:
    return [] if texts == [NONE] else [*map(_endpoint, texts)]


def _endpoint(text: str) -> dict[str, Any]:
    """`URL`, `URL,weight=3`, `URL,priority=1,credential=env:OPENAI_API_KEY`."""
    url, *pairs = text.split(",")
    found: dict[str, Any] = {"url": url}
    for name, equals, value in (pair.partition("=") for pair in pairs):
        if not equals or name not in ("weight", "priority", "credential"):
            raise CommandFailed(
                Exit.USAGE, f"--endpoint-of {text}: must be like http://10.0.0.1:8000,weight=3,priority=1"
            )
        found[name] = value if name == "credential" else amount(value)
    return found


def _targets(_: Session, texts: list[str]) -> list[dict[str, Any]]:
    return [] if texts == [NONE] else [*map(_target, texts)]


def _target(text: str) -> dict[str, Any]:
    """`MODEL`, `MODEL=90`."""
    model, equals, weight = text.rpartition("=")
    return {"model": model, "weight": amount(weight)} if equals else {"model": weight}


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
        Field("--upstream-name", or_none("NAME"), "Its name at the model server, if different."),
        Field("--endpoint", or_none("URL"), "URL of its only server.", default="the default upstream"),
        Field("--endpoint-of", TEXTS, ENDPOINT_HELP, name="endpoints", convert=endpoints_of),
        Field("--target", TEXTS, TARGET_HELP, name="targets", convert=_targets),
        Field(
            "--credential", or_none("env:VARIABLE|file:NAME"), "The secret that endpoints ask for, as sidecars have it."
        ),
        Field("--credential-header", TEXT, "Header that carries the credential.", default="authorization"),
        Field("--timeout-seconds", AMOUNT, "Seconds until an answer must begin.", default="the idle timeout"),
        Field("--retries", NUMBER, "Maximum tries at other endpoints when one did not accept a request."),
        Field("--health-path", or_none("PATH"), "Path that endpoints are asked for every 5 s."),
        Field("--ca-file", or_none("PATH"), "Certificates that Envoy trusts.", default="its own"),
        Field("--send-priority/--no-send-priority", SWITCH, "Whether bodies carry the priority of their group."),
        Field("--input-price", PRICE, "Price of a million input tokens."),
        Field("--output-price", PRICE, "Price of a million output tokens."),
        Field("--cached-price", PRICE, "Price of a million input tokens read from a cache.", default="as input"),
        Field("--context-window", AMOUNT, "Context window, in tokens."),
        Field("--weight", NUMBER, "Weight; recorded, not enforced."),
        Field("--max-in-flight", AMOUNT, "Maximum requests at once, in all sidecars; further ones wait."),
        Field("--queue-timeout-seconds", AMOUNT, "Seconds that a request may wait; none: as for other models."),
        Field("--cache-write-5m-price", PRICE, "Price of a million tokens written into a cache.", default="as input"),
        Field("--cache-write-1h-price", PRICE, "Price of a million written for an hour.", default="as for 5 minutes"),
        Field("--reasoning-price", PRICE, "Price of a million reasoning tokens.", default="as output"),
        Field("--audio-input-price", PRICE, "Price of a million audio input tokens.", default="as input"),
        Field("--audio-output-price", PRICE, "Price of a million audio output tokens.", default="as output"),
        Field("--image-input-price", PRICE, "Price of a million image input tokens.", default="as input"),
        Field("--image-output-price", PRICE, "Price of a million image output tokens.", default="as output"),
        Field("--image-price", PRICE, "Price of each image made."),
        Field("--request-price", PRICE, "Price of each request that ran."),
        Field("--search-price", PRICE, "Price of each search that the provider made for it."),
        Field("--price-tier", TEXTS, TIER_HELP, name="price_tiers", convert=_tiers),
    ),
)

app = Noun(MODELS)
app.add_list("List the registered models by name.")
app.add_get("Show a model.")
app.add_create("Register a model.  Once one is registered, requests for models that are not are refused.")
app.add_update("Change the given fields.")
app.add_action(
    "cache",
    "Set whether and how a model's answers are kept, to answer equal requests.",
    Field("--enabled/--disabled", SWITCH, "Whether answers are kept.", required=True),
    Field("--ttl", POSITIVE, "Seconds for which an answer is kept.", name="ttl_seconds"),
    Field("--scope", TEXT, "Who shares kept answers: tenant, user or all.", default="tenant"),
    Field("--requests", TEXT, "Which requests use it: deterministic or all.", default="deterministic"),
    Field("--max-bytes", AMOUNT, "Maximum size of an answer; a longer one is not kept.", default="1048576"),
    Field("--charge-percent", NUMBER, "Percent of its tokens that a kept answer is charged.", default="0"),
    Field("--purge/--no-purge", SWITCH, "Forget all kept answers.", default="no-purge"),
    method="PUT",
    below="/cache",
)
app.add_delete("Take a model out of the registry.", what="the model {name!r}")
add_prices(app, MODELS)
