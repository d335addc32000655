"""SMS by Twilio: against a stub that refuses what Twilio would, and what Twilio posts back."""

import hmac
from base64 import b64encode
from hashlib import sha1
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec import structs

from channels.factory import make_adapter
from channels.hooks import HookRequest, read_hook
from channels.ports import Inbound, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from domain.errors import Forbidden
from tests.channels.peers import Answer, Peer, Response, as_json, parcel, peer, secrets
from tests.channels.stubs import SID, TOKEN, twilio

PHONE = Address("phone", "+380501112233")
HOOK = "https://crm.example.com/v1/hooks/sms?t=abc"
NO_SID = Unclear("expected the message's sid in the answer, got none")
DOCUMENT: dict[str, Any] = {"kind": "twilio", "account_sid": SID, "auth_token": {"env": "T"}, "from": "+15005550006"}
READ = secrets({"T": TOKEN})


async def sent_to(
    receiver: Peer, *, timeout_s: float = 5, token: str = TOKEN, text: str = "Привіт, Ада!", **changes: Any
) -> Result:
    document = {**DOCUMENT, "base_url": receiver.url, "timeout_s": timeout_s}
    if sid := changes.pop("messaging_service_sid", None):
        del document["from"]
        document["messaging_service_sid"] = sid
    adapter = make_adapter("sms", document, read_secret=secrets({"T": token}))
    try:
        return await adapter.send(parcel(changes.pop("address", PHONE), {"text": text}, **changes))
    finally:
        await adapter.close()


async def test_twilio_takes_a_text_and_is_told_where_to_report() -> None:
    async with peer(twilio()) as receiver:
        assert await sent_to(receiver, status_url=HOOK) == Sent("SM" + "f" * 32, "queued")
    assert receiver.requests[0].form == {
        "To": "+380501112233",
        "From": "+15005550006",
        "Body": "Привіт, Ада!",
        "StatusCallback": HOOK,
        "ValidityPeriod": "3600",
    }


async def test_a_messaging_service_stands_for_the_sender() -> None:
    async with peer(twilio()) as receiver:
        assert isinstance(await sent_to(receiver, messaging_service_sid="MG" + "0" * 32), Sent)
    assert "From" not in receiver.requests[0].form


def error(status: int, code: int) -> Response:
    return as_json({"code": code, "message": "no", "status": status}, status)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (error(400, 21211), Rejected("21211 no", is_address_dead=True)),
        (error(400, 21610), Rejected("21610 no", is_unsubscribed=True)),
        (error(400, 21614), Rejected("21614 no", is_address_dead=True)),
        (error(400, 21408), Rejected("400 21408 no")),
        (error(400, 21617), Rejected("400 21617 no")),
        (error(401, 20003), Retry("20003 no")),
        (error(403, 20005), Retry("20005 no")),
        (error(400, 21606), Retry("21606 no")),
        (error(429, 20429), Retry("20429 no")),
        (Response(429, headers={"Retry-After": "3"}), Retry("429", after_s=3)),
        (Response(500), Retry("500")),
        (Response(503), Retry("503")),
        (Response(504), Unclear("504")),
        (Response(301, headers={"Location": "/"}), Retry("301")),
        (Response(404), Retry("404")),
        (Response(201, b"not json"), NO_SID),
        (Response(200, b"<html>Sign in</html>"), NO_SID),
        (
            as_json({"sid": None, "status": "queued"}, 201),
            NO_SID,
        ),
        (as_json({"sid": "SM1", "status": "failed", "error_code": 30007}, 201), Rejected("failed 30007")),
        (
            as_json({"code": 21211, "message": "The 'To' number +380501112233 is not valid."}, 400),
            Rejected("21211 The 'To' number ... is not valid.", is_address_dead=True),
        ),
        (Response(cut="before"), Unclear("the connection ended without an answer")),
        (Response(hangs=True), Unclear("no answer in time")),
    ],
    ids=lambda value: f"{value.status} {value.body[:14]!r}" if isinstance(value, Response) else "",
)
async def test_what_an_answer_means(outcome: Response, result: Result) -> None:
    async with peer(twilio(outcome)) as receiver:
        assert await sent_to(receiver, timeout_s=1 if outcome.hangs else 5) == result


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"token": "wrong"}, Retry("20003 Authenticate")),
        ({"address": Address("phone", "12")}, Rejected("21211 Invalid 'To' Phone Number", is_address_dead=True)),
        ({"address": Address("email", "a@b.c")}, Rejected("expected a phone number")),
        ({"address": None}, Rejected("expected a phone number")),
        ({"text": ""}, Rejected("expected a text")),
    ],
)
async def test_what_is_refused(changes: dict[str, Any], result: Result) -> None:
    async with peer(twilio()) as receiver:
        assert await sent_to(receiver, **changes) == result


def posted(fields: dict[str, str], *, url: str = HOOK, token: str = TOKEN) -> HookRequest:
    said = url + "".join(name + fields[name] for name in sorted(fields))
    signature = b64encode(hmac.digest(token.encode(), said.encode(), sha1)).decode()
    return HookRequest("POST", HOOK, {"x-twilio-signature": signature}, urlencode(fields).encode())


STATUS = {"MessageSid": "SM1", "To": "+380501112233", "From": "+15005550006", "AccountSid": SID}


@pytest.mark.parametrize(
    ("fields", "inbound"),
    [
        ({**STATUS, "MessageStatus": "queued"}, ()),
        ({**STATUS, "MessageStatus": "sent"}, ()),
        (
            {**STATUS, "MessageStatus": "delivered"},
            (Inbound("delivered", provider_id="SM1", address="+380501112233"),),
        ),
        (
            {**STATUS, "MessageStatus": "undelivered", "ErrorCode": "30003"},
            (Inbound("bounced", provider_id="SM1", address="+380501112233", detail="undelivered 30003"),),
        ),
        (
            {**STATUS, "MessageStatus": "undelivered", "ErrorCode": "30005"},
            (Inbound("bounced", 0, "SM1", "", "+380501112233", "undelivered 30005", is_address_dead=True),),
        ),
        (
            {**STATUS, "MessageStatus": "failed", "ErrorCode": "30007"},
            (Inbound("failed", provider_id="SM1", address="+380501112233", detail="failed 30007"),),
        ),
        (
            {**STATUS, "MessageStatus": "failed", "ErrorCode": "21610"},
            (Inbound("unsubscribed", provider_id="SM1", address="+380501112233", detail="failed 21610"),),
        ),
        (
            {"MessageSid": "SM2", "SmsStatus": "received", "From": "+380501112233", "Body": "Дякую"},
            (Inbound("replied", address="+380501112233", detail="Дякую"),),
        ),
        (
            {"MessageSid": "SM2", "SmsStatus": "received", "From": "+380501112233", "Body": " Stop. "},
            (Inbound("unsubscribed", address="+380501112233", detail=" Stop. "),),
        ),
        (
            {"MessageSid": "SM2", "From": "+1", "Body": "arrête", "OptOutType": "STOP"},
            (Inbound("unsubscribed", address="+1", detail="arrête"),),
        ),
    ],
)
def test_what_twilio_posts(fields: dict[str, str], inbound: tuple[Inbound, ...]) -> None:
    answer = read_hook(DOCUMENT, posted(fields), secrets=READ)
    assert tuple(structs.replace(found, mark="") for found in answer.inbound) == inbound
    assert all(found.mark.startswith(fields["MessageSid"]) for found in answer.inbound)
    assert (answer.text, answer.content_type) == ("<Response/>", "text/xml")


def test_two_texts_of_the_same_words_are_two() -> None:
    said = {"SmsStatus": "received", "From": "+380501112233", "Body": "STOP"}
    one, again, two = (
        read_hook(DOCUMENT, posted({"MessageSid": sid, **said}), secrets=READ).inbound for sid in ("SM2", "SM2", "SM3")
    )
    assert one == again != two


@pytest.mark.parametrize(
    "request_",
    [
        posted(STATUS, token="another"),
        posted(STATUS, url="https://crm.example.com/v1/hooks/sms?t=abd"),
        HookRequest("POST", HOOK, {}, urlencode(STATUS).encode()),
        HookRequest("POST", HOOK, posted(STATUS).headers, urlencode({**STATUS, "To": "+1"}).encode()),
        HookRequest("POST", HOOK, {"x-twilio-signature": "é"}, b"\xff"),
    ],
)
def test_what_is_not_signed_is_refused(request_: HookRequest) -> None:
    with pytest.raises(Forbidden):
        read_hook(DOCUMENT, request_, secrets=READ)


def test_the_signature_of_twilios_documentation() -> None:
    """The example of https://www.twilio.com/docs/usage/security."""
    from channels.twilio import is_signed

    form = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+12349013030"),
        ("Digits", "1234"),
        ("From", "+12349013030"),
        ("To", "+18005551212"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert is_signed("12345", url, form, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")
    assert not is_signed("12345", url + "0", form, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")


async def test_an_account_of_another_provider_may_stand_below_a_path() -> None:
    def answer(request: Any) -> Response:
        request.target = request.target.removeprefix("/compatible")
        return twilio()(request)

    below: Answer = answer
    async with peer(below) as receiver:
        receiver.url += "/compatible/"
        assert isinstance(await sent_to(receiver), Sent)


def test_what_twilio_says_is_kept_without_the_number() -> None:
    said = {"MessageStatus": "failed", "ErrorCode": "30007", "ErrorMessage": "to 380501112233 (+380501112233)"}
    (found,) = read_hook(DOCUMENT, posted(STATUS | said), secrets=READ).inbound
    assert found.detail == "failed 30007 to ... (...)"
