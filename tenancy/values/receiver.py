"""Where webhooks may be sent: reading a URL, and which addresses may be behind it.  Pure: nothing is looked up here."""

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address as IPv4
from ipaddress import IPv6Address as IPv6

from tenancy.values.endpoint import BadEndpoint, forbidden, is_ip, parse_endpoint

LOCAL_NAMES = ("localhost", "localhost.localdomain")
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address is in its last 32 bits


@dataclass(frozen=True, slots=True)
class Reach:
    """How far webhooks reach.  `private`: into networks that are not the Internet; `loopback`: to this machine;
    `link_local`: to where clouds keep the credentials of a machine."""

    private: bool = False
    loopback: bool = False
    link_local: bool = False

    def wrong_with(self, host: str) -> str:
        """Why nothing is sent to a host name or an address, "" if it is.  A name is asked about again by the addresses
        that it has when something is sent."""
        name = host.rstrip(".").lower()
        if not is_ip(name):
            local = name in LOCAL_NAMES or name.endswith(".localhost")
            if local and not self.loopback:
                return f"{host} is this machine"
            return "" if self.link_local else forbidden(name)
        address = _meant(ipaddress.ip_address(name))
        if address.is_unspecified or address.is_multicast:
            return f"{host} is no address of a server"
        if not self.link_local and (wrong := forbidden(str(address))):
            return wrong
        if address.is_loopback:
            return "" if self.loopback else f"{host} is this machine"
        if not (address.is_global or address.is_link_local or self.private):
            return f"{host} is not on the Internet"
        return ""


def wrong_with_url(url: str, reach: Reach) -> str:
    """What is wrong with the URL of a webhook, "" if nothing is."""
    if not url.isascii():
        return "must be ASCII; write other characters as %XX, and names of hosts in Punycode"
    try:
        place = parse_endpoint(url.partition("?")[0])
    except BadEndpoint as error:
        return str(error)
    return reach.wrong_with(place.host)


def _meant(address: IPv4 | IPv6) -> IPv4 | IPv6:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4):
        return address
    if address in NAT64:
        return IPv4(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
