"""A path as the model server will most likely understand it.  Pure; no I/O."""

import re
from urllib.parse import unquote

SLASHES = re.compile("/{2,}")
# What servers and the proxies between read in different ways: path parameters, backslashes, a second decoding.
UNCLEAR = re.compile(r"[\x00-\x20\x7f;\\%#?]|/\.\.?(/|$)")


def spelled(path: str) -> str | None:
    """No query, escapes decoded once, one slash, none at the end; None if servers may read it in different ways."""
    path = path.split("?", 1)[0].split("#", 1)[0]
    if "%" in path:
        path = unquote(path, errors="replace")
    path = SLASHES.sub("/", path).rstrip("/")
    return None if UNCLEAR.search(path) else path or "/"
