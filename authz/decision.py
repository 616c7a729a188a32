"""Whether a key may be used, and what a client is told if not.  Pure: record and time in, outcome out.

No text here repeats what the client sent.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from tenancy.values.key_record import KeyRecord


class Outcome(StrEnum):
    """Every way in which a Check ends; also the label of its metric."""

    ALLOWED = "allowed"
    MISSING = "missing"
    MALFORMED = "malformed"
    SEVERAL = "several"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    DISABLED = "disabled"
    SUSPENDED = "suspended"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer in the shape of OpenAI's errors."""

    status: int
    message: str
    code: str
    type: str = "invalid_request_error"

    def body(self) -> str:
        error = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return json.dumps({"error": error}, separators=(",", ":"))

    def headers(self) -> dict[str, str]:
        """Beside content-length, which Envoy adds."""
        headers = {"content-type": "application/json"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"  # RFC 9110, section 15.5.2
        if self.status == 503:
            headers["retry-after"] = "1"  # seconds, after which the stores are asked again
        return headers


_INVALID = "invalid_api_key"
_HOW = "Send it as 'Authorization: Bearer <key>', 'X-API-Key: <key>' or 'api-key: <key>'."

REFUSALS = {
    Outcome.MISSING: Refusal(401, f"No API key was sent. {_HOW}", _INVALID),
    Outcome.MALFORMED: Refusal(401, f"Invalid API key: the credential is malformed. {_HOW}", _INVALID),
    Outcome.SEVERAL: Refusal(401, "Several credentials were sent, and they differ. Send one API key.", _INVALID),
    Outcome.UNKNOWN: Refusal(401, "Invalid API key", _INVALID),
    Outcome.EXPIRED: Refusal(401, "Invalid API key: it has expired", _INVALID),
    Outcome.DISABLED: Refusal(403, "This API key is disabled", "api_key_disabled", "permission_error"),
    Outcome.SUSPENDED: Refusal(403, "The tenant of this API key is suspended", "tenant_suspended", "permission_error"),
    Outcome.UNAVAILABLE: Refusal(
        503, "The API key cannot be checked right now. Try again shortly.", "service_unavailable", "server_error"
    ),
}


def decide(record: KeyRecord, now: float) -> Outcome:
    """ALLOWED, EXPIRED, DISABLED or SUSPENDED at `now`, seconds since the epoch; at `expires_at` a key has expired."""
    if record.expires_at is not None and record.expires_at.timestamp() <= now:
        return Outcome.EXPIRED
    if record.disabled:
        return Outcome.DISABLED
    return Outcome.SUSPENDED if record.suspended else Outcome.ALLOWED
