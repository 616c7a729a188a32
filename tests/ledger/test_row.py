"""Rows: text that is made safe for a database."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.row import TEXT_MAX, clean, cleaned
from tenancy.values.secret import mint_secret

SECRET = mint_secret()
FOREIGN = "sk-" + "Ab1" * 10
ODD = [
    "",
    "key_1",
    "sk-",
    "s",
    "k_",
    "\0",
    "é",
    "\ud800",
    "x" * (TEXT_MAX + 1),
    SECRET,
    FOREIGN,
    SECRET[:20],
    SECRET[20:],
]


@given(st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=6))
def test_many_texts_are_cleaned_as_each_by_itself(values: list[str]) -> None:
    assert [*cleaned(*values)] == [clean(value) for value in values]


def test_a_secret_is_found_whatever_is_beside_it() -> None:
    assert [*cleaned("chain", FOREIGN, SECRET)] == ["chain", "sk-removed", "sk_removed"]
