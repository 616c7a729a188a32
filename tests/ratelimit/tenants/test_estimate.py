import pytest

from ratelimit.tenants.estimate import MAX_TOKENS, Estimate, estimate, estimate_input, parse_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("50", 50),
        ("00050", 50),
        ("1e3", 1000),
        ("1e9", 1_000_000_000),
        ("1.5", 2),
        ("12.", 12),
        ("2.5E+1", 25),
        ("99999999999999999999", MAX_TOKENS),
        ("9" * 5000, MAX_TOKENS),
        ("1e300", MAX_TOKENS),
        ("1e999", MAX_TOKENS),
        ("1e-999", 0),
        ("-", None),
        ("", None),
        ("-5", None),
        ("+5", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("5,000", None),
        ("1_000", None),
        ("0x10", None),
        ("nan", None),
        ("inf", None),
        ("true", None),
        ("null", None),
        ("[5]", None),
        ("٥", None),
        ("²", None),
        ("1e" + "9" * 70, None),
        ("." * 100, None),
    ],
)
def test_a_count_is_read_from_whatever_a_client_sends(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("body_bytes", "bounds", "choices", "smallest", "expected"),
    [
        (400, ["-", "-", "-"], "-", None, Estimate(1124, 100, 0, 1024)),
        (401, ["50", "-", "-"], "-", None, Estimate(151, 101, 50)),
        (400, ["50", "70", "60"], "-", None, Estimate(170, 100, 70)),
        (400, ["50", "-", "-"], "3", None, Estimate(250, 100, 150)),
        (400, ["50", "-", "-"], "-3", None, Estimate(150, 100, 50)),
        (400, ["50", "-", "-"], "0", None, Estimate(150, 100, 50)),
        (400, ["-5", "garbage", "-"], "-", None, Estimate(1124, 100, 0, 1024)),
        (400, ["0", "-", "-"], "-", None, Estimate(100, 100)),
        (400, ["-", "-", "-"], "2", None, Estimate(2148, 100, 0, 2048)),
        (0, ["9" * 30, "-", "-"], "9" * 30, None, Estimate(MAX_TOKENS * 1024, 0, MAX_TOKENS * 1024)),
        # Without a bound the whole fits in the smallest budget; with one it is what it is.
        (400, ["-", "-", "-"], "-", 500, Estimate(500, 100, 0, 1024)),
        (400, ["-", "-", "-"], "9", 50, Estimate(50, 100, 0, 9216)),
        (400, ["600", "-", "-"], "-", 500, Estimate(700, 100, 600)),
    ],
)
def test_the_cost_is_the_input_and_the_largest_output_it_allows(
    body_bytes: int, bounds: list[str], choices: str, smallest: int | None, expected: Estimate
) -> None:
    assert estimate(body_bytes, bounds, choices, default_output=1024, smallest=smallest) == expected


@pytest.mark.parametrize(
    ("body_bytes", "smallest", "expected"),
    [
        (0, None, Estimate(0)),
        (1, None, Estimate(1, 1)),
        (4001, None, Estimate(1001, 1001)),
        (4000, 10, Estimate(10, 1000)),
    ],
)
def test_without_text_to_produce_only_the_input_counts(
    body_bytes: int, smallest: int | None, expected: Estimate
) -> None:
    assert estimate_input(body_bytes, smallest=smallest) == expected
