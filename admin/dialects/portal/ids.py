"""The ids that the portal mints.  They cannot be chosen."""

import base64
import re
import secrets
import unicodedata

PREFIX = "xs"
SLUG_MAX = 24
NO_SLUG = "tenant"  # of a name without a letter or digit of ASCII
RANDOM_BYTES = 5  # eight digits of base32


def tenant_id(display_name: str) -> str:
    """`xs_<slug>_<8 digits of base32>`, in lower case; the slug is the first word of the name."""
    random = base64.b32encode(secrets.token_bytes(RANDOM_BYTES)).decode().lower()
    return f"{PREFIX}_{slug_of(display_name)}_{random}"


def slug_of(display_name: str) -> str:
    plain = unicodedata.normalize("NFKD", display_name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return words[0][:SLUG_MAX] if words else NO_SLUG


def key_id() -> str:
    return f"key_{secrets.token_hex(8)}"
