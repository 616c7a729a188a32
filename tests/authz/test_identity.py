"""Labels from clients are made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.credential import CREDENTIAL_HEADERS
from authz.identity import end_user_of, headers_to_remove, headers_to_set
from tests.tenancy.people import a_record


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        ("", ""),
        ("  ", ""),
        ("user-1", "user-1"),
        ("Ann Smith <ann@example.com>", "Ann Smith <ann@example.com>"),
        ("a,b", "a,b"),
        ("zo%C3%AB", "zo%C3%AB"),
        ("x" * 128, "x" * 128),
        ("a ~ b~0123456789abcde", "a ~ b~0123456789abcde"),
    ],
)
def test_an_end_user_label(sent: str, label: str) -> None:
    assert end_user_of(sent) == label


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("zoë", "zo?~"),
        ("a\r\nx-tenant-id: evil", "a??x-tenant-id: evil~"),
        ("nul\0", "nul?~"),
        ("x" * 500, "x" * 111 + "~"),
        ("-", "-~"),
        ("zo?~0123456789abcdef", "zo?~0123456789abcdef~"),
    ],
)
def test_what_cannot_be_a_label_as_it_stands_has_a_mark_of_its_own(sent: str, shown: str) -> None:
    label, other = end_user_of(sent), end_user_of(sent + "é")
    assert label[:-16] == shown
    assert label != other
    assert end_user_of(label) != label


@given(st.text(), st.text())
def test_two_users_are_two(one: str, other: str) -> None:
    assert (end_user_of(one) == end_user_of(other)) is (one.strip() == other.strip())


@given(st.text())
def test_a_label_is_always_visible_ascii_and_bounded(sent: str) -> None:
    label = end_user_of(sent)
    assert len(label) <= 128
    assert all(" " <= c <= "~" for c in label)


@pytest.mark.parametrize("user_id", ["", "ann"])
def test_no_header_is_both_set_and_removed(user_id: str) -> None:
    record = a_record(user_id=user_id)
    chosen, removed = headers_to_set(record), headers_to_remove(record)
    assert not set(chosen) & set(removed)
    identity = ["x-fairshare-group", "x-key-id", "x-tenant-id", "x-user-id"]
    assert sorted({*chosen, *removed}) == sorted([*identity, *CREDENTIAL_HEADERS, "x-admission", "x-queue-ms"])


def test_a_scheduler_behind_us_is_told_who_asks_if_it_is_wanted() -> None:
    handed = headers_to_set(a_record(tenant_id="acme", fairshare_group="paid"), hand_off=True)
    assert handed["x-gateway-inference-fairness-id"] == "acme"
    assert handed["x-gateway-inference-objective"] == "paid"
    assert not any("inference" in name for name in headers_to_set(a_record()))


def test_a_group_name_that_no_header_can_carry_is_encoded() -> None:
    assert headers_to_set(a_record(fairshare_group="größe\n"))["x-fairshare-group"] == "gr%C3%B6%C3%9Fe%0A"
