"""Push to browsers: against a receiver that checks the VAPID token and decrypts as a browser does."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import http_ece
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.factory import ConnectorUnusable, make_adapter
from channels.ports import Adapter, Rejected, Result, Retry, Sent, Unclear
from channels.web_push import SERVICES, WebPushAdapter
from crm.addresses import Address
from tests.channels.peers import NOW, Peer, Request, Response, closed_url, parcel, peer, secrets

CONTENT = {"title": "Повернись", "body": "20 spins wait", "url": "/play", "icon": ""}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


SERVER = ec.generate_private_key(ec.SECP256R1())
RAW = b64(SERVER.private_numbers().private_value.to_bytes(32, "big"))
SERVER_PUBLIC = SERVER.public_key().public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
)


class Browser:
    """Keys of a subscription, and its push service."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        self.outcome = Response(201, headers={"Location": "/m/1"})

    def address(self, url: str) -> Address:
        public = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return Address("web_push", url + "/push/abc", {"p256dh": b64(public), "auth": b64(self._auth)})

    def __call__(self, request: Request) -> Response:
        """RFC 8292: a token by the key in `k`, for this service, ending within a day. RFC 8030: TTL is a must."""
        scheme, _, rest = request.headers["authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), urlsafe_b64decode(parts["k"] + "=" * (-len(parts["k"]) % 4))
        )
        if scheme != "vapid" or urlsafe_b64decode(parts["k"] + "==") != SERVER_PUBLIC:
            return Response(403)
        origin = "http://" + request.headers["host"]
        claims = jwt.decode(parts["t"], key, ["ES256"], audience=origin, options={"verify_exp": False})
        if not NOW // 1000 < claims["exp"] <= NOW // 1000 + 86_400 or claims["sub"] != "mailto:ops@example.com":
            return Response(401)
        if request.headers.get("content-encoding") != "aes128gcm" or not request.headers["ttl"].isdigit():
            return Response(400)
        return self.outcome

    def decrypt(self, request: Request) -> Any:
        return msgspec.json.decode(
            http_ece.decrypt(request.body, private_key=self._key, auth_secret=self._auth, version="aes128gcm")
        )


def adapter(key: str = RAW, **changes: Any) -> Adapter:
    document = {
        "kind": "web_push",
        "vapid_private_key": {"env": "KEY"},
        "subject": "mailto:ops@example.com",
        "allow_private": True,
        "timeout_s": 5,
        **changes,
    }
    return make_adapter("web", document, read_secret=secrets({"KEY": key}))


async def sent_to(receiver: Peer, browser: Browser, *, content: Any = CONTENT, **changes: Any) -> Result:
    options = {name: changes.pop(name) for name in ("hosts", "timeout_s", "key", "ttl_s") if name in changes}
    address = changes.pop("address", None) or browser.address(receiver.url)
    connected = adapter(**options)
    try:
        return await connected.send(parcel(address, content, channel="push", **changes))
    finally:
        await connected.close()


async def test_a_browser_decrypts_what_it_gets() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        assert await sent_to(receiver, browser) == Sent("/m/1")
    (request,) = receiver.requests
    assert browser.decrypt(request) == {
        "title": "Повернись",
        "body": "20 spins wait",
        "url": "/play",
        "id": "req_7_ada",
    }
    assert request.headers["ttl"] == "3600"
    assert request.headers["urgency"] == "normal"
    assert len(request.headers["topic"]) == 32
    assert (request.method, request.target) == ("POST", "/push/abc")


async def test_a_service_message_is_urgent_and_waits_no_longer_than_the_connector_says() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        await sent_to(receiver, browser, purpose="service", ttl_s=60)
    assert receiver.requests[0].headers["urgency"] == "high"
    assert receiver.requests[0].headers["ttl"] == "60"


async def test_each_time_it_is_encrypted_anew_and_the_token_is_kept() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        connected = adapter()
        for later in (0, 3_600_000, 7 * 3_600_000):
            to = parcel(browser.address(receiver.url), CONTENT, at=NOW + later, expires_at=NOW + 9**9)
            assert isinstance(await connected.send(to), Sent)
        await connected.close()
    first, second, third = receiver.requests
    assert first.body != second.body
    assert first.headers["authorization"] == second.headers["authorization"] != third.headers["authorization"]
    assert first.headers["topic"] == second.headers["topic"]


def pem() -> str:
    return SERVER.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


async def test_the_key_may_be_pem() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        assert isinstance(await sent_to(receiver, browser, key=pem().strip()), Sent)


@pytest.mark.parametrize("key", ["hunter2", "-----BEGIN hunter2", "", b64(b"\x00" * 32)])
def test_a_key_that_is_none_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConnectorUnusable, match="expected a P-256 key") as error:
        adapter(key)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Response(410), Rejected("410", is_address_dead=True)),
        (Response(404), Rejected("404", is_address_dead=True)),
        (Response(403), Rejected("403")),
        (Response(413), Rejected("413")),
        (Response(429, headers={"Retry-After": "5"}), Retry("429", is_provider=False, after_s=5)),
        (Response(500), Retry("500", is_provider=False)),
        (Response(307, headers={"Location": "http://169.254.169.254/"}), Rejected("307")),
        (Response(504), Unclear("504", is_provider=False)),
        (Response(cut="before"), Unclear("the connection ended without an answer", is_provider=False)),
        (Response(hangs=True), Unclear("no answer in time", is_provider=False)),
        (Response(201, b"x", cut="within"), Sent()),
    ],
    ids=lambda value: f"{value.status}{value.cut}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(outcome: Response, result: Result) -> None:
    """The receiver is no known push service: its trouble is one player's, never the connector's."""
    browser = Browser()
    browser.outcome = outcome
    async with peer(browser) as receiver:
        assert await sent_to(receiver, browser, timeout_s=1 if outcome.hangs else 5) == result
    assert len(receiver.requests) == 1


async def test_trouble_of_a_known_service_is_the_connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser()
    browser.outcome = Response(503)
    monkeypatch.setattr("channels.web_push.SERVICES", (*SERVICES, "127.0.0.1"))
    async with peer(browser) as receiver:
        assert await sent_to(receiver, browser) == Retry("503")


async def test_nobody_there_is_another_time() -> None:
    browser = Browser()
    connected = adapter()
    address = browser.address(await closed_url())
    assert await connected.send(parcel(address, CONTENT)) == Retry("no connection", is_provider=False)
    await connected.close()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/x",
        "https://user@push.example.com/x",
        "https:///x",
        "file:///etc/passwd",
        "https://[::1/x",
        "https://push.example.com:99999/",
        "",
    ],
)
async def test_an_endpoint_that_is_none_is_dead(endpoint: str) -> None:
    browser = Browser()
    connected = adapter()
    address = Address("web_push", endpoint, browser.address("").keys)
    assert await connected.send(parcel(address, CONTENT)) == Rejected(
        "expected an https address of a push service", is_address_dead=True
    )
    await connected.close()


@pytest.mark.parametrize("keys", [{}, {"p256dh": "AAAA", "auth": "AAAA"}, {"p256dh": "é", "auth": "AAAA"}])
async def test_keys_that_are_none_are_dead(keys: dict[str, str]) -> None:
    connected = adapter()
    result = await connected.send(parcel(Address("web_push", "https://push.example.com/x", keys), CONTENT))
    assert isinstance(result, Rejected)
    assert result.is_address_dead
    await connected.close()


async def test_an_endpoint_inside_is_dead_and_never_called() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        connected = adapter(allow_private=False)
        url = receiver.url.replace("http:", "https:")
        result = await connected.send(parcel(browser.address(url), CONTENT))
        await connected.close()
    assert result == Rejected("127.0.0.1 is not on the public internet", is_address_dead=True)
    assert receiver.connections == 0


async def test_only_listed_hosts_are_called() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        assert isinstance(await sent_to(receiver, browser, hosts=["127.0.0.1"]), Sent)
        refused = await sent_to(receiver, browser, hosts=["*.push.apple.com", "fcm.googleapis.com"])
    assert refused == Rejected("expected an https address of a push service", is_address_dead=True)


async def test_what_a_push_service_need_not_take_is_not_sent() -> None:
    browser = Browser()
    async with peer(browser) as receiver:
        assert isinstance(await sent_to(receiver, browser, content={"title": "x", "body": "й" * 2000}), Rejected)
        fits = {"title": "x", "body": "y" * (3993 - len('{"title":"x","body":"","id":"req_7_ada"}'))}
        assert isinstance(await sent_to(receiver, browser, content=fits), Sent)
    assert len(receiver.requests[0].body) <= 4096
    assert WebPushAdapter.is_idempotent is False
