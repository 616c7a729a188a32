"""GET /v1/models and GET /v1/models/{id}: which models a key may ask for; and of which models answers are kept.  Pure:
request and registry in, answer out.

Answered along with the credential: it costs no budget and no request to the model server, which would list what the
key may not use too.
"""

import json
from collections.abc import Sequence
from urllib.parse import unquote

from clients.errors import MS_PER_SECOND, Fault
from tenancy.resolving.catalog import KnownModels, ModelState

READING = ("GET", "HEAD")
VERSION, MODELS = "/v1/", "models"
OWNED_BY = "llm"
# What is told to Envoy with each request: at most this many characters, else that it may be any model.
MAX_NAMES, EVERY = 512, "*"

NOT_FOUND = Fault(
    404,
    "The model does not exist, or this API key may not use it.",
    "invalid_request_error",
    "model_not_found",
    "model",
)
UNAVAILABLE = Fault(
    503,
    "The list of models is not available at the moment.",
    "server_error",
    "models_unavailable",
    wait_ms=MS_PER_SECOND,
)


def asked_model(method: str, path: str) -> str | None:
    """The model that a request asks about, "" for all; None if it asks for something else.  `path`: as Envoy has it."""
    if method not in READING:
        return None
    plain = path.partition("?")[0]
    # As the routes of model servers are found: under whatever prefix, in whatever case.
    at = plain.lower().find(VERSION)
    what, _, model = plain[at + len(VERSION) :].partition("/")
    return unquote(model.strip("/")) if at >= 0 and what.lower() == MODELS else None


def answer(asked: str, known: KnownModels | None, allowed: Sequence[str] | None) -> str | Fault | None:
    """The JSON body, as OpenAI has it, for a key with this list of models (None: without one); NOT_FOUND, UNAVAILABLE.

    None where only the model server knows: a key without a list, and a registry that bars only what is in it."""
    if known is None:
        return UNAVAILABLE
    if allowed is None and not known.is_closed:
        return None
    names = known.enabled if allowed is None else allowed
    if asked:
        found = asked in names and known.state(asked) is ModelState.KNOWN
        return _dump(_entry(asked, known)) if found else NOT_FOUND
    entries = [_entry(name, known) for name in sorted(names) if known.state(name) is ModelState.KNOWN]
    return _dump({"object": "list", "data": entries})


def names_of_cached(known: KnownModels) -> str:
    """The names under which models are asked for whose answers are kept, a line each; EVERY if they are many."""
    aliases = (name for name, targets in known.targets.items() if any(each.model in known.caches for each in targets))
    names = "\n".join([*known.caches, *aliases])
    return names if len(names) <= MAX_NAMES else EVERY


def _entry(name: str, known: KnownModels) -> dict[str, object]:
    return {"id": name, "object": "model", "created": known.created.get(name, 0), "owned_by": OWNED_BY}


def _dump(found: object) -> str:
    return json.dumps(found, separators=(",", ":"))
