"""The keys of this deployment's seals: of its secret if it has one, and of a file that its processes share.

One Envoy may bring a sidecar what another one decided: then both need the secret.
"""

import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from tenancy.values.seal import KEY_BYTES, key_of

log = structlog.get_logger(__name__)

FILE = "seal.json"


class SealKeys(NamedTuple):
    """The first seals, all are believed.  `since`: when sealing began here, in s since 1970."""

    keys: tuple[bytes, ...]
    since: float


def seal_keys(data_dir: Path, secrets: Sequence[str]) -> SealKeys:
    """Never fails: without a file and a secret, what one process seals no other believes."""
    try:
        own, since = _shared(data_dir / FILE)
    except OSError as error:
        own, since = os.urandom(KEY_BYTES), time.time()
        if not secrets:
            log.error("the key for seals cannot be kept, set TOLLKEEPER_DATA_DIR or TOLLKEEPER_GRPC_SECRET",
                      reason=str(error))  # fmt: skip
    return SealKeys((*map(key_of, secrets), own), since)


def _shared(path: Path) -> tuple[bytes, float]:
    """Made by the first process that asks, and anew if it cannot be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        try:
            found = json.loads(text)
            key, since = bytes.fromhex(found["key"]), float(found["since"])
            if len(key) == KEY_BYTES:
                return key, since
        except (ValueError, TypeError, KeyError):
            if text:
                log.error("the key for seals cannot be read, another one is made", file=str(path))
        key, since = os.urandom(KEY_BYTES), time.time()
        file.seek(0)
        file.truncate()
        json.dump({"key": key.hex(), "since": since}, file)
        file.flush()
        os.fsync(file.fileno())
        return key, since
