"""Finding the client's secret in the request headers.  Pure; looks nothing up and keeps nothing.

Envoy joins repeated headers with commas, so every value is a list.  A secret is 1 to 512 visible ASCII characters other
than the comma: anything else is refused here, before it can cost a hash or a lookup.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

# As Envoy names them: lower case.
AUTHORIZATION = "authorization"
CREDENTIAL_HEADERS = (AUTHORIZATION, "x-api-key", "api-key")  # the default; a deployment may choose others

# ASCII, because otherwise ignoring case would take the Kelvin sign for a K.  Only the scheme is matched so: a character
# class that ignores case is ten times slower.
_AUTHORIZATION = re.compile(r"(?i:bearer|apikey) +([!-+\--~]{1,512})", re.ASCII)
_SECRET = re.compile(r"([!-+\--~]{1,512})")
# A header longer than a few copies of the longest secret is not worth splitting.
_HEADER_MAX_CHARACTERS = 4096


class NoCredential(Enum):
    """Why a request carries no secret to look up."""

    MISSING = "missing"
    MALFORMED = "malformed"
    SEVERAL = "several"


def find_secret(headers: Mapping[str, str], names: Sequence[str] = CREDENTIAL_HEADERS) -> str | NoCredential:
    """The one secret that the headers `names` carry.  The same secret sent twice counts once; an empty header counts as
    none."""
    secrets: set[str] = set()
    for header in names:
        value = headers.get(header, "").strip(" \t")
        if not value:
            continue
        if len(value) > _HEADER_MAX_CHARACTERS:
            return NoCredential.MALFORMED
        pattern = _AUTHORIZATION if header == AUTHORIZATION else _SECRET
        for part in value.split(","):
            match = pattern.fullmatch(part.strip(" \t"))
            if match is None:
                return NoCredential.MALFORMED
            secrets.add(match[1])
    if not secrets:
        return NoCredential.MISSING
    return secrets.pop() if len(secrets) == 1 else NoCredential.SEVERAL
