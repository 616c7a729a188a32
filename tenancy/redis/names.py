"""The names of everything that Tollkeeper keeps in Redis; no other file spells one.  Pure.

The braces are Redis Cluster's hash tag: all live state of one tenant lies in one slot, so one script may touch it.
"""

PREFIX = "tollkeeper"
INVALIDATE_CHANNEL = f"{PREFIX}:invalidate"
MODELS_KEY = f"{PREFIX}:models"
# What sidecars report and share among themselves lies in one cluster slot.
_SIDECARS = "{sidecars}"
CAPACITY_KEY = f"{PREFIX}:capacity:{_SIDECARS}"  # string: the Capacity as JSON
SIDECARS_KEY = f"{PREFIX}:sidecars:{_SIDECARS}"  # sorted set: sidecar id by its last report, ms
SHARES_KEY = f"{PREFIX}:shares:{_SIDECARS}"  # hash: sidecar id to its share of the capacity


def redis_key_record(key_hash: str) -> str:
    """String: the KeyRecord as JSON, or a tombstone."""
    return f"{PREFIX}:key:{key_hash}"


def redis_key_sidecar(sidecar_id: str) -> str:
    """String: the last report of one sidecar, as JSON."""
    return f"{PREFIX}:sidecar:{_SIDECARS}:{sidecar_id}"


def redis_key_budget(tenant_id: str, limit_name: str) -> str:
    """Hash: the live state of one limit."""
    return f"{PREFIX}:budget:{{{tenant_id}}}:{limit_name}"


def redis_key_group_budget(group: str, limit_name: str) -> str:
    """Hash: the live state of one limit of a fairshare group, in a slot of its own (no tenant's id has a colon)."""
    return f"{PREFIX}:budget:{{group:{group}}}:{limit_name}"


def redis_key_lease(tenant_id: str, lease_id: str) -> str:
    """String: one admitted request in flight, as JSON."""
    return f"{PREFIX}:lease:{{{tenant_id}}}:{lease_id}"


def redis_key_leases(tenant_id: str) -> str:
    """Sorted set: lease id by its deadline in ms."""
    return f"{PREFIX}:leases:{{{tenant_id}}}"


def redis_key_changed(owner: str, once: str) -> str:
    """String: marks an operator's change to budgets of a tenant or `group:<name>`, so that it is made once."""
    return f"{PREFIX}:changed:{{{owner}}}:{once}"


def redis_key_settled(tenant_id: str, lease_id: str) -> str:
    """String: marks a charge made without a lease, so that it is made once."""
    return f"{PREFIX}:settled:{{{tenant_id}}}:{lease_id}"
