"""Seals: proof, when a log brings back what was passed through Envoy, that a process of this deployment said it.

A seal is a keyed BLAKE2b of what was said.  It hides nothing, and does not identify its bearer.
"""

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

SEAL_BYTES = 16
KEY_BYTES = 32
# The kinds of statements.  A seal of one kind is not valid for another.
LEASE, DECISION, RESPONSE, DENIAL = b"lease", b"decision", b"response", b"denial"


def key_of(secret: str) -> bytes:
    """The key that all processes with this secret share."""
    return blake2b(secret.encode(), digest_size=KEY_BYTES, person=b"tollkeeper.seal").digest()


class Seal:
    """Seals of one kind.  The first key seals; all keys verify, so that one can be replaced.  Thread-safe."""

    def __init__(self, keys: Sequence[bytes], kind: bytes) -> None:
        self._hashes = [blake2b(key=key, digest_size=SEAL_BYTES, person=kind) for key in keys]

    def of(self, said: str) -> str:
        found = self._hashes[0].copy()  # the key is already hashed, which is half of the work
        found.update(said.encode(errors="replace"))
        return found.hexdigest()

    def fits(self, seal: str, said: str) -> bool:
        text = said.encode(errors="replace")
        for each in self._hashes if seal.isascii() else ():
            found = each.copy()
            found.update(text)
            if compare_digest(found.hexdigest(), seal):
                return True
        return False
