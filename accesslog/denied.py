"""What an access log entry says about a request that was refused without a decision.  Pure.

Authz gives the reason in metadata, with a seal; otherwise Envoy's own response code details are the reason.  Reasons
are for operators to read; nothing is decided by them.
"""

from collections.abc import Mapping

from accesslog.answer import text
from tenancy.values.denied import Denied
from tenancy.values.seal import Seal

GUARD_NAMESPACE = "tollkeeper.guard"
EARLY = frozenset({"overload", "upgrade_failed"})  # refused by Envoy before any filter of ours has seen the request
LEAST_STATUS = 400


def is_denied(status: int, details: str, *, guarded: bool) -> bool:
    """Whether a request without a decision should be explained: it was refused, and after our filters had seen it."""
    return status >= LEAST_STATUS and (guarded or details in EARLY)


def denied_of(said: Mapping[str, object], details: str, seal: Seal, *, begun: bool) -> Denied:
    """`said`: what authz's metadata has of DENIED_FIELDS.  `begun`: authz let the request go on, which is believed."""
    get = said.get
    ids = text(get("tenant_id")), text(get("key_id"))
    if begun:
        return Denied(details, "", *ids)
    found = Denied(text(get("denied")), text(get("key_prefix")), *ids)
    return found if found.reason and found.fits(text(get("denied_seal")), seal) else Denied(details)
