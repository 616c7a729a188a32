"""What Envoy's configuration says of the sidecars that it asks: where they are, and how another is asked."""

from collections.abc import Sequence

from tollkeeper.envoy import tls
from tollkeeper.envoy.said_secret import metadata_of
from tollkeeper.envoy.settings import Address, EnvoySettings, parse_secret
from tollkeeper.envoy.template import quote


def several(addresses: Sequence[Address]) -> bool:
    """Whether there may be more than one: of those, one that hangs is to leave time to ask another."""
    return len(addresses) > 1 or addresses[0].is_name


def blocks_of(
    service: str, addresses: Sequence[Address], settings: EnvoySettings, config_dir: str
) -> dict[str, list[str]]:
    return {
        f"{service}.tls": tls.to_sidecars(service, addresses, settings.grpc_tls_dir, config_dir),
        f"{service}.secret": metadata_of(parse_secret(service, addresses, settings.grpc_secret)),
        f"{service}.other_host": _other_host(addresses),
        f"{service}.endpoints": [_endpoint(address) for address in addresses],
    }


def discovery(addresses: Sequence[Address]) -> str:
    return "STRICT_DNS" if any(address.is_name for address in addresses) else "STATIC"


def _other_host(addresses: Sequence[Address]) -> list[str]:
    """A second try goes elsewhere, if there is an elsewhere: to keep account of it is a thirtieth of Envoy's work."""
    if not several(addresses):
        return []
    kind = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return [
        "retry_host_predicate:",
        "- name: envoy.retry_host_predicates.previous_hosts",
        f'  typed_config: {{"@type": {kind}}}',
        "host_selection_retry_max_attempts: 3",
    ]


def _endpoint(address: Address) -> str:
    if address.path:
        return f"- endpoint: {{address: {{pipe: {{path: {quote(address.path)}}}}}}}"
    return (
        f"- endpoint: {{address: {{socket_address: {{address: {quote(address.host)}, port_value: {address.port}}}}}}}"
    )
