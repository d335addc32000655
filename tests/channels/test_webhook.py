"""Webhooks against a receiver that verifies with the standard's own library, and one that misbehaves."""

import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from channels.factory import ConnectorUnusable, make_adapter
from channels.ports import Adapter, Rejected, Result, Retry, Sent, Unclear
from tests.channels.peers import NOW, Peer, Request, Response, closed_url, parcel, peer, secrets

NEW = "whsec_" + b64encode(b"new" * 11).decode()
OLD = "whsec_" + b64encode(b"old" * 11).decode()
VALUES = {"NEW": NEW, "OLD": OLD, "AUTH": "Bearer hunter2"}
CONTENT = {"payload": {"title": "Привіт", "amount": 5}}


def adapter(url: str, **changes: Any) -> Adapter:
    document = {"kind": "webhook", "url": url, "secret": {"env": "NEW"}, "allow_private": True, **changes}
    return make_adapter("crm", document, read_secret=secrets(VALUES))


async def sent_to(receiver: Peer, **changes: Any) -> Result:
    connected = adapter(receiver.url + "/in?x=1", **changes)
    try:
        return await connected.send(parcel(None, CONTENT, channel="webhook"))
    finally:
        await connected.close()


def verify(request: Request, secret: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(NOW / 1000, tz or UTC)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Then)  # its clock cannot be given
    return Webhook(secret).verify(request.body, request.headers)


async def test_a_receiver_verifies_what_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(Response(204)) as receiver:
        assert await sent_to(receiver) == Sent(detail="204")
    (request,) = receiver.requests
    assert verify(request, NEW, monkeypatch) == {
        "type": "message.sent",
        "timestamp": "2026-11-18T11:06:40.000Z",
        "data": {
            "id": "req_7_ada",
            "player_id": "ada",
            "template": "come-back",
            "purpose": "promo",
            "payload": {"title": "Привіт", "amount": 5},
        },
    }
    assert request.headers["webhook-id"] == "req_7_ada"
    assert request.headers["webhook-timestamp"] == str(NOW // 1000)
    assert request.headers["content-type"] == "application/json"
    assert (request.method, request.target) == ("POST", "/in?x=1")


async def test_another_body_does_not_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(Response(204)) as receiver:
        await sent_to(receiver)
    (request,) = receiver.requests
    request.body = request.body.replace(b"ada", b"eve")
    with pytest.raises(WebhookVerificationError):
        verify(request, NEW, monkeypatch)


async def test_while_secrets_change_both_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(Response(204)) as receiver:
        await sent_to(receiver, old_secrets=[{"env": "OLD"}])
    (request,) = receiver.requests
    assert verify(request, NEW, monkeypatch) == verify(request, OLD, monkeypatch)
    assert len(request.headers["webhook-signature"].split(" ")) == 2


async def test_headers_of_the_operator_come_along() -> None:
    async with peer(Response(204)) as receiver:
        await sent_to(receiver, headers={"Authorization": {"env": "AUTH"}, "X-Team": "crm"})
    (request,) = receiver.requests
    assert request.headers["authorization"] == "Bearer hunter2"
    assert request.headers["x-team"] == "crm"


async def test_an_id_beyond_ascii_is_one_header_and_signed_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(Response(204)) as receiver:
        connected = adapter(receiver.url)
        await connected.send(parcel(None, CONTENT, id="ключ\r\nx: y"))
        await connected.close()
    (request,) = receiver.requests
    assert re.fullmatch(r"[\x21-\x7e]+", request.headers["webhook-id"])
    assert "x" not in request.headers
    assert verify(request, NEW, monkeypatch)["data"]["id"] == "ключ\r\nx: y"


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (Response(200, b"ok"), Sent(detail="200")),
        (Response(200, b"half", cut="within"), Sent(detail="200")),
        (Response(429, headers={"Retry-After": "17"}), Retry("429", after_s=17)),
        (Response(503, headers={"Retry-After": "Wed, 18 Nov 2026 11:07:10 GMT"}), Retry("503", after_s=30)),
        (Response(503, headers={"Retry-After": "soon"}), Retry("503")),
        (Response(503, headers={"Retry-After": "9999999999"}), Retry("503", after_s=86_400)),
        (Response(500), Retry("500")),
        (Response(401), Retry("401")),
        (Response(404), Retry("404")),
        (Response(302, headers={"Location": "http://169.254.169.254/"}), Retry("302")),
        (Response(410), Rejected("410: the receiver wants no more", is_address_dead=True)),
        (Response(400, b"<b>secret</b>"), Rejected("400")),
        (Response(cut="before"), Unclear("the connection ended without an answer")),
    ],
    ids=lambda value: f"{value.status}{value.cut}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(response: Response, result: Result) -> None:
    async with peer(response) as receiver:
        assert await sent_to(receiver) == result
    assert len(receiver.requests) == 1, "a redirect was followed, or it was sent twice"


async def test_silence_after_the_request_is_unclear() -> None:
    async with peer(Response(hangs=True)) as receiver:
        assert await sent_to(receiver, timeout_s=1) == Unclear("no answer in time")


async def test_nobody_there_is_another_time() -> None:
    connected = adapter(await closed_url())
    assert await connected.send(parcel(None, CONTENT)) == Retry("no connection")
    await connected.close()


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with peer(Response(200, b"x" * 5_000_000)) as receiver:
        assert await sent_to(receiver, timeout_s=5) == Sent(detail="200")


async def test_one_connection_serves_many() -> None:
    async with peer(Response(204)) as receiver:
        connected = adapter(receiver.url)
        for _ in range(5):
            assert isinstance(await connected.send(parcel(None, CONTENT)), Sent)
        await connected.close()
    assert receiver.connections == 1


async def test_addresses_inside_are_refused_unless_allowed() -> None:
    async with peer(Response(204)) as receiver:
        result = await sent_to(receiver, allow_private=False)
    assert result == Rejected("127.0.0.1 is not on the public internet")
    assert receiver.connections == 0


@pytest.mark.parametrize("secret", ["hunter2hunter2hunter2hunter2", "whsec_c2hvcnQ=", "whsec_!!!!"])
def test_a_secret_of_another_form_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConnectorUnusable, match="whsec_ and base64") as error:
        make_adapter(
            "crm", {"kind": "webhook", "url": "https://x/", "secret": {"env": "S"}}, read_secret=secrets({"S": secret})
        )
    assert secret not in str(error.value)


GRANT = {"grant": {"item": "spins", "amount": 1, "gives": []}}


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (Response(204), Sent(detail="204 granted", said={"status": "granted", "reason": ""})),
        (Response(200, b'{"status": "granted"}'), Sent(detail="200 granted", said={"status": "granted", "reason": ""})),
        (Response(202, b'{"status": "pending"}'), Sent(detail="202 pending", said={"status": "pending", "reason": ""})),
        (
            Response(200, b'{"status": "failed", "reason": "no such game"}'),
            Sent(detail="200 failed", said={"status": "failed", "reason": "no such game"}),
        ),
        (Response(200, b"<html>"), Sent(detail="200 pending", said={"status": "pending", "reason": ""})),
        (Response(404), Rejected("404")),
        (Response(410), Rejected("410")),
        (Response(429, headers={"Retry-After": "17"}), Retry("429", after_s=17)),
        (Response(500), Retry("500")),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_to_a_grant_means(response: Response, result: Result) -> None:
    async with peer(response) as receiver:
        connected = adapter(receiver.url)
        assert await connected.send(parcel(None, GRANT, id="pur_YWRh_1", channel="webhook")) == result
        await connected.close()


async def test_a_grant_is_signed_and_names_purchase_and_player(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(Response(204)) as receiver:
        connected = adapter(receiver.url)
        await connected.send(parcel(None, GRANT, id="pur_YWRh_1", channel="webhook"))
        await connected.close()
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == "pur_YWRh_1"
    assert verify(request, NEW, monkeypatch) == {
        "type": "reward.granted",
        "timestamp": "2026-11-18T11:06:40.000Z",
        "data": {"purchase": "pur_YWRh_1", "player_id": "ada", "item": "spins", "amount": 1, "gives": []},
    }
