"""Where a host name may lead: resolved once, each address judged, and the connection made to an address so judged.

A name on a tenant's list is the hospital's to point, and whoever holds its DNS may point it inside our own network,
or at one address when it is looked at and at another when it is called. So nothing looks before it calls: the
connection goes to the address that was judged, and TLS still asks for the certificate of the name.

Refuses (ForeignAddress, naming the setting) addresses that are not public, unless they are inside or in a network
that the operator listed; never lets anybody reach link-local addresses, where clouds keep their credentials.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ehr.errors import ForeignAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Iterable[str]]

# Networks with an IPv4 address in the last 32 bits: RFC 6052, 8215, 2765, 4291 (the last without :: and ::1).
TRANSLATED: Final = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96"))
)
ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214: before an IPv4 address, in any network
UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # what is public of IPv6 lies here
EXAMPLES: Final = ipaddress.IPv6Network("3fff::/20")  # RFC 9637: for documents
NEVER: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local; 169.254.169.254 hands out a machine's credentials
        "fe80::/10",
        "fd00:ec2::254/128",  # the same by IPv6
        "fd20:ce::254/128",
        "168.63.129.16/32",  # and other clouds' own
        "100.100.100.200/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "ff00::/8",
        "::/128",
    )
)


def system_names(host: str, port: int) -> tuple[str, ...]:
    """What the machine's own resolver says, in its order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(row[4][0]) for row in found))


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses may be called. `inside`: private ones and loopback too, as stand-ins need; `networks` are
    those of the operator's that are private and hold hospitals all the same.
    """

    inside: bool = True
    networks: tuple[Network, ...] = ()
    resolve: Resolve = system_names

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of `host` that may be called. Raises ForeignAddress when it has none, OSError when unknown."""
        found = tuple(self.resolve(host, port))
        kept = tuple(text for text in found if self.allows(text))
        if found and not kept:
            raise ForeignAddress(
                "the name leads to an address inside a private network, or to none that may be called; nothing was "
                "sent there. If the hospital's server is there, list its network in ORDERTIME_PRIVATE_NETWORKS",
                "host",
            )
        return kept

    def allows(self, text: str) -> bool:
        """Whether an address may be called; what is no address may not."""
        try:
            address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if _within(address, NEVER):
            return False
        return self.inside or _public(address) or _within(address, self.networks)


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    last, before = int(address) & 0xFFFFFFFF, int(address) >> 32 & 0xFFFFFFFF
    translated = int(address) > 1 and _within(address, TRANSLATED)
    if translated or before in ISATAP:
        return ipaddress.IPv4Address(last)
    return address.ipv4_mapped or address.sixtofour or address


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and address in UNICAST and address not in EXAMPLES
    return address.is_global


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
