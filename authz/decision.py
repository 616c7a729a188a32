"""Whether a key may be used, and what a client is told if not.  Pure: record and time in, outcome out.

No text here repeats what the client sent.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from authz.credential import AUTHORIZATION
from clients.api import Api
from clients.errors import MS_PER_SECOND, Fault, Header, headers_of, retry_headers
from tenancy.values.key_record import KeyRecord


class Outcome(StrEnum):
    """Every way in which a Check ends; also the label of its metric."""

    ALLOWED = "allowed"
    ANSWERED = "answered"  # here, in place of the model server
    MISSING = "missing"
    MALFORMED = "malformed"
    SEVERAL = "several"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    DISABLED = "disabled"
    SUSPENDED = "suspended"
    BODIES = "bodies"  # the tenant is sending too many bodies at once
    UNAVAILABLE = "unavailable"


_REQUEST, _INVALID = "invalid_request_error", "invalid_api_key"
ASK_AGAIN_SECONDS = 1  # how soon the stores are asked again

_REFUSALS = {
    Outcome.SEVERAL: Fault(
        401, "Several credentials were sent, and they differ. Send one API key.", _REQUEST, _INVALID
    ),
    Outcome.UNKNOWN: Fault(401, "Invalid API key", _REQUEST, _INVALID),
    Outcome.EXPIRED: Fault(401, "Invalid API key: it has expired", _REQUEST, _INVALID),
    Outcome.DISABLED: Fault(403, "This API key is disabled", "permission_error", "api_key_disabled"),
    Outcome.SUSPENDED: Fault(403, "The tenant of this API key is suspended", "permission_error", "tenant_suspended"),
    Outcome.BODIES: Fault(
        429,
        "Too many requests of this tenant are being received.",
        "rate_limit_error",
        "too_many_uploads",
        wait_ms=ASK_AGAIN_SECONDS * MS_PER_SECOND,
    ),
    Outcome.UNAVAILABLE: Fault(
        503,
        "The API key cannot be checked right now. Try again shortly.",
        "server_error",
        "service_unavailable",
        wait_ms=ASK_AGAIN_SECONDS * MS_PER_SECOND,
    ),
}


def refusals(key_headers: Sequence[str]) -> Mapping[Outcome, Fault]:
    """The error that a client gets, by outcome.  `key_headers`: the headers in which its key belongs."""
    *others, last = (f"'{_said(name)}'" for name in key_headers)
    how = f"Send it as {', '.join(others)} or {last}." if others else f"Send it as {last}."
    malformed = f"Invalid API key: the credential is malformed. {how}"
    return {
        Outcome.MISSING: Fault(401, f"No API key was sent. {how}", _REQUEST, _INVALID),
        Outcome.MALFORMED: Fault(401, malformed, _REQUEST, _INVALID),
        **_REFUSALS,
    }


def _said(name: str) -> str:
    if name == AUTHORIZATION:
        return "Authorization: Bearer <key>"
    return "X-API-Key: <key>" if name == "x-api-key" else f"{name}: <key>"


def headers_for(fault: Fault, api: Api) -> list[Header]:
    """A refusal's headers; Envoy adds content-length."""
    headers = [*headers_of(fault, api)]
    if fault.status == 401:
        headers.append(("www-authenticate", "Bearer"))  # RFC 9110, section 15.5.2
    if fault.wait_ms is not None:
        headers += retry_headers(fault.wait_ms, ASK_AGAIN_SECONDS)
    return headers


def decide(record: KeyRecord, now: float) -> Outcome:
    """ALLOWED, EXPIRED, DISABLED or SUSPENDED at `now`, seconds since the epoch.  From `expires_at` on, a key is
    expired."""
    if record.expires_at is not None and record.expires_at.timestamp() <= now:
        return Outcome.EXPIRED
    if record.disabled:
        return Outcome.DISABLED
    return Outcome.SUSPENDED if record.suspended else Outcome.ALLOWED
