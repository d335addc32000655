"""SMS by Twilio's Messages resource, and what Twilio posts back (api version 2010-04-01).

Twilio documents no idempotency key for messages: a send without an answer is unclear.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1
from typing import Any
from urllib.parse import parse_qsl

from msgspec import structs

from channels.http import Answer, Failure, Http, of_failure, of_trouble, text_of
from channels.ports import Inbound, Parcel, Rejected, Result, Retry, Sent, Unclear
from channels.replies import outcome_of_reply
from crm.connectors import TwilioConnector

VALIDITY_MAX = 36_000  # seconds that Twilio keeps a message in its queue at most

# https://www.twilio.com/docs/api/errors
_DEAD = frozenset({21211, 21214, 21217, 21614, 21635, 30005, 30006, 30011})  # no number, landline
_CONNECTOR = frozenset({20003, 20005, 20403, 20404, 20426, 20429, 21606, 21611, 21660, 21661, 21703, 21704, 63038})
_UNSUBSCRIBED = 21610  # the number answered STOP to our sender: it lives, and may say START


class TwilioAdapter:
    """One account of Twilio."""

    kind = "twilio"
    address_kinds = frozenset({"phone"})
    is_idempotent = False

    def __init__(self, connector: TwilioConnector, auth_token: str) -> None:
        self._connector = connector
        self._url = f"{connector.base_url}/2010-04-01/Accounts/{connector.account_sid}/Messages.json"
        basic = b64encode(f"{connector.account_sid}:{auth_token}".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}", "accept": "application/json"}
        self._http = Http(timeout_s=connector.timeout_s, connections=connector.in_flight_max)

    async def send(self, parcel: Parcel) -> Result:
        """Hand a text to Twilio."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a phone number")
        if not (text := str(parcel.content.get("text") or "")):
            return Rejected("expected a text")
        answer = await self._http.post(self._url, headers=self._headers, form=self._form(parcel, text))
        if isinstance(answer, Failure):
            return of_failure(answer)
        result = _read(answer, parcel.at)
        return structs.replace(result, detail=_without(result.detail, parcel.address.value))

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()

    def _form(self, parcel: Parcel, text: str) -> dict[str, str]:
        assert parcel.address is not None
        form = {"To": parcel.address.value, "Body": text}
        if self._connector.messaging_service_sid:
            form["MessagingServiceSid"] = self._connector.messaging_service_sid
        else:
            form["From"] = self._connector.from_ or ""
        if parcel.status_url:
            form["StatusCallback"] = parcel.status_url
        left = (parcel.expires_at - parcel.at) // 1000
        form["ValidityPeriod"] = str(max(1, min(left, VALIDITY_MAX)))
        return form


def _read(answer: Answer, now: int) -> Result:
    said = answer.json()
    if 200 <= answer.status < 300:
        return _taken(said)
    code = said.get("code")
    detail = text_of(code, said.get("message"))
    if code in _CONNECTOR:
        return Retry(detail, after_s=answer.retry_after_s(now))
    if code in _DEAD or code == _UNSUBSCRIBED:
        return Rejected(detail, is_address_dead=code in _DEAD, is_unsubscribed=code == _UNSUBSCRIBED)
    return of_trouble(answer, now, detail) or (
        # Nobody who takes messages answers so: the address or the account is wrong, for every message.
        Retry(f"{answer.status} {detail}".strip()) if answer.status in (404, 405) or answer.status < 400
        else Rejected(f"{answer.status} {detail}".strip())
    )  # fmt: skip


def _without(text: str, number: str) -> str:
    """Return what Twilio said without the number: it is kept in histories."""
    digits = number.removeprefix("+")
    return text.replace(number, "...").replace(digits, "...") if len(digits) > 3 else text


def _taken(said: Mapping[str, Any]) -> Result:
    """Read a 2xx: without the id that Twilio gives every message it was not Twilio, or not whole."""
    sid, status = said.get("sid"), str(said.get("status") or "")[:40]
    if status in ("failed", "undelivered", "canceled"):
        return Rejected(text_of(status, said.get("error_code"), said.get("error_message")))
    if not isinstance(sid, str) or not sid:
        return Unclear("expected the message's sid in the answer, got none")
    return Sent(sid[:100], status)


def is_signed(auth_token: str, url: str, form: list[tuple[str, str]], signature: str) -> bool:
    """Tell whether ``X-Twilio-Signature`` is right: HMAC-SHA1 of the URL and the fields in order of their names."""
    said = url + "".join(name + value for name, value in sorted(set(form)))
    expected = b64encode(hmac.digest(auth_token.encode(), said.encode(), sha1)).decode()
    return hmac.compare_digest(expected.encode(), signature.encode())


def parse_hook(body: bytes, headers: Mapping[str, str], url: str, secret: str) -> tuple[Inbound, ...] | None:
    """Read what Twilio posted to ``url``, which must be written as Twilio was told it; None when it is not Twilio's.

    Args:
        headers: Names in lower case.
        secret: The account's auth token.
    """
    try:
        form = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200, errors="strict")
    except (ValueError, UnicodeError):
        return None
    if not is_signed(secret, url, form, headers.get("x-twilio-signature", "")):
        return None
    fields = dict(form)
    sid = fields.get("MessageSid") or fields.get("SmsSid") or ""
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    mark = f"{sid[:64]}/{status[:20]}"
    if status == "received" or (not status and "Body" in fields):
        text = fields.get("Body", "")
        outcome = "unsubscribed" if fields.get("OptOutType") == "STOP" else outcome_of_reply(text)
        return (Inbound(outcome, address=fields.get("From", ""), detail=text[:1600], mark=mark),)
    code = int(fields["ErrorCode"][:9]) if fields.get("ErrorCode", "").isdecimal() else 0
    address = fields.get("To", "")
    detail = _without(text_of(status, code or "", fields.get("ErrorMessage", "")), address)
    if status in ("delivered", "read"):
        outcome = "delivered" if status == "delivered" else "opened"
        return (Inbound(outcome, provider_id=sid, address=address, mark=mark),)
    if code == _UNSUBSCRIBED:
        return (Inbound("unsubscribed", provider_id=sid, address=address, detail=detail, mark=mark),)
    if status == "undelivered" or code in _DEAD:
        return (Inbound("bounced", 0, sid, "", address, detail, code in _DEAD, mark=mark),)
    if status in ("failed", "canceled"):
        return (Inbound("failed", provider_id=sid, address=address, detail=detail, mark=mark),)
    return ()  # accepted, scheduled, queued, sending, sent: on its way
