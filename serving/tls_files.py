"""The certificates of one side, in a directory: the files that cert-manager and Kubernetes secrets call `tls.crt` (the
chain), `tls.key`, and `ca.crt` (who issues the certificates of the other side).
"""

import os
import ssl
from pathlib import Path
from typing import NamedTuple

CHAIN, KEY, CA = "tls.crt", "tls.key", "ca.crt"
Stamp = tuple[int, int, int]


class BadCertificates(Exception):
    """The text names the directory and says what is wrong with it."""


class Files(NamedTuple):
    chain: bytes
    key: bytes
    ca: bytes


def read_files(directory: Path) -> Files:
    """BadCertificates."""
    chain, key, ca = (directory / name for name in (CHAIN, KEY, CA))
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key, password="")  # none is asked for at the terminal
        context.load_verify_locations(ca)
        return Files(chain.read_bytes(), key.read_bytes(), ca.read_bytes())
    except OSError as error:  # ssl.SSLError is one
        raise BadCertificates(f"{directory}: {CHAIN}, {KEY} and {CA} are not to be used: {error}") from None


def stamp_of(path: Path) -> Stamp | None:
    """Changes whenever the file, or its permissions, do; None if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size
