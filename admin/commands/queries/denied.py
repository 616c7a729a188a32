"""In words: why a request was refused, and what to do about it.  Pure.

REFUSALS and BOUNDS are what ratelimit says beside the limits' names, DENIALS what authz and Envoy say of requests that
it never heard of."""

from collections.abc import Mapping
from typing import NamedTuple


class Reason(NamedTuple):
    """`why` completes "refused with 429: "."""

    why: str
    advice: str


# Of a limit; to be completed with the tenant's id.
RAISE = (
    "`tollkeeper budget list {}` shows when there is room again. A request that is larger than the limit never fits:"
    " lower its max_tokens. To raise the limit: `tollkeeper limit update`; a rate of the tenant or the key:"
    " `tollkeeper tenant update`, `tollkeeper key update`."
)
SEND = "Send the key as `Authorization: Bearer <key>`."
NEW_SECRET = "Send another key; `tollkeeper key list` shows each key's prefix."
OURS = "Nothing is wrong with the request: send it again. `tollkeeper doctor` and docs/runbook.md lead to the cause."

REFUSALS: Mapping[str, Reason] = {
    "invalid_body": Reason("the body cannot be read", "Send what the API's documentation asks for, as JSON."),
    "model_not_allowed": Reason(
        "the key may not use this model, or no model is named",
        "Name a model that it may use, or allow it: `tollkeeper key update`.",
    ),
    "model_not_found": Reason(
        "the model is not registered, or not enabled",
        "Look at `tollkeeper model list`, and create or enable it.",
    ),
    "model_unpriced": Reason(
        "the model is not registered, so it has no price, and a limit on what is spent holds for the key",
        "Register it with its price: `tollkeeper model create`.",
    ),
    "route_refused": Reason(
        "the route is in no table, or not open to keys", "`tollkeeper routes` lists those that are open."
    ),
    "too_long": Reason("the body is larger than Envoy holds", "Send less at once."),
    "unavailable": Reason("Tollkeeper could not decide", OURS),
}
_BODIES = "Send fewer large ones at once, or raise TOLLKEEPER_UPLOADS_MAX_MB."
_ROOM = "Send it again in a moment, or raise the bound: `tollkeeper runtime capacity`."
# Bounds that are no limits, by the names under which they refuse.
BOUNDS: Mapping[str, Reason] = {
    "sidecar:in_flight": Reason("all that the sidecar may run was running", _ROOM),
    "all:in_flight": Reason("all that may run was running", _ROOM),
    "model:in_flight": Reason("all that the model may run was running", _ROOM),
    "tenant:in_flight": Reason(
        "all that the tenant may run at once was running",
        "Send fewer at once, or raise its max_in_flight: `tollkeeper tenant update`.",
    ),
    "key:in_flight": Reason(
        "all that the key may run at once was running",
        "Send fewer at once, or raise its max_in_flight: `tollkeeper key update`.",
    ),
    "tenant:uploads": Reason("too many large bodies of the tenant were being received", _BODIES),
    "all:uploads": Reason("too many large bodies were being received", _BODIES),
    "tenant:reading": Reason("the tenant's large bodies take too long to read", "Send fewer large ones at once."),
}
DENIALS: Mapping[str, Reason] = {
    "missing": Reason("no API key was sent", SEND),
    "malformed": Reason("what was sent as an API key cannot be one", SEND),
    "several": Reason("several API keys were sent, and they differ", "Send one."),
    "unknown": Reason("no key has this secret: it was never made, was deleted, or is retired", NEW_SECRET),
    "expired": Reason(
        "the key, or this secret of it, has expired",
        "Send its new secret, or give it another end: `tollkeeper key update`.",
    ),
    "disabled": Reason("the key is disabled", "`tollkeeper key enable`, if it should work again."),
    "suspended": Reason("the tenant of the key is suspended", "`tollkeeper tenant update`, if it should go on."),
    "bodies": Reason(
        "too many bodies of the tenant's requests were on their way",
        "Send fewer at once, or raise TOLLKEEPER_UPLOADS_MAX_MB.",
    ),
    "unavailable": Reason("no store could say whose key it is", OURS),
    "models_unavailable": Reason("the list of models was not known yet", OURS),
    "model_not_found": REFUSALS["model_not_found"],
    "ext_authz_error": Reason("authz did not answer Envoy", OURS),
    "rate_limiter_error": Reason("ratelimit did not answer Envoy", OURS),
    "request_payload_too_large": Reason(
        "the body is larger than Envoy holds", "Send less, and with a content-length: docs of `envoy render`."
    ),
    "lua_response": Reason(
        "a filter of ours refused it: a key in the URL, or a body or message that cannot be read",
        "The answer that the client got says which.",
    ),
    "upgrade_failed": Reason("websockets and CONNECT are not served: they could not be counted", "Use plain HTTP."),
    "overload": Reason("Envoy had too little memory left", OURS),
}


def reason_of(denied_by: str) -> Reason | None:
    """Of a row of the ledger; None if a limit of this name refused it."""
    return REFUSALS.get(denied_by) or BOUNDS.get(denied_by)


def denial_reason(reason: str) -> Reason:
    """Of a denial; what is not known is Envoy's own word."""
    return DENIALS.get(reason) or Reason(f"Envoy says {reason}", "See its documentation of response code details.")
