"""Where webhooks may be sent: reading a URL, and which addresses may be behind it.  Pure: nothing is looked up here."""

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from tenancy.values.endpoint import BadEndpoint, forbidden, is_ip, meant, parse_endpoint

LOCAL_NAMES = ("localhost", "localhost.localdomain")
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far webhooks reach.  `private`: into networks that are not the Internet; `loopback`: to this machine;
    `link_local`: to where clouds keep the credentials of a machine."""

    private: bool = False
    loopback: bool = False
    link_local: bool = False

    def wrong_with(self, host: str) -> str:
        """Why nothing may be sent to a host name or address, "" if it may.  The addresses behind a name are checked
        again when something is sent."""
        name = host.rstrip(".").lower()
        if not is_ip(name):
            local = name in LOCAL_NAMES or name.endswith(".localhost")
            if local and not self.loopback:
                return f"{host} is this machine"
            return "" if self.link_local else forbidden(name)
        address = meant(ipaddress.ip_address(name))
        if address.is_unspecified or address.is_multicast:
            return f"{host} is no address of a server"
        if not self.link_local and (wrong := forbidden(str(address))):
            return wrong
        if address.is_loopback:
            return "" if self.loopback else f"{host} is this machine"
        if not (_on_the_internet(address) or address.is_link_local or self.private):
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


def _on_the_internet(address: IPv4Address | IPv6Address) -> bool:
    """Python's `is_global` holds for any IPv6 address that is in no list of its version's."""
    return address.is_global and (isinstance(address, IPv4Address) or address in GLOBAL_UNICAST)
