import pytest

from ratelimit.tenants.count import MAX_TOKENS, parse_count


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
