"""Secrets: minted here, shown once, stored only as a hash.  Pure; no I/O."""

import hashlib
import re
import secrets
from typing import NamedTuple

SECRET_PREFIX = "sk_"
PORTAL_PREFIX = "xag_"  # of keys made through the portal
SECRET_BYTES = 24  # 192 bits: beyond guessing, so a plain SHA-256 is enough and lookups stay exact
PREFIX_LENGTH = 18  # `sk_` and 15 hex digits, `xag_` and 14: enough to recognize a key, no help in guessing the rest


_SECRET = re.compile(rf"({SECRET_PREFIX}|{PORTAL_PREFIX})[0-9a-fA-F]{{{2 * SECRET_BYTES}}}")
# Those of OpenAI's form, which LiteLLM gives out too.  A capital: else names of models may look so.
_FOREIGN = re.compile(r"(?<![A-Za-z0-9])sk-(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{20,}")
_SHOWN = re.compile(rf"(?:{SECRET_PREFIX}|{PORTAL_PREFIX})[0-9a-f]{{14}}")


def mint_secret(prefix: str = SECRET_PREFIX) -> str:
    """A new secret: `sk_` (or another prefix) and 48 lower-case hex digits."""
    return prefix + secrets.token_hex(SECRET_BYTES)


def form_of(key_prefix: str) -> str:
    """The prefix of secrets like this one."""
    return PORTAL_PREFIX if key_prefix.startswith(PORTAL_PREFIX) else SECRET_PREFIX


def hash_secret(secret: str) -> str:
    """SHA-256 of the whole secret, prefix included, as 64 lower-case hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def prefix_of(secret: str) -> str:
    """The part of a secret that may be stored and shown."""
    return secret[:PREFIX_LENGTH]


class HashedSecret(NamedTuple):
    """What is stored of a secret.  `prefix`: what people recognize it by."""

    key_hash: str
    prefix: str

    @staticmethod
    def of(secret: str) -> "HashedSecret":
        return HashedSecret(hash_secret(secret), prefix_of(secret))


def shown_prefix(sent: str) -> str:
    """`prefix_of` what a client sent, "" unless it looks like one of our secrets: otherwise it may be somebody's
    password."""
    return prefix_of(sent) if len(sent) >= 2 * PREFIX_LENGTH and _SHOWN.match(sent) else ""


def without_secrets(text: str) -> str:
    """What a client wrote, without the secrets in it, so that it may be stored.  (Envoy's guard takes them out.)"""
    if SECRET_PREFIX in text or PORTAL_PREFIX in text:
        text = _SECRET.sub(r"\1removed", text)
    return _FOREIGN.sub("sk-removed", text) if "sk-" in text else text
