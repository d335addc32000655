"""No message leads into the operator's own network: addresses of webhooks and of players' browsers are checked.

``GuardedBackend`` resolves a host once, refuses it when *any* of its addresses is not public, and connects to an
address that it has checked; TLS still names the host. So neither a spelling (``0x7f.1``) nor a name that resolves to
another address the next time (DNS rebinding) leads past it. OWASP API7, ASVS 1.3.6.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore
from anyio import ClosedResourceError

Resolve = Callable[[str, int], Awaitable[list[str]]]

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


class Refused(httpcore.ConnectError):
    """A host that must not be connected to."""


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


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connections to public addresses only, each to the very address that was checked."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend | None = None, *, resolver: Resolve = resolve) -> None:
        self._inner = inner or httpcore.AnyIOBackend()
        self._resolve = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface's)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that answers, within ``timeout`` seconds for all.

        Raises:
            Refused: one of its addresses is not public.
            ConnectError: it has none, or none answers.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self.addresses(host, port)
                for last, address in ((address == addresses[-1], address) for address in addresses):
                    try:
                        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                    except (httpcore.ConnectError, ClosedResourceError):
                        if last:
                            raise
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} did not answer") from None
        raise httpcore.ConnectError(f"{host} has no address")

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host.

        Raises:
            Refused: one of them is not public; which one is not told, lest players map the operator's network.
        """
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"{host} does not resolve") from None
        if not all(is_public(address) for address in found):
            raise Refused(f"{host} is not on the public internet")
        return found

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool asks."""
        await asyncio.sleep(seconds)
