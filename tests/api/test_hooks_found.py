"""Whom a report is about when it names no message: who writes in a chat, and mails by our signed names alone."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from channels.mime import signed_token
from domain.decisions import Decision, encode_decision
from domain.ids import partition_of
from store.keys import TOWER
from tests.api.test_hooks import APP, BOT, known_request, receipts, secrets, world
from tests.api.world import PARTITIONS, TOKEN_SECRET, World

__all__ = ("secrets", "world")  # fixtures
pytestmark = pytest.mark.redis

Post = Callable[[World], Awaitable[httpx.Response]]


async def telegram(world: World, **update: Any) -> httpx.Response:
    headers = {"X-Telegram-Bot-Api-Secret-Token": BOT}
    return await world.http.post("/v1/hooks/bot", content=msgspec.json.encode(update), headers=headers)


async def said_in_telegram(world: World) -> httpx.Response:
    message = {"message_id": 9, "chat": {"id": 77}, "date": 1_764_000_000, "text": "/stop"}
    return await telegram(world, update_id=1, message=message)


async def blocked_in_telegram(world: World) -> httpx.Response:
    member = {"chat": {"id": 77}, "date": 1_764_000_000, "new_chat_member": {"status": "kicked"}}
    return await telegram(world, update_id=2, my_chat_member=member)


async def said_in_whatsapp(world: World) -> httpx.Response:
    message = {"id": "wamid.9", "from": "441632960001", "text": {"body": "STOP"}}
    body = msgspec.json.encode({"entry": [{"changes": [{"value": {"messages": [message]}}]}]})
    signature = "sha256=" + hmac.digest(APP.encode(), body, sha256).hex()
    return await world.http.post("/v1/hooks/wa", content=body, headers={"X-Hub-Signature-256": signature})


@pytest.mark.parametrize(
    ("traits", "post", "name"),
    [
        pytest.param({"telegram_chat_id": 77}, said_in_telegram, "message_unsubscribed", id="telegram"),
        pytest.param({"telegram_chat_id": "77"}, blocked_in_telegram, "message_bounced", id="blocked the bot"),
        pytest.param({"whatsapp": "+441632960001"}, said_in_whatsapp, "message_unsubscribed", id="whatsapp"),
        pytest.param({"phone": "+441632960001"}, said_in_whatsapp, "message_unsubscribed", id="by the phone"),
    ],
)
async def test_who_writes_is_found_though_we_never_wrote(
    world: World, traits: dict[str, Any], post: Post, name: str
) -> None:
    await world.happen("amelia", "identified", "m-1", traits=traits)
    async with asyncio.timeout(10):
        while not (found := await receipts(world)):
            assert (await post(world)).status_code == 200
    assert [(event.player, event.name) for event in found[:1]] == [("amelia", name)]
    if name == "message_unsubscribed":
        async with asyncio.timeout(10):
            while (await consent_of(world)).get("messenger") is not False:
                pass


async def consent_of(world: World) -> dict[str, bool]:
    consent: dict[str, bool] = (await world.context.players.ref("amelia").state()).air.get("consent", {})
    return consent


async def mailed(world: World, raw: str) -> dict[str, int]:
    headers = {"Content-Type": "message/rfc822"} | await world.key("events:write")
    answer = await world.http.post("/v1/hooks/mail", content=raw.encode(), headers=headers)
    assert answer.status_code == 200
    told: dict[str, int] = answer.json()
    return told


FORGED = (
    "From: mailer-daemon@evil.example\nTo: bounces@casino.example\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n'
    "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.evil.example\n{name}\n"
    "Final-Recipient: rfc822; victim@example.com\nAction: failed\nStatus: 5.1.1\n\n--x--\n"
)


async def test_a_forged_bounce_or_complaint_marks_no_address(world: World) -> None:
    await world.happen("amelia", "identified", "m-1", traits={"email": "victim@example.com"})
    request = await known_request(world, "amelia")
    complaint = (
        "From: a@b.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=x\n\n--x\n"
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: victim@example.com\n\n--x--\n"
    )
    unknown = signed_token("req_0_ffffffffffffffffffffffff", TOKEN_SECRET)
    for raw in (
        FORGED.format(name=""),
        FORGED.format(name=f"Original-Envelope-Id: {request}\n"),
        FORGED.format(name=f"Original-Envelope-Id: {signed_token(request, 'x' * 32)}\n"),
        FORGED.format(name=f"Original-Envelope-Id: {unknown}\n"),
        complaint,
    ):
        assert (await mailed(world, raw))["noted"] == 0
    assert await receipts(world) == []
    named = FORGED.format(name=f"Original-Envelope-Id: {signed_token(request, TOKEN_SECRET)}\n")
    assert await mailed(world, named) == {"received": 1, "noted": 1}


async def test_a_mail_that_nobody_can_read_is_taken_and_counted(world: World) -> None:
    parts = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(1_000))
    assert await mailed(world, f"From: a@b.example\n{parts}") == {"received": 0, "noted": 0}
    assert world.context.counts["mails_unreadable"] == 1


async def test_a_mail_unsubscribes_from_what_the_message_was_for(world: World) -> None:
    request = await known_request(world, "amelia")
    decision = Decision(request, "spring", "promo", "cleared", 1, channel="email")
    key = TOWER.history(partition_of("amelia", PARTITIONS), "amelia")
    await world.redis.xadd(key, {"d": encode_decision(decision)})
    to = f"unsubscribe+{signed_token(request, TOKEN_SECRET)}@bounces.casino.example"
    raw = f"From: a@b.example\nTo: {to}\nSubject: unsubscribe\nAuto-Submitted: auto-generated\n\n"
    assert await mailed(world, raw) == {"received": 1, "noted": 1}
    async with asyncio.timeout(10):
        while "promo" not in (consent := await consent_of(world)):
            pass
    assert consent == {"promo": False}
