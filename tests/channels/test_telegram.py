"""A Telegram bot: against a stub that refuses what the Bot API would, and the updates it posts back."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from channels.factory import ConnectorUnusable, make_adapter
from channels.hooks import HookRequest, read_hook
from channels.ports import Inbound, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from domain.errors import Forbidden
from tests.channels.peers import Peer, Response, as_json, closed_url, parcel, peer, secrets
from tests.channels.stubs import BOT, telegram

CHAT = Address("telegram", "99887766")
VALUES = {"BOT": BOT, "HOOK": "hook-secret"}
NO_ID = Unclear("expected the message's id in the answer, got none")
DOCUMENT: dict[str, Any] = {"kind": "telegram", "token": {"env": "BOT"}, "hook_secret": {"env": "HOOK"}}
CONTENT = {"text": "20 spins wait", "label": "Play", "url": "https://lucky.example.com/play"}


async def sent_to(
    receiver: Peer, *, timeout_s: float = 5, bot: str = BOT, content: Any = CONTENT, **changes: Any
) -> Result:
    document = {**DOCUMENT, "base_url": receiver.url, "timeout_s": timeout_s, **changes}
    adapter = make_adapter("tg", document, read_secret=secrets({**VALUES, "BOT": bot}))
    try:
        return await adapter.send(parcel(CHAT, content, channel="messenger"))
    finally:
        await adapter.close()


async def test_a_text_goes_out_with_its_button() -> None:
    async with peer(telegram()) as receiver:
        assert await sent_to(receiver) == Sent("99887766/42")
    assert receiver.requests[0].json == {
        "chat_id": "99887766",
        "text": "20 spins wait",
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {"inline_keyboard": [[{"text": "Play", "url": "https://lucky.example.com/play"}]]},
    }


async def test_a_path_of_the_site_is_no_button() -> None:
    async with peer(telegram()) as receiver:
        await sent_to(receiver, content={"text": "x", "label": "Play", "url": "/play"}, protect_content=True)
    assert "reply_markup" not in receiver.requests[0].json
    assert receiver.requests[0].json["protect_content"] is True


def error(status: int, description: str, **parameters: Any) -> Response:
    body = {"ok": False, "error_code": status, "description": description}
    return as_json({**body, "parameters": parameters} if parameters else body, status)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (
            error(403, "Forbidden: bot was blocked by the user"),
            Rejected("403 Forbidden: bot was blocked by the user", is_address_dead=True),
        ),
        (
            error(400, "Bad Request: chat not found"),
            Rejected("400 Bad Request: chat not found", is_address_dead=True),
        ),
        (error(400, "Bad Request: message is too long"), Rejected("400 Bad Request: message is too long")),
        (error(429, "Too Many Requests", retry_after=35), Retry("429 Too Many Requests", after_s=35)),
        (error(401, "Unauthorized"), Retry("401 Unauthorized")),
        (error(500, "Internal Server Error"), Retry("500 Internal Server Error")),
        (Response(502, b"<html>"), Retry("502")),
        (Response(504), Unclear("504")),
        (
            Response(200, b'{"ok":true,"resu', cut="within"),
            NO_ID,
        ),
        (Response(200, b"<html>Sign in</html>"), NO_ID),
        (Response(200, b'{"ok":true,"result":{}}'), NO_ID),
        (Response(cut="before"), Unclear("the connection ended without an answer")),
    ],
    ids=lambda value: f"{value.status} {value.body[30:60]!r}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(outcome: Response, result: Result) -> None:
    async with peer(telegram(outcome)) as receiver:
        assert await sent_to(receiver) == result


async def test_a_wrong_token_is_the_connectors_trouble_and_never_in_a_detail() -> None:
    async with peer(telegram()) as receiver:
        assert await sent_to(receiver, bot="1:wrong") == Retry("404 Not Found")
    receiver.url = await closed_url()
    assert await sent_to(receiver) == Retry("no connection")


@pytest.mark.parametrize("text", ["", "x" * 4097, "😀" * 2049])
async def test_a_text_that_telegram_would_refuse_is_not_sent(text: str) -> None:
    async with peer(telegram()) as receiver:
        assert isinstance(await sent_to(receiver, content={"text": text}), Rejected)
    assert not receiver.requests


def test_a_token_that_would_be_another_address_is_none() -> None:
    with pytest.raises(ConnectorUnusable, match="expected a bot token"):
        make_adapter("tg", DOCUMENT, read_secret=secrets({**VALUES, "BOT": "1:a/../../x"}))


def posted(update: Any, secret: str = "hook-secret") -> HookRequest:
    body = msgspec.json.encode(update)
    return HookRequest("POST", "https://x/v1/hooks/tg", {"x-telegram-bot-api-secret-token": secret}, body)


MESSAGE = {"message_id": 7, "chat": {"id": 99887766}, "date": 1_795_000_000, "text": "thanks"}


@pytest.mark.parametrize(
    ("update", "inbound"),
    [
        ({"message": MESSAGE}, (Inbound("replied", 1_795_000_000_000, address="99887766", detail="thanks"),)),
        (
            {"message": {**MESSAGE, "reply_to_message": {"message_id": 42}}},
            (Inbound("replied", 1_795_000_000_000, "99887766/42", address="99887766", detail="thanks"),),
        ),
        (
            {"message": {**MESSAGE, "text": "/stop"}},
            (Inbound("unsubscribed", 1_795_000_000_000, address="99887766", detail="/stop"),),
        ),
        (
            {"my_chat_member": {"chat": {"id": 99887766}, "date": 1, "new_chat_member": {"status": "kicked"}}},
            (Inbound("bounced", 1_000, address="99887766", detail="blocked the bot", is_address_dead=True),),
        ),
        ({"my_chat_member": {"chat": {"id": 99887766}, "new_chat_member": {"status": "member"}}}, ()),
        ({"edited_message": MESSAGE}, ()),
        ({"message": {**MESSAGE, "text": 5}}, ()),
        ([], ()),
    ],
)
def test_what_telegram_posts(update: Any, inbound: tuple[Inbound, ...]) -> None:
    named = {**update, "update_id": 501} if isinstance(update, dict) else update
    marked = tuple(structs.replace(found, mark="501") for found in inbound)
    assert read_hook(DOCUMENT, posted(named), secrets=secrets(VALUES)).inbound == marked


def test_what_does_not_bring_the_secret_is_refused() -> None:
    with pytest.raises(Forbidden, match="expected a right x-telegram"):
        read_hook(DOCUMENT, posted({"message": MESSAGE}, "another"), secrets=secrets(VALUES))
    with pytest.raises(Forbidden, match="hook_secret"):
        read_hook({"kind": "telegram", "token": {"env": "BOT"}}, posted({}), secrets=secrets(VALUES))


def test_no_secret_is_not_an_empty_one() -> None:
    from channels.telegram import parse_hook

    assert parse_hook(b"{}", {"x-telegram-bot-api-secret-token": ""}, "") is None
    assert parse_hook(b"{}", {}, "") is None
