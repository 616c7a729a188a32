"""Why a request was refused before ratelimit heard of it, as authz says it to the access log.  Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from tenancy.values.seal import Seal

BETWEEN = "\x1f"


class Denied(NamedTuple):
    """`reason`: from a closed set of words; `key_prefix`: the part of the secret that may be shown; "": not known."""

    reason: str
    key_prefix: str = ""
    tenant_id: str = ""
    key_id: str = ""

    def said(self, seal: Seal) -> Mapping[str, str]:
        """The fields as dynamic metadata."""
        ids = {"key_prefix": self.key_prefix, "tenant_id": self.tenant_id, "key_id": self.key_id}
        return {"denied": self.reason, **ids, "denied_seal": seal.of(BETWEEN.join(self))}

    def fits(self, denied_seal: str, seal: Seal) -> bool:
        return seal.fits(denied_seal, BETWEEN.join(self))


DENIED_FIELDS = ("denied", "key_prefix", "tenant_id", "key_id", "denied_seal")
