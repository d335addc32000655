"""The WhatsApp Cloud API: against a stub that refuses what Meta would, and what Meta posts back."""

import hmac
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from msgspec import structs

from channels.factory import make_adapter
from channels.hooks import HookRequest, read_hook
from channels.ports import Inbound, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from domain.errors import Forbidden
from tests.channels.peers import Peer, Response, as_json, parcel, peer, secrets
from tests.channels.stubs import ACCESS, whatsapp

ADA = Address("whatsapp", "+380 50 111-22-33")
VALUES = {"ACCESS": ACCESS, "APP": "app-secret", "VERIFY": "verify-me"}
NO_ID = Unclear("expected the message's id in the answer, got none")
DOCUMENT: dict[str, Any] = {
    "kind": "whatsapp",
    "phone_number_id": "106540352242922",
    "access_token": {"env": "ACCESS"},
    "app_secret": {"env": "APP"},
    "verify_token": {"env": "VERIFY"},
}
CONTENT = {"text": "20 spins\nwait", "label": "Play", "url": "https://lucky.example.com/play"}


async def sent_to(receiver: Peer, content: Any = CONTENT, *, timeout_s: float = 5, **changes: Any) -> Result:
    values = {**VALUES, "ACCESS": changes.pop("token", ACCESS)}
    document = {**DOCUMENT, "base_url": receiver.url, "timeout_s": timeout_s, **changes}
    adapter = make_adapter("wa", document, read_secret=secrets(values))
    try:
        return await adapter.send(parcel(ADA, content, channel="messenger"))
    finally:
        await adapter.close()


async def test_a_text_goes_out_with_its_button_and_our_ids() -> None:
    async with peer(whatsapp()) as receiver:
        assert await sent_to(receiver) == Sent("wamid.HBgM")
    assert receiver.requests[0].json == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "380501112233",
        "type": "interactive",
        "interactive": {
            "type": "cta_url",
            "body": {"text": "20 spins\nwait"},
            "action": {
                "name": "cta_url",
                "parameters": {"display_text": "Play", "url": "https://lucky.example.com/play"},
            },
        },
        "biz_opaque_callback_data": '["req_7_ada","ada"]',
    }


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ({"text": "Hi"}, "Hi"),
        ({**CONTENT, "text": "Hi", "label": "A label that is too long"}, "Hi\nhttps://lucky.example.com/play"),
        ({**CONTENT, "text": "Hi", "url": "/play"}, "Hi"),
        ({**CONTENT, "text": "x" * 1025}, "x" * 1025 + "\nhttps://lucky.example.com/play"),
        ({**CONTENT, "text": "x" * 4096}, "x" * 4096),
    ],
)
async def test_what_has_no_room_for_a_button_is_a_text(content: Any, body: str) -> None:
    async with peer(whatsapp()) as receiver:
        assert isinstance(await sent_to(receiver, content), Sent)
    assert receiver.requests[0].json["text"]["body"] == body


async def test_outside_the_window_a_template_carries_the_text_on_one_line() -> None:
    template = {"name": "come_back", "language": "en_US", "body": ["text", "url"]}
    async with peer(whatsapp()) as receiver:
        assert isinstance(await sent_to(receiver, template=template), Sent)
    said = receiver.requests[0].json["template"]
    assert (said["name"], said["language"]) == ("come_back", {"code": "en_US"})
    values = [parameter["text"] for parameter in said["components"][0]["parameters"]]
    assert values == ["20 spins wait", "https://lucky.example.com/play"]


def error(status: int, code: int) -> Response:
    return as_json({"error": {"message": f"(#{code}) no", "code": code, "error_data": {"details": "why"}}}, status)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (error(400, 131026), Rejected("131026 (#131026) no why")),
        (error(400, 131047), Rejected("131047 (#131047) no why")),
        (error(400, 132000), Rejected("132000 (#132000) no why")),
        (error(400, 131056), Retry("131056 (#131056) no why", is_provider=False)),
        (error(400, 130429), Retry("130429 (#130429) no why")),
        (error(401, 190), Retry("190 (#190) no why")),
        (error(403, 200), Retry("200 (#200) no why")),
        (error(403, 131031), Retry("131031 (#131031) no why")),
        (error(500, 131000), Retry("131000 (#131000) no why")),
        (Response(429, headers={"Retry-After": "9"}), Retry("429", after_s=9)),
        (Response(502, b"<html>"), Retry("502")),
        (Response(504), Unclear("504")),
        (Response(404, b"<html>"), Retry("404")),
        (Response(200, b'{"messages": [', cut="within"), NO_ID),
        (Response(200, b"<html>Sign in</html>"), NO_ID),
        (Response(200, b'{"messages":[{}]}'), NO_ID),
        (Response(cut="before"), Unclear("the connection ended without an answer")),
    ],
    ids=lambda value: f"{value.status} {value.body[:30]!r}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(outcome: Response, result: Result) -> None:
    async with peer(whatsapp(outcome)) as receiver:
        assert await sent_to(receiver) == result


async def test_a_wrong_token_is_the_connectors_trouble() -> None:
    async with peer(whatsapp()) as receiver:
        result = await sent_to(receiver, token="old")
    assert isinstance(result, Retry)
    assert result.is_provider
    assert "old" not in result.detail


def posted(value: Any, secret: str = "app-secret") -> HookRequest:
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [{"changes": [{"value": value}]}]})
    signature = "sha256=" + hmac.digest(secret.encode(), body, sha256).hex()
    return HookRequest("POST", "https://x/v1/hooks/wa", {"x-hub-signature-256": signature}, body)


STATUS = {
    "id": "wamid.1",
    "timestamp": "1795000000",
    "recipient_id": "380501112233",
    "biz_opaque_callback_data": '["req_7_ada","ada"]',
}
AT = 1_795_000_000_000


@pytest.mark.parametrize(
    ("value", "inbound"),
    [
        (
            {"statuses": [{**STATUS, "status": "delivered"}]},
            Inbound("delivered", AT, "wamid.1", "req_7_ada", "380501112233", player="ada"),
        ),
        (
            {"statuses": [{**STATUS, "status": "read", "biz_opaque_callback_data": "req_7_ada"}]},
            Inbound("opened", AT, "wamid.1", "req_7_ada", "380501112233"),
        ),
        (
            {"statuses": [{**STATUS, "status": "failed", "errors": [{"code": 131026, "title": "Undeliverable"}]}]},
            Inbound("bounced", AT, "wamid.1", "req_7_ada", "380501112233", "131026 Undeliverable", player="ada"),
        ),
        (
            {"statuses": [{**STATUS, "status": "failed", "errors": [{"code": 131047, "title": "Window"}]}]},
            Inbound("failed", AT, "wamid.1", "req_7_ada", "380501112233", "131047 Window", player="ada"),
        ),
        (
            {"statuses": [{**STATUS, "status": "failed", "errors": [{"code": 131050, "title": "Stopped"}]}]},
            Inbound("unsubscribed", AT, "wamid.1", "req_7_ada", "380501112233", "131050 Stopped", player="ada"),
        ),
        (
            {"messages": [{"from": "380501112233", "timestamp": "1795000000", "text": {"body": "thanks"}}]},
            Inbound("replied", AT, address="380501112233", detail="thanks"),
        ),
        (
            {"messages": [{"from": "380501112233", "context": {"id": "wamid.1"}, "button": {"text": "STOP"}}]},
            Inbound("unsubscribed", 0, "wamid.1", address="380501112233", detail="STOP"),
        ),
        ({"statuses": [{**STATUS, "status": "sent"}, 5, {}]}, None),
        ({"messages": [{"from": "380501112233", "type": "image"}]}, None),
        ([], None),
    ],
)
def test_what_meta_posts(value: Any, inbound: Inbound | None) -> None:
    found = read_hook(DOCUMENT, posted(value), secrets=secrets(VALUES)).inbound
    assert tuple(structs.replace(one, mark="") for one in found) == ((inbound,) if inbound else ())


def test_each_report_has_a_mark_of_its_own() -> None:
    text = {"from": "380501112233", "text": {"body": "STOP"}}
    value = {
        "statuses": [{**STATUS, "status": "delivered"}, {**STATUS, "status": "read"}],
        "messages": [{**text, "id": "wamid.7"}, {**text, "id": "wamid.8"}],
    }
    found = read_hook(DOCUMENT, posted(value), secrets=secrets(VALUES)).inbound
    assert [one.mark for one in found] == ["wamid.1/delivered", "wamid.1/read", "wamid.7", "wamid.8"]


def test_what_is_not_signed_is_refused() -> None:
    with pytest.raises(Forbidden):
        read_hook(DOCUMENT, posted({}, "another"), secrets=secrets(VALUES))
    closed = {name: value for name, value in DOCUMENT.items() if name != "app_secret"}
    with pytest.raises(Forbidden, match="app_secret"):
        read_hook(closed, posted({}, ""), secrets=secrets(VALUES))


def test_the_challenge_is_answered_to_those_who_know_the_token() -> None:
    url = "https://x/v1/hooks/wa?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    assert read_hook(DOCUMENT, HookRequest("GET", url + "verify-me", {}), secrets=secrets(VALUES)).text == "1158201444"
    with pytest.raises(Forbidden):
        read_hook(DOCUMENT, HookRequest("GET", url + "guess", {}), secrets=secrets(VALUES))
