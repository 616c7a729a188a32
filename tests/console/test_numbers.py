"""What people type as numbers."""

from decimal import Decimal

import pytest

from admin.console.numbers import decimal_number, whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250000", 250_000),
        (" 500k ", 500_000),
        ("1.005m", 1_005_000),
        ("2 G", 2 * 10**9),
        ("500,000", 500_000),
        ("1_500_000", 1_500_000),
        ("-3", -3),
    ],
)
def test_a_number_is_what_it_says(text: str, number: int) -> None:
    assert whole_number(text) == decimal_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "k", "5kk", "12,50", "1,00,000", "_5", "5_", "1e3", "+5", "٣", "0x10", "inf", "nan", "1.", ".5", "9" * 16],
)
def test_what_may_mean_something_else_is_refused(text: str) -> None:
    for read in (whole_number, decimal_number):
        with pytest.raises(ValueError, match="must be a number, such as"):
            read(text)


def test_parts_and_nothing() -> None:
    assert decimal_number("12.50") == Decimal("12.5")
    with pytest.raises(ValueError, match="whole"):
        whole_number("12.50")
    with pytest.raises(ValueError, match="other than 0"):
        decimal_number("0")
