"""Who may call over TCP: callers that carry a secret in their metadata.  Access to a Unix socket is decided by the
mode of its file.
"""

import time
from collections.abc import Container, Iterable, Sequence
from hmac import compare_digest

import structlog

log = structlog.get_logger(__name__)

SECRET_KEY = "x-tollkeeper-secret"
REFUSAL = f"the metadata lacks the secret ({SECRET_KEY})"
_UNIX = "unix:"
_QUIET_SECONDS = 60.0  # between two lines of the log


class Guard:
    """Any of `secrets` is accepted, so that one can be replaced.  `exempt`: paths of methods that anybody may call.
    Thread-safe."""

    def __init__(self, secrets: Sequence[str], exempt: Container[str] = ()) -> None:
        if not all(secrets):
            raise ValueError("an empty secret would be no secret")
        self._secrets, self._exempt = [secret.encode() for secret in secrets], exempt
        self._quiet_until = 0.0

    def admits(self, path: str, peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """`peer` in gRPC's words: `unix:`, or `ipv4:` and so on."""
        if peer.startswith(_UNIX) or path in self._exempt:
            return True
        given = [value.encode() if isinstance(value, str) else value for key, value in metadata if key == SECRET_KEY]
        if len(given) == 1 and any(compare_digest(given[0], secret) for secret in self._secrets):
            return True
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            log.warning("a call over TCP without the secret is refused", peer=peer, method=path)
        return False
