"""Whether a key may be used, by its record and the time; the shape of every refusal."""

import json
from datetime import UTC, datetime

import pytest

from authz.credential import CREDENTIAL_HEADERS
from authz.decision import Outcome, decide, headers_for, refusals
from clients.api import Api
from clients.errors import body_of
from tests.tenancy.people import a_record

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expires_at", "disabled", "seconds_past_noon", "outcome"),
    [
        (None, False, 0, Outcome.ALLOWED),
        (None, True, 0, Outcome.DISABLED),
        (NOON, False, -0.001, Outcome.ALLOWED),
        (NOON, False, 0, Outcome.EXPIRED),
        (NOON, False, 1, Outcome.EXPIRED),
        (NOON, True, -1, Outcome.DISABLED),
        (NOON, True, 1, Outcome.EXPIRED),
    ],
)
def test_a_key(expires_at: datetime | None, disabled: bool, seconds_past_noon: float, outcome: Outcome) -> None:
    record = a_record(expires_at=expires_at, disabled=disabled)
    assert decide(record, NOON.timestamp() + seconds_past_noon) is outcome


def test_a_key_of_a_suspended_tenant_is_refused_unless_it_is_no_key_any_more() -> None:
    assert decide(a_record(suspended=True), NOON.timestamp()) is Outcome.SUSPENDED
    assert decide(a_record(suspended=True, disabled=True), NOON.timestamp()) is Outcome.DISABLED
    assert decide(a_record(suspended=True, expires_at=NOON), NOON.timestamp()) is Outcome.EXPIRED


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (Outcome.MISSING, 401, "invalid_api_key"),
        (Outcome.MALFORMED, 401, "invalid_api_key"),
        (Outcome.SEVERAL, 401, "invalid_api_key"),
        (Outcome.UNKNOWN, 401, "invalid_api_key"),
        (Outcome.EXPIRED, 401, "invalid_api_key"),
        (Outcome.DISABLED, 403, "api_key_disabled"),
        (Outcome.SUSPENDED, 403, "tenant_suspended"),
        (Outcome.UNAVAILABLE, 503, "service_unavailable"),
    ],
)
def test_a_refusal_is_shaped_as_openai_does(outcome: Outcome, status: int, code: str) -> None:
    refusal = refusals(CREDENTIAL_HEADERS)[outcome]
    error = json.loads(body_of(refusal, Api.OPENAI))["error"]
    headers = dict(headers_for(refusal, Api.OPENAI))
    assert (refusal.status, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert headers["content-type"] == "application/json"
    assert ("www-authenticate" in headers) == (status == 401)


def test_every_other_outcome_has_a_refusal() -> None:
    assert set(refusals(CREDENTIAL_HEADERS)) == set(Outcome) - {Outcome.ALLOWED, Outcome.ANSWERED}
