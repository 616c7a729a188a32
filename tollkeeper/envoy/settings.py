"""What can differ between two Envoys with Tollkeeper, checked.  Pure: no file is read here.

Every value ends up in YAML, so each is held to the characters that its kind can have; the rest is refused with a
message that names the setting.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenancy.values.endpoint import HOSTNAME, BadEndpoint, Place, is_ip, parse_endpoint
from tollkeeper.plan import all_numbered
from tollkeeper.settings.types import KEY_HEADER

CONFIG_DIR = Path("/etc/tollkeeper/envoy")
SECRET = re.compile(r"[A-Za-z0-9._~+/=-]{32,256}")
ORIGIN = re.compile(r"\*|https?://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
FILE_PATH = re.compile(r"/[^\x00-\x1f\x7f]*")
NO_UPSTREAM = "none"
BEYOND_QUEUE_SECONDS = 5.0  # for all that ratelimit does beside holding a request in its queue
UNIX_PATH_BYTES = 107  # sun_path of Linux, less its final zero


class InvalidSetting(ValueError):
    """A setting that Envoy could not use. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address or, with `path`, a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_name(self) -> bool:
        """Whether `host` has to be looked up."""
        return not self.path and not is_ip(self.host)


@dataclass(frozen=True, slots=True)
class EnvoySettings:
    """All that `tollkeeper envoy render` can change. The defaults give the committed files."""

    upstream: str = "http://localhost:8000"
    """URL of the model endpoint: http or https, host, port, and a path that is put before the client's.
    NO_UPSTREAM: there is none, and what has no endpoint of its own gets 404."""
    listen: str = "0.0.0.0:10000"
    admin: str | None = None
    """Envoy's own admin address; None leaves it closed."""
    authz: tuple[str, ...] = ("unix:/run/tollkeeper/authz.sock",)
    """Several are balanced: each is one process. `unix:/path` or `host:port`."""
    ratelimit: tuple[str, ...] = ("unix:/run/tollkeeper/ratelimit.sock",)
    """Also takes the access log."""
    grpc_secret: str = ""
    """What is said to sidecars on TCP; needed if there is one."""
    grpc_tls_dir: str = ""
    """Where Envoy finds `tls.crt`, `tls.key` and `ca.crt`, to speak TLS with sidecars on TCP."""
    key_headers: tuple[str, ...] = ("authorization", "x-api-key", "api-key")
    """Those that carry a key, in small letters; TOLLKEEPER_KEY_HEADERS of the sidecar."""
    access_log: str = "/var/log/tollkeeper/access.jsonl"
    config_dir: str = str(CONFIG_DIR)
    """Where Envoy finds the files, which need not be where they are written."""
    include_usage: bool = True
    """Ask streaming completions for their usage when the client did not."""
    idle_timeout_seconds: float = 600.0
    """Before the first byte of an answer, and between two of them; an answer that flows is never cut."""
    cors_origins: tuple[str, ...] = ()
    """Web pages that may call the models: origins such as https://chat.example.com, or `*`."""
    authz_timeout_seconds: float = 2.0
    ratelimit_timeout_seconds: float = 35.0
    """Longer than ratelimit may hold a request in its queue, by BEYOND_QUEUE_SECONDS."""
    max_heap_mb: int = 1024
    """Of memory, beyond which Envoy sheds load: at 80% it begins to end the streams that hold most."""
    model_clusters: str | None = None
    """File of the clusters of models, which the sidecar writes; None: all requests go to the upstream."""
    upstream_ca: str = "/etc/ssl/certs/ca-certificates.crt"
    """Certificates that an https upstream is checked against."""


def parse_upstream(url: str) -> Place:
    """The default upstream, for what has no endpoint of its own."""
    try:
        return parse_endpoint(url)
    except BadEndpoint as error:
        raise InvalidSetting(f"upstream: {error}") from None


def parse_address(setting: str, text: str) -> Address:
    """`host:port`, `[v6]:port` or `unix:/path`."""
    if text.startswith("unix:"):
        path = parse_path(setting, text.removeprefix("unix:"))
        if len(path.encode()) > UNIX_PATH_BYTES:
            raise InvalidSetting(f"{setting}: the socket path {path!r} is longer than {UNIX_PATH_BYTES} bytes")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise InvalidSetting(f"{setting}: {text!r} must be host:port or unix:/path")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidSetting(f"{setting}: {text!r} must have its IPv6 address in brackets")
    return Address(_host(setting, host), _port(setting, int(port)))


def parse_socket(setting: str, text: str) -> Address:
    """An address that Envoy itself binds: an IP address and a port."""
    address = parse_address(setting, text)
    if address.path or address.is_name:
        raise InvalidSetting(f"{setting}: {text!r} must be an IP address and a port")
    return address


def parse_endpoints(setting: str, texts: tuple[str, ...]) -> tuple[Address, ...]:
    if not texts:
        raise InvalidSetting(f"{setting}: at least one address is needed")
    addresses = tuple(parse_address(setting, text) for text in texts)
    if any(address.is_name for address in addresses) and any(address.path for address in addresses):
        raise InvalidSetting(f"{setting}: host names and Unix sockets cannot be mixed")
    return addresses


def parse_secret(setting: str, addresses: Sequence[Address], secret: str) -> str:
    """What is to be said at `addresses`; "" if all are Unix sockets."""
    if all(address.path for address in addresses):
        return ""
    if not SECRET.fullmatch(secret):
        raise InvalidSetting(f"{setting}: a sidecar on TCP asks for a secret: set TOLLKEEPER_GRPC_SECRET to its")
    return secret


def of_each_process(setting: str, texts: Sequence[str], workers: int) -> tuple[str, ...]:
    """The sockets of a sidecar's `workers` processes of one kind, given that of the first."""
    if workers == 1:
        return tuple(texts)
    paths = [parse_address(setting, text).path for text in texts]
    if not all(paths):
        raise InvalidSetting(f"{setting}: only Unix sockets are numbered; name the address of each process instead")
    return tuple(f"unix:{each}" for path in paths for each in all_numbered(Path(path), workers))


def parse_path(setting: str, text: str) -> str:
    if not FILE_PATH.fullmatch(text):
        raise InvalidSetting(f"{setting}: {text!r} must be an absolute path")
    return text


def parse_origins(setting: str, origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise InvalidSetting(f"{setting}: {origin!r} must be an origin such as https://chat.example.com, or *")
    return origins


def parse_key_headers(setting: str, names: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [name for name in names if not KEY_HEADER.fullmatch(name)]
    if wrong or not names:
        raise InvalidSetting(f"{setting}: {wrong} cannot carry a key")
    return names


def parse_seconds(setting: str, seconds: float) -> str:
    """A duration as Envoy writes it."""
    if not 0.001 <= seconds <= 86_400:
        raise InvalidSetting(f"{setting}: {seconds} must be between 0.001 and 86400 seconds")
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def parse_mebibytes(setting: str, number: int) -> str:
    """Bytes."""
    if not 64 <= number <= 1_048_576:
        raise InvalidSetting(f"{setting}: {number} must be between 64 and 1048576 MiB")
    return str(number * 1_048_576)


def _host(setting: str, host: str) -> str:
    # ipaddress takes a zone (fe80::1%eth0) of any characters, Envoy takes none.
    if "%" in host or not (is_ip(host) or HOSTNAME.fullmatch(host)):
        raise InvalidSetting(f"{setting}: {host!r} is not a host name or IP address")
    return host


def _port(setting: str, port: int) -> int:
    if not 1 <= port <= 65_535:
        raise InvalidSetting(f"{setting}: the port {port} must be between 1 and 65535")
    return port
