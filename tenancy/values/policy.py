"""A policy: what a key may do, in the compact form that authz sends to ratelimit.  Pure values; no I/O.

authz puts `dump()` into its dynamic metadata, and Envoy passes it to ratelimit as a descriptor entry: ratelimit needs
no lookup of its own, and both decide on the same version of the key.
"""

import json
from dataclasses import dataclass

from tenancy.values.limit import Limit

DEFAULT_WEIGHT = 100  # of a tenant, and of a fairshare group that is not known


class MalformedPolicy(ValueError):
    """The text is not a policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Identity and limits of one key.  `models_allowed` None: every model; `max_in_flight` (of all keys of the tenant)
    and `key_max_in_flight` None: no bound."""

    tenant_id: str
    key_id: str
    user_id: str = ""
    fairshare_group: str = "default"
    weight: int = DEFAULT_WEIGHT
    max_in_flight: int | None = None
    models_allowed: tuple[str, ...] | None = None
    limits: tuple[Limit, ...] = ()
    key_max_in_flight: int | None = None

    def dump(self) -> str:
        """Compact JSON, the same text for the same policy (ratelimit caches by it)."""
        limits = [limit.row() for limit in self.limits]
        fields = [self.tenant_id, self.key_id, self.user_id, self.fairshare_group, self.weight, self.max_in_flight]
        more = [] if self.key_max_in_flight is None else [self.key_max_in_flight]
        return json.dumps([*fields, self.models_allowed, limits, *more], separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def load(text: str) -> "Policy":
        """What `dump` wrote, in this version or another; MalformedPolicy for anything else.

        The list grows at its end (see trailing.py): what a newer version adds is ignored.  Every version writes these
        eight, and a policy that came without its limits must not be taken for one that has none.
        """
        try:
            tenant_id, key_id, user_id, group, weight, max_in_flight, models, limits, *more = json.loads(text)
            return Policy(
                tenant_id=tenant_id,
                key_id=key_id,
                user_id=user_id,
                fairshare_group=group,
                weight=weight,
                max_in_flight=max_in_flight,
                models_allowed=None if models is None else tuple(models),
                limits=tuple(map(Limit.of_row, limits)),
                key_max_in_flight=more[0] if more else None,
            )
        except (TypeError, ValueError) as error:
            raise MalformedPolicy(f"not a policy: {error}") from error
