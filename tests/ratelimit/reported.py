"""A report as a sidecar leaves it: its sums follow from the tenants that it names."""

from typing import Any

from ratelimit.fleet.report import GroupLoad, Report, TenantLoad


def report(sidecar: str, *tenants: TenantLoad, **fields: Any) -> Report:
    in_flight = sum(tenant.in_flight for tenant in tenants)
    queued = sum(tenant.queued for tenant in tenants)
    groups = {tenant.fairshare_group for tenant in tenants}
    known = {
        "sidecar": sidecar,
        "host": "host",
        "version": "1",
        "started_at": "2026-01-01T00:00:00Z",
        "in_flight": in_flight,
        "queued": queued,
        "max_in_flight": None,
        "bound_by": "sidecar:in_flight",
        "capacity_version": 1,
        "admitted": in_flight,
        "refused": 3,
        "refused_capacity": 1,
        "redis_available": True,
        "tenants_in_flight": len(tenants),
        "tenants": tenants,
        "groups": tuple(_group(name, tenants) for name in sorted(groups)),
    }
    return Report(**{**known, **fields})


def _group(name: str, tenants: tuple[TenantLoad, ...]) -> GroupLoad:
    mine = [tenant for tenant in tenants if tenant.fairshare_group == name]
    loads = sum(each.in_flight for each in mine), sum(each.queued for each in mine)
    return GroupLoad(
        name, *loads, None, sum(each.served for each in mine), max(each.oldest_wait_seconds for each in mine)
    )
