"""GET /v1/models and GET /v1/models/{id}: which models a key may use; and which models have a response cache.  Pure:
request and registry in, answer out.

Answered together with the credential check: it costs no budget and no request to the model server, which would also
list models that the key may not use.
"""

import json
from collections.abc import Sequence
from urllib.parse import unquote

from clients.errors import MS_PER_SECOND, Fault
from tenancy.resolving.catalog import KnownModels, ModelState

READING = ("GET", "HEAD")
VERSION, MODELS = "/v1/", "models"
OWNED_BY = "llm"
# The maximum length of the list that Envoy gets with each request; a longer one becomes EVERY.
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
    """The model that a request asks about, "" for all; None if the request is another one.  `path`: as Envoy sends
    it."""
    if method not in READING:
        return None
    plain = path.partition("?")[0]
    # Matched like the routes of model servers: under any prefix, in any case.
    at = plain.lower().find(VERSION)
    what, _, model = plain[at + len(VERSION) :].partition("/")
    return unquote(model.strip("/")) if at >= 0 and what.lower() == MODELS else None


def answer(asked: str, known: KnownModels | None, allowed: Sequence[str] | None) -> str | Fault | None:
    """The JSON body in OpenAI's format for a key with this list of models (None: the key has no list); NOT_FOUND,
    UNAVAILABLE.

    None where only the model server knows: the key has no list, and the registry refuses only the models in it.
    """
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
    """The names of the models that have a response cache, one a line; EVERY if there are too many."""
    aliases = (name for name, targets in known.targets.items() if any(each.model in known.caches for each in targets))
    names = "\n".join([*known.caches, *aliases])
    return names if len(names) <= MAX_NAMES else EVERY


def _entry(name: str, known: KnownModels) -> dict[str, object]:
    return {"id": name, "object": "model", "created": known.created.get(name, 0), "owned_by": OWNED_BY}


def _dump(found: object) -> str:
    return json.dumps(found, separators=(",", ":"))
