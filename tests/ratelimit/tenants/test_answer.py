import json

import pytest

from ratelimit.budgets.port import Admitted, Refused
from ratelimit.tenants.account import IN_FLIGHT
from ratelimit.tenants.answer import duration, over_limit, rate_headers, rejection, unavailable
from ratelimit.tenants.screening import INVALID_BODY, Rejected
from tenancy.values.limit import Scope
from tests.ratelimit.stores import account, requests, tokens


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0ms"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (1500, "1.5s"), (59_999, "59.999s"), (60_000, "1m0s"),
     (60_001, "1m1s"), (360_000, "6m0s"), (3_612_000, "1h0m12s"), (86_400_000, "24h0m0s")],
)  # fmt: skip
def test_a_duration_reads_as_openai_writes_it(ms: int, text: str) -> None:
    assert duration(ms) == text


def test_headers_show_the_limit_with_least_left() -> None:
    of = account(tokens(1000, window_seconds=60), tokens(500, Scope.KEY, 60, "k"), requests(10, window_seconds=60))
    assert dict(rate_headers(of, Admitted((100, 400, 9)))) == {
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
    assert dict(rate_headers(of, refused))["x-ratelimit-limit-tokens"] == "500"


def test_without_limits_there_are_no_headers() -> None:
    assert list(rate_headers(account(), Admitted(()))) == []


def test_debt_is_shown_as_nothing_left_and_a_later_reset() -> None:
    headers = dict(rate_headers(account(tokens(60, window_seconds=60)), Admitted((-30,))))
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert headers["x-ratelimit-reset-tokens"] == "1m30s"


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, "1"), (1000, "1"), (1001, "2"), (59_001, "60")])
def test_over_limit_says_when_to_come_back(wait_ms: int, seconds: str) -> None:
    refusal = over_limit(account(tokens(100)), Refused("tenant:tokens:86400s", wait_ms, (7,)), [50])
    assert dict(refusal.headers)["retry-after"] == seconds
    assert refusal.status == 429


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
    refusal = rejection(rejected)
    error = json.loads(refusal.body)["error"]
    assert (refusal.status, error["type"], error["message"]) == (status, kind, rejected.message)
    assert set(error) == {"message", "type", "param", "code"}
    assert refusal.headers == (("content-type", "application/json"),)


def test_an_undecided_request_may_be_tried_again() -> None:
    refusal = unavailable()
    assert refusal.status == 503
    assert dict(refusal.headers)["retry-after"] == "1"
