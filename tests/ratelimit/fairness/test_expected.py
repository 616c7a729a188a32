"""What a request is taken for on admission."""

import pytest

from ratelimit.fairness.expected import FIRST, MOST_KNOWN, Expected


def test_a_first_request_is_taken_for_no_more_than_it_may_take() -> None:
    expected = Expected()
    assert (expected.of("t", "m", FIRST * 10), expected.of("t", "m", 7)) == (FIRST, 7)


def test_what_answers_took_lately_counts_for_their_tenant_and_model() -> None:
    expected = Expected()
    for had in (1000, *[100] * 60):
        expected.learn("t", "m", had)
    assert expected.of("t", "m", 4000) == pytest.approx(100, abs=10)
    assert (expected.of("t", "m", 50), expected.of("t", "n", 4000)) == (50, FIRST)


def test_the_first_answers_of_a_tenant_are_taken_for_what_everybodys_are() -> None:
    expected = Expected()
    expected.learn("t", "m", 80)
    assert (expected.of("u", "m", 4000), expected.of("u", "n", 4000)) == (80, FIRST)
    expected.learn("none", "m", 0)
    assert expected.of("none", "m", 4000) == 0


def test_it_does_not_grow_for_ever() -> None:
    expected = Expected()
    for number in range(MOST_KNOWN // 2 + 1):
        expected.learn("t", f"{number}", 1)
    assert (expected.of("t", "0", 9000), expected.of("t", "1", 9000)) == (FIRST, 1)
