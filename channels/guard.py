"""No message leads into the operator's own network: addresses of webhooks and of players' browsers are checked.

A ``Guard`` resolves a host anew for each connection, refuses it when *any* of its addresses is not public, and checks
again the very address that is connected to; TLS still names the host. So neither a spelling (``0x7f.1``) nor a name
that resolves to another address the next time (DNS rebinding) leads past it. OWASP API7, ASVS 1.3.6.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

Resolve = Callable[[str, int], Awaitable[list[str]]]
SocketInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; also clouds' metadata (100.100.100.200)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's own services, in public space
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all that is assigned for global use
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols' own: Teredo carries an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",
    )
)


class Refused(OSError):
    """A host that must not be connected to; which of its addresses is not told, lest players map our network."""


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet; what only carries another one (mapped, NAT64, 6to4) is not.

    ``ipaddress.is_global`` says True of NAT64, 6to4 and multicast, so the lists are our own.
    """
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    return "%" not in address and ip in _GLOBAL_V6 and not any(ip in network for network in _REFUSED_V6)


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard(AbstractResolver):
    """What may be connected to: the resolver, and the maker of sockets, of a pool of connections."""

    def __init__(self, resolver: Resolve = resolve) -> None:
        self._resolve = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            Refused: one of them is not public.
            OSError: it has none.
        """
        try:
            found = await self._resolve(host, port)
        except UnicodeError:
            found = []
        if not all(is_public(address) for address in found):
            raise Refused(f"{host} is not on the public internet")
        if not found:
            raise OSError(f"{host} has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
            if family in (socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET)
        ]

    async def close(self) -> None:
        """Do nothing: it holds nothing."""

    def socket(self, info: SocketInfo) -> socket.socket:
        """Return a socket for an address, which comes here whether it was resolved or written as such.

        Raises:
            Refused: the address is not public.
        """
        address = str(info[4][0])
        if not is_public(address):
            raise Refused(f"{address} is not on the public internet")
        return socket.socket(info[0], info[1], info[2])
