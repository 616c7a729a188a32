"""How Envoy speaks TLS: to an https upstream, and to sidecars on TCP, which want a certificate of it too.  Pure."""

from collections.abc import Sequence

from serving.tls_files import CA, CHAIN, KEY
from tenancy.values.endpoint import Place, is_ip
from tollkeeper.envoy.settings import Address, InvalidSetting, parse_path
from tollkeeper.envoy.template import quote

CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def to_upstream(upstream: Place, ca: str) -> list[str]:
    """Lines of a cluster."""
    return _socket([upstream.host], ca, []) if upstream.tls else []


def to_sidecars(setting: str, addresses: Sequence[Address], directory: str) -> list[str]:
    """The same; nothing without `directory`, and for Unix sockets."""
    if not directory or all(address.path for address in addresses):
        return []
    if any(address.path for address in addresses):
        raise InvalidSetting(f"{setting}: with TLS, Unix sockets and TCP addresses cannot be mixed")
    parse_path("grpc_tls_dir", directory)
    chain, key = (quote(f"{directory}/{name}") for name in (CHAIN, KEY))
    own = [
        "alpn_protocols: [h2]",
        f"tls_certificates: [{{certificate_chain: {{filename: {chain}}}, private_key: {{filename: {key}}}}}]",
    ]
    return _socket([address.host for address in addresses], f"{directory}/{CA}", own)


def _socket(hosts: Sequence[str], ca: str, own: Sequence[str]) -> list[str]:
    """The other side's certificate is one of `ca` for one of `hosts`."""
    names = [
        f"{{san_type: {'IP_ADDRESS' if is_ip(host) else 'DNS'}, matcher: {{exact: {quote(host)}}}}}" for host in hosts
    ]
    named = [host for host in hosts if not is_ip(host)]
    return [
        "transport_socket:",
        "  name: envoy.transport_sockets.tls",
        "  typed_config:",
        f'    "@type": type.googleapis.com/{CONTEXT}',
        *([f"    sni: {quote(named[0])}"] if named else []),
        "    common_tls_context:",
        *(f"      {line}" for line in own),
        "      validation_context:",
        f"        trusted_ca: {{filename: {quote(ca)}}}",
        f"        match_typed_subject_alt_names: [{', '.join(names)}]",
    ]
