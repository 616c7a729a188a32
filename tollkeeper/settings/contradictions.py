"""Settings that are each right, and cannot work together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tollkeeper.settings.types import PREFIX

if TYPE_CHECKING:
    from tollkeeper.settings.fields import Settings


LEAST_RENEWED_SECONDS = 180  # three times as long as Envoy is silent of what runs (access_log_flush_interval)


def contradictions(settings: "Settings") -> Iterator[str]:
    """Durations that cannot work together, and what is missing, a line for each."""
    if settings.grpc_listen and not settings.grpc_secret:
        yield (
            f"{PREFIX}GRPC_SECRET: not set; without it anyone who can reach {settings.grpc_listen}"
            f" ({PREFIX}GRPC_LISTEN) could charge any tenant"
        )
    if settings.admin_client_ca and not settings.admin_tls_dir:
        yield f"{PREFIX}ADMIN_CLIENT_CA: asks clients for nothing without {PREFIX}ADMIN_TLS_DIR"
    if settings.lease_seconds <= min(settings.idle_timeout_seconds, LEAST_RENEWED_SECONDS):
        yield (
            f"{PREFIX}LEASE_SECONDS: {settings.lease_seconds} must be more than the"
            f" {settings.idle_timeout_seconds:g} of {PREFIX}IDLE_TIMEOUT_SECONDS, or than {LEAST_RENEWED_SECONDS},"
            " since leases are renewed once a minute; else a request that only waits is taken for an orphan"
        )
    if 0 < settings.stale_seconds < settings.cache_seconds:
        yield (
            f"{PREFIX}STALE_SECONDS: {settings.stale_seconds:g} must be 0 or at least the {settings.cache_seconds:g} of"
            f" {PREFIX}CACHE_SECONDS, for which a key is accepted without asking anyway"
        )
