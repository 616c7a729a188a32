"""Secrets: minted here, shown once, stored only as a hash.  Pure; no I/O."""

import hashlib
import secrets

SECRET_PREFIX = "sk_"
SECRET_BYTES = 24  # 192 bits: beyond guessing, so a plain SHA-256 is enough and lookups stay exact
PREFIX_LENGTH = 18  # `sk_` and 15 hex digits: enough to recognize a key, no help in guessing the rest


def mint_secret() -> str:
    """A new secret: `sk_` and 48 lower-case hex digits."""
    return SECRET_PREFIX + secrets.token_hex(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """SHA-256 of the whole secret, prefix included, as 64 lower-case hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def prefix_of(secret: str) -> str:
    """The part of a secret that may be stored and shown."""
    return secret[:PREFIX_LENGTH]
