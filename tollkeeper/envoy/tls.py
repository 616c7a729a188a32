"""How Envoy speaks TLS: to an https upstream, and to sidecars on TCP, which want a certificate of it too.  Pure.

What it shows and trusts there are secrets in files of their own: Envoy reads the certificates again when something is
moved into their directory, so they are renewed without a restart.
"""

from collections.abc import Sequence

from serving.tls_files import CA, CHAIN, KEY
from tenancy.values.endpoint import Place, is_ip
from tollkeeper.envoy.settings import Address, InvalidSetting, parse_path
from tollkeeper.envoy.template import quote

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
FILES = {"tollkeeper_certificate": "secrets/certificate.yaml", "tollkeeper_ca": "secrets/ca.yaml"}


def to_upstream(upstream: Place, ca: str) -> list[str]:
    """Lines of a cluster."""
    if not upstream.tls:
        return []
    names = _names([upstream.host])
    return _socket([upstream.host], ["validation_context:", f"  trusted_ca: {{filename: {quote(ca)}}}", f"  {names}"])


def to_sidecars(setting: str, addresses: Sequence[Address], directory: str, config_dir: str) -> list[str]:
    """The same, with what `secrets` makes in `config_dir`; nothing without `directory`, and for Unix sockets."""
    if not directory or all(address.path for address in addresses):
        return []
    if any(address.path for address in addresses):
        raise InvalidSetting(f"{setting}: with TLS, Unix sockets and TCP addresses cannot be mixed")
    parse_path("grpc_tls_dir", directory)
    own, trusted = (f"{{name: {name}, {_source(f'{config_dir}/{file}')}}}" for name, file in FILES.items())
    hosts = [address.host for address in addresses]
    return _socket(
        hosts,
        [
            "alpn_protocols: [h2]",
            f"tls_certificate_sds_secret_configs: [{own}]",
            "combined_validation_context:",
            f"  default_validation_context: {{{_names(hosts)}}}",
            f"  validation_context_sds_secret_config: {trusted}",
        ],
    )


def secrets(directory: str) -> dict[str, str]:
    """File name → text, for sidecars over TLS whose certificates are in `directory`.  Envoy takes one secret a file."""
    chain, key, ca = (f"{{filename: {quote(f'{directory}/{name}')}}}" for name in (CHAIN, KEY, CA))
    own = ["tls_certificate:", f"  certificate_chain: {chain}", f"  private_key: {key}"]
    trusted = ["validation_context:", f"  trusted_ca: {ca}"]
    found = {}
    for (name, file), lines in zip(FILES.items(), (own, trusted), strict=True):
        watched = f"  watched_directory: {{path: {quote(directory)}}}"
        secret = [f'- "@type": {TYPE}.Secret', f"  name: {name}", *(f"  {line}" for line in (*lines, watched))]
        found[file] = "\n".join(["resources:", *secret, ""])
    return found


def _source(path: str) -> str:
    return f"sds_config: {{path_config_source: {{path: {quote(path)}}}, resource_api_version: V3}}"


def _names(hosts: Sequence[str]) -> str:
    """For which the other side's certificate must be: one of `hosts`."""
    names = [
        f"{{san_type: {'IP_ADDRESS' if is_ip(host) else 'DNS'}, matcher: {{exact: {quote(host)}}}}}" for host in hosts
    ]
    return f"match_typed_subject_alt_names: [{', '.join(names)}]"


def _socket(hosts: Sequence[str], context: Sequence[str]) -> list[str]:
    named = [host for host in hosts if not is_ip(host)]
    return [
        "transport_socket:",
        "  name: envoy.transport_sockets.tls",
        "  typed_config:",
        f'    "@type": {TYPE}.UpstreamTlsContext',
        *([f"    sni: {quote(named[0])}"] if named else []),
        "    common_tls_context:",
        *(f"      {line}" for line in context),
    ]
