"""No message leads into the operator's own network, however the way is spelled."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.factory import make_adapter
from channels.guard import Guard, Refused, Resolve, is_public, resolve
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


async def test_a_name_that_turns_inside_is_refused_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: 127.0.0.2 stands for a public address, then the name says 127.0.0.1; both are served."""
    monkeypatch.setattr("channels.guard.is_public", lambda address: address == "127.0.0.2")
    async with peer(lambda _request: Response(204, headers={"Connection": "close"}), "127.0.0.2") as outside:
        port = int(outside.url.rpartition(":")[2])
        async with peer(Response(204), "127.0.0.1", port) as inside:
            names = Names(["127.0.0.2"], ["127.0.0.1"])
            document = {"kind": "webhook", "url": f"http://rebind.example.com:{port}/", "secret": {"env": "S"}}
            adapter = make_adapter("x", document, read_secret=read, guard=Guard(names))
            assert isinstance(await adapter.send(parcel(None, {"payload": {}})), Sent)
            assert await adapter.send(parcel(None, {"payload": {}})) == Rejected(
                "rebind.example.com is not on the public internet"
            )
            await adapter.close()
    assert (outside.connections, inside.connections) == (1, 0)
    assert names.asked == 2, "a name is asked once for each connection"
    assert outside.requests[0].headers["host"] == f"rebind.example.com:{port}"


async def test_one_address_inside_among_others_is_enough() -> None:
    with pytest.raises(Refused):
        await Guard(Names([PUBLIC, "10.0.0.1"])).resolve("mixed.example.com", 443)
    assert len(await Guard(Names([PUBLIC, "2606:4700::1111"])).resolve("two.example.com", 443)) == 2


def test_the_last_gate_is_the_socket() -> None:
    guard = Guard()
    with pytest.raises(Refused):
        guard.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    guard.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (PUBLIC, 80))).close()


async def nothing(_host: str, _port: int) -> list[str]:
    raise OSError


async def never(_host: str, _port: int) -> list[str]:
    await asyncio.Event().wait()
    return []


@pytest.mark.parametrize(
    ("resolver", "result"),
    [
        (nothing, Retry("no connection")),
        (Names([]), Retry("no connection")),
        (never, Retry("no answer in time")),
    ],
)
async def test_a_name_without_an_address_is_another_time(resolver: Resolve, result: Retry) -> None:
    document = {"kind": "webhook", "url": "https://gone.example.com/", "secret": {"env": "S"}, "timeout_s": 0.5}
    adapter = make_adapter("x", document, read_secret=read, guard=Guard(resolver))
    assert await adapter.send(parcel(None, {"payload": {}})) == result
    await adapter.close()


async def test_the_systems_resolver_answers_addresses() -> None:
    assert "127.0.0.1" in await resolve("127.1", 80)
