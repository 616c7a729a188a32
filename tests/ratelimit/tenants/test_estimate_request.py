"""What requests cost before they run, and that no way of asking passes a budget by more than one request's error."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ratelimit.budgets.port import Admitted, Settlement
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.body import INVALID, MAX_OUTPUTS, NONE, Body, body_before, parse_body
from ratelimit.tenants.count import MAX_TOKENS
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.estimates.input import input_tokens
from ratelimit.tenants.estimates.media import Images, images_tokens
from ratelimit.tenants.estimates.request import estimate_request
from ratelimit.tenants.estimates.text import WEIGHTS, text_tokens
from ratelimit.tenants.routes.kind import Kind
from tenancy.values.policy import Policy
from tests.ratelimit.rls import sample
from tests.ratelimit.stores import memory_store, reservation, tokens

ENDLESS = MAX_TOKENS * MAX_OUTPUTS  # exact in the doubles of Lua


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ("-", NONE),
        ("", NONE),
        ('{"body":"invalid"}', INVALID),
        ('{"model":"\\x"}', INVALID),
        ("[]", INVALID),
        ("{}", Body()),
        ('{"model":"m\\u0041"}', Body("mA")),
        ('{"model":5}', Body()),
        ('{"model":null}', Body()),
        ('{"max_tokens":"50"}', Body(bound=50)),
        ('{"max_tokens":" 50 "}', Body(bound=50)),
        ('{"max_tokens":true}', Body()),
        ('{"speaks":true}', Body(speaks=True)),
        ('{"max_tokens":-5}', Body()),
        ('{"max_tokens":1e999}', Body(bound=MAX_TOKENS)),
        ('{"max_tokens":1.5}', Body(bound=2)),
        ('{"n":-3}', Body()),
        ('{"n":"4"}', Body(outputs=4)),
        ('{"n":9e99,"prompts":500000}', Body(outputs=MAX_OUTPUTS)),
    ],
)
def test_a_body_is_read_whatever_a_client_writes(asked: str, body: Body) -> None:
    assert parse_body(asked) == body


@pytest.mark.parametrize(
    ("body", "smallest", "estimate"),
    [
        (Body(text=tuple(sample(400))), None, Estimate(1124, 100, 0, 1024)),
        (Body(text=tuple(sample(401)), bound=50), None, Estimate(151, 101, 50)),
        (Body(bound=50, outputs=100), None, Estimate(5000, 0, 5000)),
        (Body(outputs=2), None, Estimate(2048, 0, 0, 2048)),
        (Body(outputs=2, speaks=True), None, Estimate(14336, 0, 0, 14336, spoken=True)),
        (Body(bound=50, speaks=True), None, Estimate(50, 0, 50, spoken=True)),
        (Body(prompt_ids=900), None, Estimate(1924, 900, 0, 1024, uncorrected=0)),
        (Body(bound=0), None, Estimate(0)),
        (Body(bound=MAX_TOKENS, outputs=MAX_OUTPUTS), None, Estimate(ENDLESS, 0, ENDLESS)),
        # Without a bound the whole fits in the smallest budget; with one it is what it is.
        (Body(outputs=9), 50, Estimate(50, 0, 0, 9216)),
        (Body(bound=600), 500, Estimate(600, 0, 600)),
    ],
)  # fmt: skip
def test_the_cost_is_the_input_and_all_the_output_it_allows(
    body: Body, smallest: int | None, estimate: Estimate
) -> None:
    assert estimate_request(Kind.GENERATES, body, "/v1/chat/completions", 0, 1024, smallest) == estimate


def test_a_body_that_was_not_read_is_estimated_by_its_size() -> None:
    assert input_tokens(NONE, "/v1/chat/completions", 401) == (101, 0)


def test_text_of_another_shape_than_the_meters_is_nothing() -> None:
    assert text_tokens((1, 2, 3)) == 0
    assert text_tokens((10, 0, *[1] * len(WEIGHTS))) == 0


# As the providers' own documentation counts them.
IMAGES = [
    (Images.TILED, (1024, 1024), 765),
    (Images.TILED, (2048, 4096), 1105),
    (Images.TILED, (100, 100), 255),
    (Images.AREA, (200, 200), 54),
    (Images.AREA, (1000, 1000), 1334),
    (Images.AREA, (1092, 1092), 1590),
    (Images.AREA, (10_000, 10_000), 1600),
    (Images.CROPPED, (384, 384), 258),
    (Images.CROPPED, (960, 540), 1548),
]


@pytest.mark.parametrize(("formula", "size", "expected"), IMAGES)
def test_an_image_costs_what_its_provider_says(formula: Images, size: tuple[int, int], expected: int) -> None:
    assert images_tokens(formula, 1, (size,)) == expected
    assert images_tokens(formula, 3, (size,)) == 3 * expected


def asked(**fields: Any) -> Body:
    return parse_body(json.dumps({"model": "m", "text": sample(40), **fields}))


ADVERSARIAL = {
    "arrays": asked(prompts=100, max_tokens=500),
    "token arrays": asked(prompts=40, prompt_ids=4000, max_tokens=60),
    "n": asked(n=100, max_tokens=29),
    "best_of": asked(n=1, best_of=20, max_tokens=100),
    "llama.cpp's own names": asked(max_tokens=1, n_predict=700, n=1, n_cmpl=4),
    "no bound": asked(),
    "no bound, arrays": asked(prompts=50),
    "images": asked(max_tokens=10, image_count=3, images=[[1024, 1024]]),
    "within": asked(max_tokens=200),
    "candidates": asked(**{"generationConfig.maxOutputTokens": 90, "generationConfig.candidateCount": 8}),
}
OUTPUT = 1500  # what the model says if nobody bounds it


@pytest.mark.parametrize("offset", range(len(ADVERSARIAL)))
def test_a_hundred_adversarial_requests_pass_a_budget_by_at_most_one_requests_error(offset: int) -> None:
    budget = 3_000
    store, account = memory_store(), Account.of(Policy("acme", "key-1", limits=(tokens(budget),)))
    bodies = list(ADVERSARIAL.values())
    used, error = 0, 0
    for turn in range(100):
        body = bodies[(turn + offset) % len(bodies)]
        estimate = estimate_request(Kind.GENERATES, body, "/v1/completions", 0, 1024, account.smallest)
        actual = estimate.input_tokens + (OUTPUT if body.bound is None else body.bound) * body.outputs
        (decision,) = store.budgets.reserve([reservation(account, estimate, str(turn))])
        if isinstance(decision, Admitted):
            used += actual
            error = max(error, actual - estimate.tokens)
            store.budgets.settle(
                [Settlement("acme", str(turn), Used(estimate.input_tokens, actual - estimate.input_tokens))]
            )
    assert 0 < used <= budget + error
    assert body_errors() == {"no bound", "no bound, arrays"}


def body_errors() -> set[str]:
    """Which of them can use more than is reserved: those that the request leaves open."""
    return {name for name, body in ADVERSARIAL.items() if body.bound is None}


ABSENT = dict.fromkeys(("model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "body"), "-")
BEFORE = {
    "a chat": ({"model": "m", "max_tokens": "300", "n": "2"}, Body(model="m", bound=300, outputs=2, measured=False)),
    "the greatest of two bounds": ({"max_tokens": "3", "max_completion_tokens": "5.0"}, Body(bound=5, measured=False)),
    "no body": ({}, replace(NONE, measured=False)),
    "not a JSON object": ({"body": "invalid", "model": "m"}, INVALID),
}


@pytest.mark.parametrize(("entries", "body"), BEFORE.values(), ids=BEFORE.keys())
def test_an_envoy_with_the_configuration_of_the_version_before_is_understood(
    entries: dict[str, str], body: Body
) -> None:
    found = body_before({**ABSENT, "policy": "[]", "path": "/v1/chat/completions", **entries})
    assert found == body
    assert input_tokens(found, "/v1/chat/completions", 4000) == (1000, 0)  # by its length
