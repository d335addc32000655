"""Push to apps: against a token endpoint that verifies the assertion, and a stub that refuses what FCM would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from channels.factory import ConnectorUnusable, make_adapter
from channels.ports import Adapter, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from tests.channels.peers import NOW, Peer, Response, as_json, parcel, peer, secrets
from tests.channels.stubs import EMAIL, PEM, Google, fcm_error

PHONE = Address("fcm", "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1")
ACCOUNT = msgspec.json.encode(
    {"type": "service_account", "client_email": EMAIL, "private_key": PEM, "private_key_id": "1"}
).decode()
CONTENT = {
    "title": "Повернись",
    "body": "20 spins wait",
    "url": "https://lucky.example.com/play",
    "icon": "https://x/i.png",
}


@asynccontextmanager
async def connected(google: Google, **changes: Any) -> AsyncIterator[tuple[Peer, Adapter]]:
    async with peer(google) as receiver:
        google.url = receiver.url
        document = {
            "kind": "fcm",
            "project_id": "lucky-app",
            "service_account": {"env": "ACCOUNT"},
            "base_url": receiver.url,
            "token_url": receiver.url + "/token",
            "timeout_s": 5,
            **changes,
        }
        adapter = make_adapter("app", document, read_secret=secrets({"ACCOUNT": ACCOUNT}))
        try:
            yield receiver, adapter
        finally:
            await adapter.close()


async def sent(adapter: Adapter, **changes: Any) -> Result:
    return await adapter.send(parcel(PHONE, changes.pop("content", CONTENT), channel="push", **changes))


async def test_a_notification_goes_out_with_its_life_and_its_id() -> None:
    async with connected(Google()) as (receiver, adapter):
        assert await sent(adapter) == Sent("projects/lucky-app/messages/0:1500415314455276")
    message = receiver.requests[-1].json["message"]
    assert message["token"] == PHONE.value
    assert message["notification"] == {"title": "Повернись", "body": "20 spins wait", "image": "https://x/i.png"}
    assert message["data"] == {"id": "req_7_ada", "url": "https://lucky.example.com/play"}
    assert message["android"] == {"ttl": "3600s", "priority": "NORMAL", "notification": {"tag": "req_7_ada"}}
    assert message["apns"]["headers"]["apns-expiration"] == str(NOW // 1000 + 3600)
    assert message["apns"]["headers"]["apns-priority"] == "5"


async def test_a_service_message_is_urgent_and_long_ids_stay_apart() -> None:
    async with connected(Google()) as (receiver, adapter):
        for ending in "ab":
            await sent(adapter, purpose="service", id="x" * 100 + ending)
    first, second = (request.json["message"] for request in receiver.requests[1:])
    assert first["android"]["priority"] == "HIGH"
    assert first["apns"]["headers"]["apns-collapse-id"] != second["apns"]["headers"]["apns-collapse-id"]


async def test_one_token_serves_many_at_once_until_it_is_old() -> None:
    google = Google()
    async with connected(google) as (_, adapter):
        assert all(isinstance(r, Sent) for r in await asyncio.gather(*(sent(adapter) for _ in range(8))))
        assert google.tokens == 1
        await sent(adapter, at=NOW + 3_290_000, expires_at=NOW + 9_000_000)
        assert google.tokens == 1
        assert isinstance(await sent(adapter, at=NOW + 3_300_000, expires_at=NOW + 9_000_000), Sent)
        assert google.tokens == 2


async def test_a_token_that_was_withdrawn_is_fetched_again() -> None:
    google = Google()
    async with connected(google) as (_, adapter):
        await sent(adapter)
        google.tokens = 7  # the one we have is no longer the one
        assert await sent(adapter) == Retry("401 UNAUTHENTICATED ...")
        assert isinstance(await sent(adapter), Sent)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (fcm_error(404, "NOT_FOUND", "UNREGISTERED"), Rejected("404 UNREGISTERED ...", is_address_dead=True)),
        (
            fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
            Rejected("403 SENDER_ID_MISMATCH ...", is_address_dead=True),
        ),
        (fcm_error(400, "INVALID_ARGUMENT", "token"), Rejected("400 INVALID_ARGUMENT ...", is_address_dead=True)),
        (fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Rejected("400 INVALID_ARGUMENT ...")),
        (fcm_error(404, "NOT_FOUND"), Retry("404 NOT_FOUND ...")),
        (fcm_error(403, "PERMISSION_DENIED"), Retry("403 PERMISSION_DENIED ...")),
        (
            fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Retry("401 THIRD_PARTY_AUTH_ERROR ...", is_provider=False),
        ),
        (
            fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", **{"Retry-After": "12"}),
            Retry("429 QUOTA_EXCEEDED ...", after_s=12),
        ),
        (
            fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
            Retry("429 QUOTA_EXCEEDED ...", after_s=60),
        ),
        (fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), Retry("503 UNAVAILABLE ...")),
        (fcm_error(500, "INTERNAL", "INTERNAL"), Retry("500 INTERNAL ...")),
        (Response(504), Unclear("504")),
        (Response(cut="before"), Unclear("the connection ended without an answer")),
        (Response(hangs=True), Unclear("no answer in time")),
    ],
    ids=lambda value: f"{value.status} {value.body[-60:-20]!r}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(outcome: Response, result: Result) -> None:
    google = Google()
    google.outcome = lambda _request: outcome
    async with connected(google, timeout_s=1 if outcome.hangs else 5) as (_, adapter):
        assert await sent(adapter) == result


@pytest.mark.parametrize(
    "outcome",
    [
        as_json({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400),
        Response(503),
        Response(200, b"{}"),
        Response(cut="before"),
        Response(hangs=True),
    ],
    ids=lambda response: f"{response.status}{response.cut}{response.hangs}",
)
async def test_without_an_access_token_nothing_is_sent(outcome: Response) -> None:
    google = Google()
    google.token_outcome = outcome
    async with connected(google, timeout_s=1 if outcome.hangs else 5) as (receiver, adapter):
        result = await sent(adapter)
    assert isinstance(result, Retry)
    assert result.is_provider
    assert "access token" in result.detail
    assert [request.target for request in receiver.requests] == ["/token"]


async def test_what_is_too_large_is_not_sent() -> None:
    async with connected(Google()) as (receiver, adapter):
        assert isinstance(await sent(adapter, content={"title": "x", "body": "y" * 4_100}), Rejected)
    assert not receiver.requests


@pytest.mark.parametrize("account", ["hunter2", "{}", '{"client_email": "a@b", "private_key": "hunter2"}'])
def test_a_key_file_that_is_none_is_refused_and_not_repeated(account: str) -> None:
    document = {"kind": "fcm", "project_id": "lucky-app", "service_account": {"env": "ACCOUNT"}}
    with pytest.raises(ConnectorUnusable, match="connectors/app: expected the JSON key file") as error:
        make_adapter("app", document, read_secret=secrets({"ACCOUNT": account}))
    assert "hunter2" not in str(error.value)
