"""The secrets that sign webhooks, and signing, by the Standard Webhooks scheme.  Pure.

None is stored: each follows from a secret of the configuration and a random salt, so that somebody who reads the
database cannot sign.  A salt is kept with the name of the configured secret that it goes with.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence

from tenancy.directory.webhooks.webhooks import Salt

PREFIX = "whsec_"
SALT_BYTES = 16
ROOT_CHARACTERS = 16


class UnknownRoot(LookupError):
    """The configured secret that a salt belongs to is gone: the webhook needs a new one."""


class WebhookSecrets:
    """The first of the configured secrets makes new ones; existing ones may be made from any of them."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = {name_of(root): root.encode() for root in roots}
        self._newest = name_of(roots[0]) if roots else ""

    @property
    def possible(self) -> bool:
        return bool(self._roots)

    def new_salt(self) -> Salt:
        return Salt(secrets.token_hex(SALT_BYTES), self._newest)

    def shown(self, salt: Salt) -> str:
        """The secret as receivers have it; UnknownRoot."""
        return PREFIX + base64.b64encode(self._key(salt)).decode()

    def signatures(self, salts: Iterable[Salt], event_id: str, timestamp: int, body: bytes) -> str:
        """The header `webhook-signature`: a signature for each secret that can still be derived; UnknownRoot if none
        can."""
        signed = b".".join((event_id.encode(), str(timestamp).encode(), body))
        keys = [self._key(each) for each in salts if each.root in self._roots]
        if not keys:
            raise UnknownRoot
        return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)

    def _key(self, salt: Salt) -> bytes:
        if salt.root not in self._roots:
            raise UnknownRoot(salt.root)
        return hmac.digest(self._roots[salt.root], b"tollkeeper webhook " + salt.salt.encode(), "sha256")


def name_of(root: str) -> str:
    """An identifier of a configured secret that reveals nothing of it."""
    return hashlib.sha256(b"tollkeeper webhook root " + root.encode()).hexdigest()[:ROOT_CHARACTERS]
