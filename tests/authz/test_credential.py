"""Where a secret may stand, and what is refused before it costs a lookup."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authz.credential import NoCredential, find_secret

MISSING, MALFORMED, SEVERAL = NoCredential.MISSING, NoCredential.MALFORMED, NoCredential.SEVERAL
KEY = "sk_" + "0a" * 24


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": f"Bearer {KEY}"}, KEY),
        ({"authorization": f"bearer {KEY}"}, KEY),
        ({"authorization": f"BEARER   {KEY}"}, KEY),
        ({"authorization": f"APIKEY {KEY}"}, KEY),
        ({"authorization": f"ApiKey {KEY} "}, KEY),
        ({"x-api-key": KEY}, KEY),
        ({"api-key": f"\t{KEY} "}, KEY),
        # the same one more than once
        ({"authorization": f"Bearer {KEY}", "x-api-key": KEY, "api-key": KEY}, KEY),
        ({"authorization": f"Bearer {KEY},Bearer {KEY}"}, KEY),
        ({"authorization": f"Bearer {KEY}, APIKEY {KEY}"}, KEY),
        ({"x-api-key": f"{KEY},{KEY}"}, KEY),
        # a header left empty is no credential
        ({}, MISSING),
        ({"authorization": ""}, MISSING),
        ({"authorization": "  ", "x-api-key": "", "api-key": "\t"}, MISSING),
        ({"authorization": "", "x-api-key": KEY}, KEY),
        ({"x-user-id": KEY, "cookie": KEY, "proxy-authorization": f"Bearer {KEY}"}, MISSING),
        # several
        ({"authorization": f"Bearer {KEY}", "x-api-key": "other"}, SEVERAL),
        ({"authorization": f"Bearer {KEY},Bearer other"}, SEVERAL),
        ({"x-api-key": "a,b"}, SEVERAL),
        ({"x-api-key": KEY, "api-key": KEY.upper()}, SEVERAL),
        # malformed
        ({"authorization": KEY}, MALFORMED),
        ({"authorization": "Bearer"}, MALFORMED),
        ({"authorization": "Bearer "}, MALFORMED),
        ({"authorization": f"Basic {KEY}"}, MALFORMED),
        ({"authorization": f"Basic {KEY}", "x-api-key": KEY}, MALFORMED),
        ({"authorization": f"Bearer\t{KEY}"}, MALFORMED),
        ({"authorization": f"Bearer {KEY} extra"}, MALFORMED),
        ({"authorization": f"Bearer {KEY},{KEY}"}, MALFORMED),
        ({"authorization": f"Bearer {KEY},"}, MALFORMED),
        ({"authorization": f"Bearer{KEY}"}, MALFORMED),
        ({"authorization": f"API\N{KELVIN SIGN}EY {KEY}"}, MALFORMED),
        ({"x-api-key": f"Bearer {KEY}"}, MALFORMED),
        ({"x-api-key": "with space"}, MALFORMED),
        ({"x-api-key": "nul\0"}, MALFORMED),
        ({"x-api-key": "del\x7f"}, MALFORMED),
        ({"x-api-key": "line\nbreak"}, MALFORMED),
        ({"x-api-key": "trailing\n"}, MALFORMED),
        ({"x-api-key": "schlüssel"}, MALFORMED),
        ({"x-api-key": "\N{FULLWIDTH DIGIT ONE}"}, MALFORMED),
        ({"x-api-key": ","}, MALFORMED),
        ({"x-api-key": "k" * 512}, "k" * 512),
        ({"x-api-key": "k" * 513}, MALFORMED),
        ({"x-api-key": "k" * 16384}, MALFORMED),
        ({"authorization": "Bearer " + ",".join(["Bearer k"] * 2000)}, MALFORMED),
        ({"authorization": f"Bearer {KEY}", "x-api-key": "two words"}, MALFORMED),
    ],
)
def test_headers_carry(headers: dict[str, str], expected: str | NoCredential) -> None:
    assert find_secret(headers) == expected


VISIBLE = [c for c in string.printable if not c.isspace() and c != ","]
secrets = st.text(st.sampled_from(VISIBLE), min_size=1, max_size=512)
schemes = st.sampled_from(["Bearer", "APIKEY"]).flatmap(
    lambda word: st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in word)).map("".join)
)


@given(secrets, schemes, st.integers(1, 5))
def test_any_visible_secret_is_found_in_any_place(secret: str, scheme: str, spaces: int) -> None:
    assert find_secret({"authorization": f"{scheme}{' ' * spaces}{secret}"}) == secret
    assert find_secret({"x-api-key": secret}) == secret
    assert find_secret({"api-key": f" {secret}\t"}) == secret


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key", "api-key"]), st.text(max_size=600)))
@example({"authorization": "bearer " + "é"})
def test_whatever_is_sent_a_secret_is_clean_or_there_is_none(headers: dict[str, str]) -> None:
    secret = find_secret(headers)
    if isinstance(secret, NoCredential):
        return
    assert 1 <= len(secret) <= 512
    assert set(secret) <= set(VISIBLE)
    assert all(secret in value for value in headers.values() if value.strip(" \t"))


@given(secrets, secrets)
def test_two_secrets_are_never_one_of_them(one: str, other: str) -> None:
    expected = one if one == other else NoCredential.SEVERAL
    assert find_secret({"authorization": f"Bearer {one}", "x-api-key": other}) == expected
    assert find_secret({"x-api-key": f"{one},{other}"}) == expected
