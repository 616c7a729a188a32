"""What is learned of how far estimates are off."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ratelimit.tenants.average import MEMORY, NEEDED, Average
from ratelimit.tenants.body import Body
from ratelimit.tenants.estimates.corrections import SCALE, Correction, Corrections
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.estimates.request import estimate_request
from ratelimit.tenants.routes.kind import Kind
from tests.ratelimit.rls import sample

PATH = "/v1/chat/completions"
HUNDRED = Body(text=tuple(sample(400)), bound=10)  # tokens


def taught(*pairs: tuple[int, int], many: int = 1000) -> Corrections:
    corrections = Corrections(many)
    for estimated, reported in pairs:
        corrections.learn("m", "", estimated, reported)
    return corrections


def test_nothing_is_corrected_before_there_are_enough_reports() -> None:
    assert taught(*[(100, 150)] * (NEEDED - 1)).factor("m", "") == SCALE
    assert taught(*[(100, 150)] * NEEDED).factor("m", "") == 1500
    assert taught(*[(100, 150)] * NEEDED).factor("m", "embeds") == SCALE
    assert taught(*[(100, 150)] * NEEDED).factor("other", "") == SCALE


def test_twice_and_half_are_equally_far_off() -> None:
    assert taught(*[(100, 200), (100, 50)] * NEEDED).factor("m", "") == pytest.approx(1000, abs=20)


@pytest.mark.parametrize(("reported", "factor"), [(1, 500), (60, 600), (199, 1990), (10_000, 2000)])
def test_no_more_than_twice_and_no_less_than_half(reported: int, factor: int) -> None:
    assert taught(*[(100, reported)] * NEEDED).factor("m", "") == factor


@pytest.mark.parametrize("pair", [(49, 90), (100, 0), (0, 10)])
def test_what_says_little_teaches_nothing(pair: tuple[int, int]) -> None:
    assert taught(*[pair] * 100).all() == []


def test_it_follows_a_model_that_changes() -> None:
    pairs = [(100, 150)] * 500 + [(100, 80)] * (5 * MEMORY)
    assert taught(*pairs).factor("m", "") == pytest.approx(800, abs=20)


def test_so_many_are_kept() -> None:
    corrections = taught(*[(100, 150)] * NEEDED, many=2)
    assert corrections.all() == [Correction("m", "", 1500, NEEDED)]
    for model in ("b", "a"):
        corrections.learn(model, "embeds", 100, 100)
    assert corrections.factor("m", "") == SCALE
    assert corrections.all() == [Correction(model, "embeds", SCALE, 1) for model in ("a", "b")]


def test_it_brings_estimates_near_to_what_is_reported() -> None:
    """Of a vocabulary that makes 1.4 times as many tokens as we think, give or take a tenth."""
    chance, corrections, errors = random.Random(1), Corrections(), list[float]()
    for _ in range(400):
        body = replace(HUNDRED, text=tuple(sample(chance.randrange(200, 20_000))))
        raw = estimate_request(Kind.GENERATES, body, PATH, 0, 1024, None).input_tokens
        estimate = estimate_request(Kind.GENERATES, body, PATH, 0, 1024, None, corrections.factor("m", ""))
        reported = round(raw * 1.4 * chance.uniform(0.9, 1.1))
        corrections.learn("m", "", raw if estimate.uncorrected is None else estimate.uncorrected, reported)
        errors.append(abs(estimate.input_tokens / reported - 1))
    assert sorted(errors[:NEEDED])[NEEDED // 2] > 0.2
    assert sorted(errors[NEEDED:])[(len(errors) - NEEDED) // 2] < 0.07


def test_what_one_script_teaches_says_nothing_of_another() -> None:
    corrections = Corrections()
    for _ in range(NEEDED):
        corrections.learn("m", "", 100, 60, "indic")
    assert [corrections.factor("m", "", script) for script in ("indic", "cjk", "")] == [600, SCALE, SCALE]
    assert corrections.all() == [Correction("m", "", 600, NEEDED, "indic")]


IMAGE = replace(HUNDRED, images=1, sizes=((1024, 1024),))  # 765 tokens


@pytest.mark.parametrize(
    ("kind", "body", "factor", "estimate"),
    [
        (Kind.GENERATES, HUNDRED, SCALE, Estimate(110, 100, 10)),
        (Kind.GENERATES, HUNDRED, 1505, Estimate(161, 151, 10, uncorrected=100)),
        (Kind.GENERATES, IMAGE, SCALE, Estimate(875, 865, 10, uncorrected=0)),
        (Kind.GENERATES, IMAGE, 1500, Estimate(925, 915, 10, uncorrected=0)),
        (Kind.EMBEDS, HUNDRED, 500, Estimate(50, 50, uncorrected=100)),
        (Kind.COUNTS, HUNDRED, 500, Estimate(0)),
    ],
)
def test_text_alone_is_corrected_and_text_alone_teaches(
    kind: Kind, body: Body, factor: int, estimate: Estimate
) -> None:
    assert estimate_request(kind, body, PATH, 0, 1024, None, factor) == estimate


@given(st.lists(st.floats(0.1, 10), min_size=NEEDED, max_size=200))
def test_a_mean_lies_within_its_samples(values: list[float]) -> None:
    average = Average()
    for value in values:
        average.add(value)
    assert average.value is not None
    assert min(values) * 0.999 <= average.value <= max(values) * 1.001
