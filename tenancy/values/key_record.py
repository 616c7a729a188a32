"""A key record: what a key's hash resolves to, as it is kept in Redis and in the process cache.  Pure; no I/O."""

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from tenancy.values.limit import Limit, Scope, shorthand
from tenancy.values.policy import Policy


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key, with what applies to it from its tenant and user.

    `version` counts the tenant's changes: a record never replaces one with a higher version, so that a slow load cannot
    bring back a revoked key.  Times are aware datetimes in UTC.  Limits that are None: not limited.
    """

    version: int
    key_id: str
    key_name: str
    tenant_id: str
    tenant_name: str
    fairshare_group: str
    weight: int
    disabled: bool = False
    suspended: bool = False  # whether the tenant is suspended, and so all of its keys
    expires_at: datetime | None = None
    user_id: str = ""
    max_in_flight: int | None = None
    models_allowed: tuple[str, ...] | None = None
    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    key_tokens_per_minute: int | None = None
    key_requests_per_minute: int | None = None
    user_tokens_per_minute: int | None = None
    user_requests_per_minute: int | None = None
    further_limits: tuple[Limit, ...] = ()  # of tenant, policy and group; without a subject: for each key or user
    key_max_in_flight: int | None = None

    def limits(self) -> tuple[Limit, ...]:
        """Every limit that a request with this key must fit into."""
        rows = (
            (Scope.TENANT, "", self.tokens_per_minute, self.requests_per_minute),
            (Scope.USER, self.user_id, self.user_tokens_per_minute, self.user_requests_per_minute),
            (Scope.KEY, self.key_id, self.key_tokens_per_minute, self.key_requests_per_minute),
        )
        columns = (limit for row in rows for limit in shorthand(*row))
        return (*columns, *filter(None, map(self._applied, self.further_limits)))

    def _applied(self, limit: Limit) -> Limit | None:
        """The limit as it applies to this key; None if it does not."""
        own = {Scope.KEY: self.key_id, Scope.USER: self.user_id, Scope.GROUP: self.fairshare_group}.get(limit.scope)
        if own is None or limit.subject == own != "":
            return limit
        return replace(limit, subject=own) if own and not limit.subject else None

    def policy(self) -> Policy:
        """The part of the record that ratelimit needs."""
        return Policy(
            tenant_id=self.tenant_id,
            key_id=self.key_id,
            user_id=self.user_id,
            fairshare_group=self.fairshare_group,
            weight=self.weight,
            max_in_flight=self.max_in_flight,
            models_allowed=self.models_allowed,
            limits=self.limits(),
            key_max_in_flight=self.key_max_in_flight,
        )

    def dump(self) -> str:
        """A JSON object of the fields, times in RFC 3339."""
        stored = asdict(self) | {"further_limits": [limit.row() for limit in self.further_limits]}
        return json.dumps(stored, default=datetime.isoformat, separators=(",", ":"))

    @staticmethod
    def load(text: str | bytes) -> "KeyRecord":
        """The record that `dump` wrote, in this version or another: fields that are missing take their defaults, those
        that are unknown are ignored.  ValueError, KeyError, TypeError or AttributeError for anything else."""
        stored = {name: value for name, value in json.loads(text).items() if name in FIELDS}
        models, expires_at = stored.get("models_allowed"), stored.get("expires_at")
        return KeyRecord(
            **{
                **stored,
                "models_allowed": None if models is None else tuple(models),
                "expires_at": None if expires_at is None else datetime.fromisoformat(expires_at),
                "further_limits": tuple(map(Limit.of_row, stored.get("further_limits", ()))),
            }
        )


FIELDS = frozenset(each.name for each in fields(KeyRecord))
