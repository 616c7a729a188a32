import json

import pytest

from clients.api import Api
from clients.rates import RateHeaders
from ratelimit.budgets.port import Admitted, Decision, Refused
from ratelimit.tenants.account import IN_FLIGHT, Account
from ratelimit.tenants.answer import UNAVAILABLE, Manner, Refusal, fault_of
from ratelimit.tenants.screening import INVALID_BODY, Rejected
from tenancy.values.limit import Scope
from tests.ratelimit.stores import account, requests, tokens

MANNER = Manner()


def levels(of: Account, decision: Decision) -> dict[str, str]:
    return dict(MANNER.levels(of, decision, Api.OPENAI))


def over_limit(of: Account, refused: Refused, costs: list[int], api: Api = Api.OPENAI) -> Refusal:
    return MANNER.over_limit(of, refused, costs, api)


def test_headers_show_the_limit_with_least_left() -> None:
    of = account(tokens(1000, window_seconds=60), tokens(500, Scope.KEY, 60, "k"), requests(10, window_seconds=60))
    assert levels(of, Admitted((100, 400, 9))) == {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "54s",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
    }


def test_headers_show_the_limit_that_bound() -> None:
    of = account(tokens(1000, window_seconds=60), tokens(500, Scope.KEY, 60, "k"))
    refused = Refused("key:k:tokens:60s", 1200, (100, 400))
    assert levels(of, refused)["x-ratelimit-limit-tokens"] == "500"


def test_without_limits_there_are_no_headers() -> None:
    assert levels(account(), Admitted(())) == {}


def test_debt_is_shown_as_nothing_left_and_a_later_reset() -> None:
    headers = levels(account(tokens(60, window_seconds=60)), Admitted((-30,)))
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert headers["x-ratelimit-reset-tokens"] == "1m30s"


def test_headers_are_those_of_the_api_and_of_the_family() -> None:
    of = account(tokens(1000, window_seconds=60), requests(10, window_seconds=60))
    assert dict(MANNER.levels(of, Admitted((100, 9)), Api.ANTHROPIC, now_ms=0)) == {
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "100",
        "anthropic-ratelimit-tokens-reset": "1970-01-01T00:00:54Z",
        "anthropic-ratelimit-requests-limit": "10",
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "1970-01-01T00:00:06Z",
    }
    assert dict(Manner(RateHeaders.IETF).levels(of, Admitted((100, 9)), Api.ANTHROPIC)) == {
        "ratelimit-policy": '"tokens";q=1000;w=60, "requests";q=10;w=60',
        "ratelimit": '"tokens";r=100;t=54, "requests";r=9;t=6',
    }


WAITS = [
    (1, {"retry-after": "1", "retry-after-ms": "1"}),
    (1001, {"retry-after": "2", "retry-after-ms": "1001"}),
    (60_001, {"retry-after": "60", "x-should-retry": "false"}),
    (None, {"x-should-retry": "false"}),
]


@pytest.mark.parametrize(("wait_ms", "headers"), WAITS)
def test_over_limit_says_when_to_come_back(wait_ms: int | None, headers: dict[str, str]) -> None:
    refusal = over_limit(account(tokens(100)), Refused("tenant:tokens:86400s", wait_ms, (7,)), [50])
    retry = {name: text for name, text in refusal.headers if "retry" in name}
    assert (refusal.status, retry) == (429, headers)


def test_over_limit_names_the_limit_and_the_numbers() -> None:
    refusal = over_limit(account(tokens(100)), Refused("tenant:tokens:86400s", 1500, (7,)), [50])
    assert json.loads(refusal.body) == {
        "error": {
            "message": "Rate limit reached for this tenant on tokens per 86400 s (tenant:tokens:86400s): limit 100, "
            "remaining 7, requested 50. Please try again in 1.5s.",
            "type": "tokens",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }


def test_what_never_fits_has_no_time_to_come_back() -> None:
    refusal = over_limit(account(tokens(100)), Refused("tenant:tokens:86400s", None, (100,)), [500])
    assert "retry-after" not in dict(refusal.headers)
    assert json.loads(refusal.body)["error"]["code"] == "request_too_large"


def test_a_refusal_is_in_the_words_of_the_api() -> None:
    refused = Refused("tenant:tokens:86400s", 1500, (7,))
    error = json.loads(over_limit(account(tokens(100)), refused, [50], Api.ANTHROPIC).body)
    assert (error["type"], error["error"]["type"]) == ("error", "rate_limit_error")
    assert error["error"]["message"].startswith("Rate limit reached for this tenant")


def test_full_slots_are_a_limit_too() -> None:
    refusal = over_limit(account(tokens(100), max_in_flight=3), Refused(IN_FLIGHT, 1000, (100,)), [50])
    error = json.loads(refusal.body)["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "limit 3" in error["message"]


@pytest.mark.parametrize(
    ("rejected", "status", "kind"),
    [
        (INVALID_BODY, 400, "invalid_request_error"),
        (Rejected(403, "model_not_allowed", 'may not use "x"\r\nset-cookie: a', "model"), 403, "permission_error"),
        (Rejected(404, "model_not_found", "no", "model"), 404, "invalid_request_error"),
    ],
)
def test_rejections_are_openai_errors(rejected: Rejected, status: int, kind: str) -> None:
    refusal = MANNER.refusal(fault_of(rejected), Api.OPENAI)
    error = json.loads(refusal.body)["error"]
    assert (refusal.status, error["type"], error["message"]) == (status, kind, rejected.message)
    assert set(error) == {"message", "type", "param", "code"}
    assert refusal.headers == (("content-type", "application/json"), ("x-should-retry", "false"))


def test_an_undecided_request_may_be_tried_again() -> None:
    refusal = MANNER.refusal(UNAVAILABLE, Api.OPENAI)
    assert refusal.status == 503
    assert dict(refusal.headers)["retry-after"] == "1"
