"""What providers report reaches the log of the player it is about, and nothing else does."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from actors.requests import request_id
from api.hooks import BODY_MAX, MAIL_MAX, note
from api.request_ids import request_partition
from channels.ports import Inbound
from crm.addresses import digest_of
from domain.ids import partition_of
from domain.links import Link, sign
from store.keys import requests
from store.provider_ids import Posted, ProviderIds
from tests.api.test_message_links import logged
from tests.api.world import PARTITIONS, PROGRAMME, TOKEN_SECRET, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

AUTH, BOT, APP, VERIFY = "an-auth-token", "a-bot-secret", "an-app-secret", "a-verify-token"
URL = "http://gateway/v1/hooks/sms"
CONNECTORS: dict[str, dict[str, Any]] = {
    "sms": {"kind": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": {"env": "T_AUTH"}, "from": "+15005550006"},
    "bot": {"kind": "telegram", "token": {"env": "T_BOT"}, "hook_secret": {"env": "T_BOT"}},
    "wa": {
        "kind": "whatsapp",
        "phone_number_id": "1",
        "access_token": {"env": "T_APP"},
        "app_secret": {"env": "T_APP"},
        "verify_token": {"env": "T_VERIFY"},
    },
    "mail": {"kind": "smtp", "host": "mail.example", "from": "Lucky <news@example.com>"},
    "web": {"kind": "web_push", "vapid_private_key": {"env": "T_VAPID"}, "subject": "mailto:ops@example.com"},
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"T_AUTH": AUTH, "T_BOT": BOT, "T_APP": APP, "T_VERIFY": VERIFY}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish({**PROGRAMME, "connectors": CONNECTORS})
        await made.context.programme.refresh()
        yield made


async def twilio(world: World, *, token: str = "", signed: str = "", **fields: str) -> httpx.Response:
    url = URL + (f"?t={token}" if token else "")
    said = url + "".join(name + value for name, value in sorted(fields.items()))
    signature = signed or b64encode(hmac.digest(AUTH.encode(), said.encode(), sha1)).decode()
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return await world.http.post(url, content=urlencode(fields), headers=headers)


async def receipts(world: World) -> list[Any]:
    return [event for event in await logged(world.redis) if event.type == "message"]


async def known_request(world: World, player: str) -> str:
    request = request_id(partition_of(player, PARTITIONS), player, "cmd:k")
    await world.redis.hset(requests(partition_of(player, PARTITIONS)), request, player)
    return request


async def test_a_status_by_the_signed_token_is_noted_once_however_often_it_comes(world: World) -> None:
    link = Link("status", "amelia", "req_1_0123456789abcdef", "sms", template="spring", purpose="promo")
    for _ in range(2):
        answer = await twilio(world, token=sign(TOKEN_SECRET, link), MessageSid="SM1", MessageStatus="delivered")
        assert (answer.status_code, answer.text) == (200, "<Response/>")
    (event,) = await receipts(world)
    assert (event.player, event.name, event.source) == ("amelia", "message_delivered", "hook:sms")
    assert event.properties["message_id"] == "req_1_0123456789abcdef"
    assert (event.properties["template"], event.properties["purpose"]) == ("spring", "promo")


async def test_a_status_by_the_providers_own_id_finds_the_message(world: World) -> None:
    posted = Posted("amelia", "req_1_0123456789abcdef", "sms", "spring", "promo", "0011223344556677")
    await ProviderIds(world.redis).remember([("sms", "SM2", posted)])
    await twilio(world, MessageSid="SM2", MessageStatus="undelivered", ErrorCode="30005", To="+441632960001")
    (event,) = await receipts(world)
    assert (event.player, event.name) == ("amelia", "message_bounced")
    assert event.properties["address"] == "0011223344556677"
    assert event.properties["is_address_dead"] is True


async def test_an_answer_is_found_by_the_address(world: World) -> None:
    await world.happen("amelia", "identified", "m-1", traits={"phone": "+441632960001"})
    async with asyncio.timeout(10):
        while not await receipts(world):
            await twilio(world, MessageSid="SM3", Body="Stop", From="+441632960001")
    (event, *_) = await receipts(world)
    assert (event.player, event.properties["detail"]) == ("amelia", "Stop")
    assert event.properties["address"] == digest_of("+441632960001")
    await world.until("/v1/players/amelia", lambda answer: answer["version"] >= 1)


async def test_who_asks_to_stop_again_after_agreeing_again_is_heard(world: World) -> None:
    async def said(granted: bool | None) -> None:
        await world.until("/v1/players/amelia", lambda answer: answer["traits"].get("phone") is not None)
        async with asyncio.timeout(10):
            while (await world.context.players.ref("amelia").state()).air.get("consent", {}).get("sms") is not granted:
                pass

    await world.happen("amelia", "identified", "m-1", traits={"phone": "+441632960001"})
    async with asyncio.timeout(10):
        while not await receipts(world):
            await twilio(world, MessageSid="SM1", Body="Stop", From="+441632960001")
    await said(False)
    again = {"channel": "sms", "granted": True, "source": "form"}
    await world.happen("amelia", "consent_changed", "c-1", properties=again)
    await said(True)
    for _ in range(2):  # the first STOP, delivered late once more: no news
        await twilio(world, MessageSid="SM1", Body="Stop", From="+441632960001")
    assert len(await receipts(world)) == 1
    await twilio(world, MessageSid="SM2", Body="Stop", From="+441632960001")
    await said(False)


@pytest.mark.parametrize(
    ("inbound", "count"),
    [
        pytest.param(Inbound("unsubscribed", address="+441632960001", detail="STOP"), 2, id="unsubscribed"),
        pytest.param(Inbound("replied", address="+441632960001", detail="please stop"), 2, id="a word to stop"),
        pytest.param(Inbound("replied", address="+441632960001", detail="thanks"), 1, id="another answer"),
        pytest.param(Inbound("unsubscribed", address="+441632960001", mark="7"), 1, id="named by the vendor"),
    ],
)
async def test_what_withdraws_is_never_taken_for_the_same_again_unless_the_vendor_names_it(
    world: World, inbound: Inbound, count: int
) -> None:
    link = Link("status", "amelia", "req_1_0123456789abcdef", "sms")
    for _ in range(2):
        started = world.context.clock.now_ms()
        assert await note(world.context, "sms", "twilio", [inbound], link) == 1
        while world.context.clock.now_ms() == started:
            pass
    assert len(await receipts(world)) == count


async def test_a_report_about_nobody_we_know_is_taken_and_counted(world: World) -> None:
    answer = await twilio(world, MessageSid="SM9", MessageStatus="delivered", To="+441632960009")
    assert answer.status_code == 200
    assert await receipts(world) == []
    assert world.context.counts["hooks_unmatched"] == 1


@pytest.mark.parametrize("signed", ["wrong", "", "0" * 28])
async def test_what_is_not_signed_by_the_vendor_is_refused(world: World, signed: str) -> None:
    answer = await twilio(world, signed=signed or "none", MessageSid="SM1", MessageStatus="delivered")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert world.context.counts["hooks_refused"] == 1
    assert await receipts(world) == []


async def test_a_hook_whose_secret_is_missing_does_not_tell_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("T_AUTH")
    answer = await world.http.post("/v1/hooks/sms", content=b"")
    assert (answer.status_code, answer.json()["code"]) == (403, "hook_closed")
    assert "T_AUTH" not in answer.text


async def test_who_unsubscribes_by_mail_gives_up_the_purpose_as_by_one_click(world: World) -> None:
    link = Link("status", "amelia", "req_1_0123456789abcdef", "email", purpose="promo")
    await note(world.context, "mail", "smtp", [Inbound("unsubscribed", mark="<1@mail.example>")], link)
    async with asyncio.timeout(10):
        while not (told := (await world.context.players.ref("amelia").state()).air.get("consent")):
            pass
    assert told == {"promo": False}


async def test_a_token_that_is_not_ours_is_refused_before_anything_is_read(world: World) -> None:
    wrong = sign("another secret of thirty-two bytes", Link("status", "amelia"))
    other_kind = sign(TOKEN_SECRET, Link("click", "amelia"))
    for token in (wrong, other_kind, "nonsense"):
        answer = await twilio(world, token=token, MessageSid="SM1", MessageStatus="delivered")
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_token")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("/v1/hooks/nobody", 404, "connector_not_found", id="an unknown connector"),
        pytest.param("/v1/hooks/web", 404, "no_hook", id="a kind without a hook"),
    ],
)
async def test_other_connectors_are_not_found(world: World, path: str, status: int, code: str) -> None:
    answer = await world.http.post(path, content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_whatsapp_names_our_request_and_asks_whether_the_hook_is_ours(world: World) -> None:
    request = await known_request(world, "amelia")
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444"}
    answer = await world.http.get("/v1/hooks/wa", params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    wrong = await world.http.get("/v1/hooks/wa", params=query | {"hub.verify_token": "guess"})
    assert wrong.status_code == 403

    status = {"id": "wamid.1", "status": "read", "timestamp": "1", "recipient_id": "441632960001"}
    status |= {"biz_opaque_callback_data": request}
    body = msgspec.json.encode({"entry": [{"changes": [{"value": {"statuses": [status, {**status, "id": "x"}]}}]}]})
    signature = "sha256=" + hmac.digest(APP.encode(), body, sha256).hex()
    answer = await world.http.post("/v1/hooks/wa", content=body, headers={"X-Hub-Signature-256": signature})
    assert answer.json() == {"received": 2, "noted": 2}
    for event in await receipts(world):
        assert (event.player, event.name, event.properties["message_id"]) == ("amelia", "message_opened", request)
        oldest = world.context.clock.now_ms() - world.context.settings.lateness_max_s * 1000 - 60_000
        assert event.occurred_at > oldest, "a vendor's clock of 1970 was believed"


async def test_a_bot_needs_the_secret_that_it_was_given(world: World) -> None:
    body = msgspec.json.encode({"message": {"text": "hello", "chat": {"id": 7}, "date": 1_764_000_000}})
    assert (await world.http.post("/v1/hooks/bot", content=body)).status_code == 403
    headers = {"X-Telegram-Bot-Api-Secret-Token": BOT}
    assert (await world.http.post("/v1/hooks/bot", content=body, headers=headers)).json()["received"] == 1


async def test_a_bounce_by_mail_needs_a_key_or_the_hooks_token(world: World) -> None:
    path, mail = "/v1/hooks/mail", {"Content-Type": "message/rfc822"}
    raw = b"From: a@b.example\r\nSubject: hi\r\n\r\nhello\r\n"
    world.http.headers.pop("authorization", None)
    assert (await world.http.post(path, content=raw, headers=mail)).status_code == 401
    weak = mail | await world.key("players:read")
    assert (await world.http.post(path, content=raw, headers=weak)).status_code == 403
    strong = mail | await world.key("events:write")
    assert (await world.http.post(path, content=raw, headers=strong)).json() == {"received": 0, "noted": 0}
    no_mail = await world.http.post(path, content=raw, headers=strong | {"Content-Type": "application/json"})
    assert (no_mail.status_code, no_mail.json()["code"]) == (400, "mail_expected")
    writer = await world.key("config:write")
    given = (await world.http.post("/v1/channels/mail/hook-token", headers=writer)).json()["path"]
    assert (await world.http.post(given, content=raw, headers=mail)).status_code == 200
    elsewhere = sign(TOKEN_SECRET, Link("status", "", channel="email", target="hooks/other"))
    assert (await world.http.post(f"{path}?t={elsewhere}", content=raw, headers=mail)).status_code == 401


async def test_bodies_are_bounded(world: World) -> None:
    assert (await world.http.post("/v1/hooks/sms", content=b"x" * (BODY_MAX + 1))).status_code == 413
    mail = {"Content-Type": "message/rfc822"}
    assert (await world.http.post("/v1/hooks/mail", content=b"x" * (MAIL_MAX + 1), headers=mail)).status_code == 413


@pytest.mark.parametrize(
    ("request_id", "partition"),
    [
        ("req_3_0123456789abcdef", 3),
        ("req_4_0123456789abcdef", None),
        ("req_-1_0123456789abcdef", None),
        ("req_zz_0123456789abcdef", None),
        ("req_3_short", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_requests_id_names_its_partition(request_id: str, partition: int | None) -> None:
    assert request_partition(request_id, PARTITIONS) == partition
