"""Signed tokens: which are believed.  Each trick is one that libraries or their users have fallen for."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from admin.access.signing import AUDIENCE, ISSUER, ROTATION_SECONDS, TOKEN_SECONDS, Signing, is_signed

SECRET, OTHER = "a secret of the configuration, one", "a secret of the configuration, two"
NOW = 1_800_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_a_token_names_its_session_until_it_expires() -> None:
    clock = Clock()
    signing = Signing([SECRET], clock)
    token = signing.sign("ses_1", "acc_1")
    assert is_signed(token)
    assert signing.session_of(token) == "ses_1"
    clock.now += TOKEN_SECONDS - 1
    assert signing.session_of(token) == "ses_1"
    clock.now += 1
    assert signing.session_of(token) is None


def test_keys_rotate_by_themselves_and_a_token_outlives_the_rotation() -> None:
    clock = Clock()
    clock.now = NOW - NOW % ROTATION_SECONDS + ROTATION_SECONDS - 1  # a second before the next day
    signing = Signing([SECRET], clock)
    before = signing.sign("ses_1", "acc_1")
    clock.now += 2
    after = signing.sign("ses_1", "acc_1")
    kids = [jwt.get_unverified_header(token)["kid"] for token in (before, after)]
    assert int(kids[1]) == int(kids[0]) + 1
    assert signing.session_of(before) == signing.session_of(after) == "ses_1"
    forged = jwt.encode(claims_of(after), b"x" * 32, "HS256", headers={"kid": kids[0]})
    assert signing.session_of(forged) is None


def test_a_replaced_secret_is_believed_while_it_is_listed() -> None:
    token = Signing([OTHER], Clock()).sign("ses_1", "acc_1")
    assert Signing([SECRET, OTHER], Clock()).session_of(token) == "ses_1"
    assert Signing([SECRET], Clock()).session_of(token) is None
    assert Signing([], Clock()).session_of(token) is None


TRICKS: dict[str, dict[str, Any]] = {
    "no algorithm": {"alg": "none"},
    "no algorithm, in capitals": {"alg": "NONE"},
    "another algorithm": {"alg": "HS512"},
    "an asymmetric algorithm": {"alg": "RS256"},
    "a key of the sender's": {"jwk": {"kty": "oct", "k": "eA"}},
    "a key from elsewhere": {"jku": "http://127.0.0.1/keys"},
    "a path as the key": {"kid": "../../../../dev/null"},
    "a statement as the key": {"kid": "1' UNION SELECT '"},
    "a number as the key": {"kid": 20833},
    "a list as the key": {"kid": ["20833"]},
    "no key": {"kid": None},
    "a day long past": {"kid": "1"},
    "a day to come": {"kid": "99999"},
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_forged_header_is_not_believed(trick: str) -> None:
    signing = Signing([SECRET], Clock())
    token = signing.sign("ses_1", "acc_1")
    header = {**jwt.get_unverified_header(token), **TRICKS[trick]}
    head, body = part(header), token.split(".")[1]
    for key in (b"", b"\0", SECRET.encode(), b"eA"):
        signature = hmac.digest(key or b"\0", f"{head}.{body}".encode(), hashlib.sha256)
        signed = base64.urlsafe_b64encode(signature).decode().rstrip("=")
        assert signing.session_of(f"{head}.{body}.{signed}") is None
    assert signing.session_of(f"{head}.{body}.") is None
    assert signing.session_of(f"{head}.{body}.{token.split('.')[2]}") is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"exp": NOW - 1},
        {"exp": "4000000000"},
        {"exp": None},
        {"sid": 7},
        {"sid": None},
        {"sub": None},
    ],
)
def test_claims_that_are_not_as_we_make_them_are_not_believed(claims: dict[str, Any]) -> None:
    """Signed with the right key: by another program that was given the secret."""
    signing = Signing([SECRET], Clock())
    token = signing.sign("ses_1", "acc_1")
    key = next(signing._keys(jwt.get_unverified_header(token)["kid"]))
    altered = {name: value for name, value in {**claims_of(token), **claims}.items() if value is not None}
    kid = {"kid": jwt.get_unverified_header(token)["kid"]}
    assert signing.session_of(jwt.encode(claims_of(token), key, "HS256", headers=kid)) == "ses_1"
    assert (altered.get("iss"), altered.get("aud")) != (ISSUER, AUDIENCE) or altered != claims_of(token)
    assert signing.session_of(_encoded(altered, key, kid)) is None


def _encoded(claims: dict[str, Any], key: bytes, kid: dict[str, str]) -> str:
    """Also of claims that the library would not sign."""
    head, body = part({"alg": "HS256", "typ": "JWT", **kid}), part(claims)
    signature = hmac.digest(key, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize("text", ["", ".", "..", "eyJ..", "eyJ.a.b", "eyJh.." + "a" * 5000, "eyJ\0.a.b", "eyJé.a.b"])
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert Signing([SECRET], Clock()).session_of(text) is None
