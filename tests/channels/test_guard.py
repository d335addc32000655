"""No message leads into the operator's own network, however the way is spelled."""

import asyncio

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.factory import make_adapter
from channels.guard import GuardedBackend, Refused, is_public, resolve
from channels.ports import Rejected, Retry, Sent
from tests.channels.peers import Response, parcel, peer, secrets

PUBLIC = "93.184.215.14"
SECRET = "whsec_" + "A" * 44


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_an_address_outside_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public(address: object) -> None:
    if is_public(str(address)):
        assert address.is_global  # type: ignore[attr-defined]
        assert not address.is_multicast  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "127。0。0。1",
    ],
)
async def test_a_host_that_means_this_machine_is_not_called(host: str) -> None:
    """The real resolver: what it makes of a spelling is what would be connected to."""
    async with peer(Response(204)) as receiver:
        url = f"http://{host}:{receiver.url.rpartition(':')[2]}/"
        adapter = make_adapter("x", {"kind": "webhook", "url": url, "secret": {"env": "S"}}, read_secret=read)
        result = await adapter.send(parcel(None, {"payload": {}}))
        await adapter.close()
    assert isinstance(result, Rejected | Retry)
    assert receiver.connections == 0


read = secrets({"S": SECRET})


class Names:
    """A resolver that says something else each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


class Dialled(httpcore.AsyncNetworkBackend):
    """Notes whom it would have called, and calls the test's server instead."""

    def __init__(self, port: int, dead: frozenset[str] = frozenset()) -> None:
        self.hosts: list[str] = []
        self._port, self._dead = port, dead

    async def connect_tcp(self, host: str, *_args: object, **_: object) -> httpcore.AsyncNetworkStream:
        self.hosts.append(host)
        if host in self._dead:
            raise httpcore.ConnectError
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self._port)


async def test_a_name_that_turns_inside_is_refused_the_next_time() -> None:
    """DNS rebinding: public when it is first asked, this machine the next time; no name is asked twice for one call."""
    async with peer(lambda _request: Response(204, headers={"Connection": "close"})) as receiver:
        dialled = Dialled(int(receiver.url.rpartition(":")[2]))
        names = Names([PUBLIC], ["127.0.0.1"])
        document = {"kind": "webhook", "url": "http://rebind.example.com/", "secret": {"env": "S"}}
        backend = GuardedBackend(dialled, resolver=names)
        adapter = make_adapter("x", document, read_secret=read, backend=backend)
        assert isinstance(await adapter.send(parcel(None, {"payload": {}})), Sent)
        assert await adapter.send(parcel(None, {"payload": {}})) == Rejected(
            "rebind.example.com is not on the public internet"
        )
        await adapter.close()
    assert dialled.hosts == [PUBLIC], "not the address that was checked"
    assert names.asked == 2
    assert receiver.requests[0].headers["host"] == "rebind.example.com"


async def test_one_address_inside_among_others_is_enough() -> None:
    backend = GuardedBackend(Dialled(1), resolver=Names([PUBLIC, "10.0.0.1"]))
    with pytest.raises(Refused):
        await backend.connect_tcp("mixed.example.com", 443)


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with peer(Response(204)) as receiver:
        dialled = Dialled(int(receiver.url.rpartition(":")[2]), dead=frozenset({"8.8.8.8"}))
        backend = GuardedBackend(dialled, resolver=Names(["8.8.8.8", PUBLIC]))
        stream = await backend.connect_tcp("two.example.com", 80)
        await stream.aclose()
    assert dialled.hosts == ["8.8.8.8", PUBLIC]


async def test_a_name_without_an_address_is_another_time() -> None:
    async def nothing(_host: str, _port: int) -> list[str]:
        raise OSError

    backend = GuardedBackend(Dialled(1), resolver=nothing)
    adapter = make_adapter(
        "x",
        {"kind": "webhook", "url": "https://gone.example.com/", "secret": {"env": "S"}},
        read_secret=read,
        backend=backend,
    )
    assert await adapter.send(parcel(None, {"payload": {}})) == Retry("no connection")
    await adapter.close()


async def test_a_resolver_that_hangs_ends_with_the_time() -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(httpcore.ConnectTimeout):
        await GuardedBackend(Dialled(1), resolver=never).connect_tcp("slow.example.com", 80, timeout=0.05)


async def test_the_systems_resolver_answers_addresses() -> None:
    assert "127.0.0.1" in await resolve("127.1", 80)
