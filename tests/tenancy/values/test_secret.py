"""What is written of a client's text has no secret in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.identity import end_user_of
from ledger.row import TEXT_MAX, clean
from tenancy.values.secret import PORTAL_PREFIX, mint_secret, without_secrets

SECRET = mint_secret()


def test_a_secret_is_taken_out_wherever_it_stands() -> None:
    assert without_secrets(f"a {mint_secret(PORTAL_PREFIX)}/b{SECRET}") == "a xag_removed/bsk_removed"
    assert without_secrets(f"a {SECRET}{SECRET.upper().replace('SK_', 'sk_')}/b") == "a sk_removedsk_removed/b"


@given(st.text())
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text
    assert without_secrets(f"{text}{SECRET[:-1]}") == f"{text}{SECRET[:-1]}"


def test_a_cut_leaves_no_part_of_one() -> None:
    assert clean("a" * (TEXT_MAX - 20) + SECRET) == "a" * (TEXT_MAX - 20) + "sk_removed"
    assert end_user_of("a" * 100 + SECRET).startswith("a" * 100 + "sk_removed~")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("by sk-2Bq_x9-KdTzW0mYh3vLrQg, twice: sk-2Bq_x9-KdTzW0mYh3vLrQg", "by sk-removed, twice: sk-removed"),
        ("sk-proj-" + "Ab1_" * 30, "sk-removed"),
        ("task-list-of-a-long-running-Agent", "task-list-of-a-long-running-Agent"),
        ("sk-some-model-with-a-long-name-v2", "sk-some-model-with-a-long-name-v2"),
        ("sk-Short", "sk-Short"),
    ],
)
def test_keys_of_other_systems_are_not_written_down(text: str, written: str) -> None:
    assert without_secrets(text) == written
