"""Addresses of model servers: reading a URL, and which addresses may be one.  Pure: nothing is looked up here."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Not with a number at its end: 127.1 and 0x7f000001 are addresses to some resolvers.
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z)(?!.*(\A|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z){LABEL}(\.{LABEL})*\.?")
PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
# Where clouds answer a machine with its credentials, beside the link-local ones.
METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
# In the last 32 bits of these is an IPv4 address: NAT64, that of a network's own (RFC 8215), and SIIT.
TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")))
METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data"})


class BadEndpoint(ValueError):
    """No model server can be there.  The message says why."""


class Place(NamedTuple):
    """Where to connect, and what to put before each path."""

    host: str
    port: int
    tls: bool
    prefix: str

    @property
    def authority(self) -> str:
        """What the Host header says; without the port that the scheme implies."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address embeds, if it does; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


def parse_endpoint(url: str) -> Place:
    """Reads a URL; BadEndpoint."""
    if not url.isprintable():  # urlsplit drops line ends and tabs
        raise BadEndpoint(f"{url!r} has characters that cannot be printed")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadEndpoint(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise BadEndpoint(f"{url!r} must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise BadEndpoint("a URL with a user or password is not supported")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise BadEndpoint(f"{url!r} must have no query and no fragment")
    if not PREFIX.fullmatch(parts.path):
        raise BadEndpoint(f"the path {parts.path!r} has characters that a path prefix cannot have")
    tls, host = parts.scheme == "https", parts.hostname or ""
    # ipaddress takes a zone (fe80::1%eth0) of any characters, Envoy takes none.
    if "%" in host or not (is_ip(host) or HOSTNAME.fullmatch(host)):
        raise BadEndpoint(f"{host!r} is not a host name or IP address")
    port = (443 if tls else 80) if port is None else port
    if not 1 <= port <= 65_535:
        raise BadEndpoint(f"the port {port} must be between 1 and 65535")
    return Place(host, port, tls, parts.path.rstrip("/"))


def forbidden(host: str) -> str:
    """Why requests must not be sent to a host name or address, "" if they may: it serves the credentials of the machine
    on which Envoy runs, or nothing useful."""
    name = host.rstrip(".").lower()
    if name in METADATA_NAMES:
        return f"{host} is where a cloud keeps the credentials of a machine"
    if not is_ip(name):
        return ""
    address = meant(ipaddress.ip_address(name))
    if address in METADATA_ADDRESSES or address.is_link_local:
        return f"{host} is link-local, or where a cloud keeps the credentials of a machine"
    if address.is_unspecified or address.is_multicast:
        return f"{host} is no address of a server"
    return ""
