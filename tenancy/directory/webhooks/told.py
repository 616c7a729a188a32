"""Which changes webhooks are told of, and which fields of them.  Pure.

Fields are chosen one by one: neither secrets, nor who made the change, because an organization must not learn that
about operators.
"""

from collections.abc import Mapping

from tenancy.directory.audit import Snapshot
from tenancy.directory.tenants import Status
from tenancy.directory.webhooks.webhooks import Event, EventKind

KINDS: Mapping[str, EventKind] = {
    "create_api_key": EventKind.KEY_CREATED,
    "rotate_api_key": EventKind.KEY_ROTATED,
    "disable_api_key": EventKind.KEY_DISABLED,
    "enable_api_key": EventKind.KEY_ENABLED,
    "delete_api_key": EventKind.KEY_REVOKED,
    "create_tenant": EventKind.TENANT_CREATED,
    "delete_tenant": EventKind.TENANT_DELETED,
}
STATUSES: Mapping[str, EventKind] = {
    Status.SUSPENDED: EventKind.TENANT_SUSPENDED,
    Status.ACTIVE: EventKind.TENANT_RESUMED,
}
OF_KEY = ("id", "tenant_id", "name", "key_prefix", "user_id", "disabled", "expires_at", "overlap_until")
OF_TENANT = ("id", "name", "display_name", "status", "fairshare_group")


def told(action: str, before: Snapshot | None, after: Snapshot | None) -> Event | None:
    """What a change of the audit log tells; None: nothing.  `before` and `after` are as the log has them."""
    kind = KINDS.get(action)
    if kind is None and action == "update_tenant" and before and after and before["status"] != after["status"]:
        kind = STATUSES.get(after["status"])
    value = after or before
    if kind is None or value is None:
        return None
    if kind.startswith("key."):
        return key_told(kind, value)
    return Event(kind, value["id"], {"tenant_id": value["id"], "tenant": _of(value, OF_TENANT)})


def key_told(kind: EventKind, key: Snapshot, once: str | None = None) -> Event:
    """The event for a key."""
    return Event(kind, key["tenant_id"], {"tenant_id": key["tenant_id"], "key": _of(key, OF_KEY)}, once)


def _of(value: Snapshot, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value.get(name) for name in names}
