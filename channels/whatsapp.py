"""Messages by the WhatsApp Cloud API, and what Meta posts back.

Free text reaches only those who wrote in the last 24 hours; outside of that window an approved template is needed,
which is the operator's (``template``). There is no idempotency key. https://developers.facebook.com/docs/whatsapp/cloud-api
"""

import hmac
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import msgspec

from channels.http import Answer, Failure, Http, of_failure, of_trouble, text_of
from channels.ports import Inbound, Parcel, Rejected, Result, Retry, Sent, Unclear
from channels.replies import outcome_of_reply
from crm.connectors import WhatsAppConnector

TEXT_MAX = 4096  # characters of a text
BUTTON_TEXT_MAX = 1024  # of one with a button
LABEL_MAX = 20
CALLBACK_MAX = 512

_DEAD = frozenset({131021})  # our own number
_UNDELIVERED = 131026  # no account of WhatsApp, or an old app, or a limit of Meta's: it may go next week
_PAIR = frozenset({131056})  # too many to this number: not the provider's trouble
_LATER = frozenset({1, 2, 4, 80007, 130429, 131000, 131016, 131048, 133004, 133016})
_CONNECTOR = frozenset({0, 3, 10, 190, 368, 131005, 131031, 131042, 131045, 133010, *range(200, 300)})
_UNSUBSCRIBED = 131050


class WhatsAppAdapter:
    """One phone number of a WhatsApp Business account."""

    kind = "whatsapp"
    address_kinds = frozenset({"whatsapp"})
    is_idempotent = False

    def __init__(self, connector: WhatsAppConnector, access_token: str) -> None:
        self._template = connector.template
        self._url = f"{connector.base_url}/{connector.api_version}/{connector.phone_number_id}/messages"
        self._headers = {"authorization": f"Bearer {access_token}", "content-type": "application/json"}
        self._http = Http(timeout_s=connector.timeout_s, connections=connector.in_flight_max)

    async def send(self, parcel: Parcel) -> Result:
        """Send a text, or the connector's template filled with it."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a number of WhatsApp")
        text = str(parcel.content.get("text") or "")
        if not text or len(text) > TEXT_MAX:
            return Rejected(f"expected a text of 1 to {TEXT_MAX} characters, got {len(text)}")
        to = "".join(c for c in parcel.address.value if c in "0123456789")
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": to,
            **(self._as_template(parcel) if self._template else _as_text(parcel, text)),
            "biz_opaque_callback_data": _callback(parcel),
        }
        answer = await self._http.post(self._url, headers=self._headers, content=msgspec.json.encode(body))
        return of_failure(answer) if isinstance(answer, Failure) else _read(answer, parcel.at)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()

    def _as_template(self, parcel: Parcel) -> dict[str, Any]:
        assert self._template is not None
        # Meta refuses parameters with line ends, tabs or runs of spaces.
        values = [" ".join(str(parcel.content.get(name) or "-").split()) for name in self._template.body]
        components = [{"type": "body", "parameters": [{"type": "text", "text": value} for value in values]}]
        return {
            "type": "template",
            "template": {
                "name": self._template.name,
                "language": {"code": self._template.language},
                **({"components": components} if values else {}),
            },
        }


def _as_text(parcel: Parcel, text: str) -> dict[str, Any]:
    """Return a text with a button where WhatsApp has room for it, else with the address after it."""
    url, label = str(parcel.content.get("url") or ""), str(parcel.content.get("label") or "")
    is_link = url.startswith(("http://", "https://"))
    if is_link and label and len(label) <= LABEL_MAX and len(text) <= BUTTON_TEXT_MAX:
        action = {"name": "cta_url", "parameters": {"display_text": label, "url": url}}
        return {"type": "interactive", "interactive": {"type": "cta_url", "body": {"text": text}, "action": action}}
    if is_link and url not in text and len(text) + len(url) + 1 <= TEXT_MAX:
        text = f"{text}\n{url}"
    return {"type": "text", "text": {"preview_url": False, "body": text}}


def _callback(parcel: Parcel) -> str:
    """Return what Meta hands back with each status: the request and its player, or the request alone if too long."""
    both = msgspec.json.encode([parcel.id, parcel.player]).decode()
    return both if len(both) <= CALLBACK_MAX else parcel.id[:CALLBACK_MAX]


def _read(answer: Answer, now: int) -> Result:
    said = answer.json()
    if answer.status == 200:
        messages = said.get("messages")
        first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
        if not isinstance(number := first.get("id"), str) or not number:  # not Meta's answer, or not whole
            return Unclear("expected the message's id in the answer, got none")
        return Sent(number[:200], str(first.get("message_status") or "")[:40])
    error = said.get("error")
    error = error if isinstance(error, dict) else {}
    data = error.get("error_data")
    code = error.get("code")
    detail = text_of(code, error.get("message"), data.get("details") if isinstance(data, dict) else "")
    after_s = answer.retry_after_s(now)
    if code in _DEAD:
        return Rejected(detail, is_address_dead=True)
    if code in _PAIR:
        return Retry(detail, is_provider=False, after_s=after_s)
    if code in _LATER or code in _CONNECTOR:
        return Retry(detail, after_s=after_s)
    if code is None or answer.status >= 500 or answer.status == 429:
        trouble = of_trouble(answer, now, detail)
        # Without an error of Meta's own it was not Meta that answered, or not at this address.
        return trouble or (Retry(f"{answer.status} {detail}".strip()) if code is None else Rejected(detail))
    return Rejected(detail)


def challenge(query: str, verify_token: str) -> str | None:
    """Return what to answer when Meta sets the hook up (GET); None when it does not know our token."""
    fields = parse_qs(query, max_num_fields=50)
    token = fields.get("hub.verify_token", [""])[0]
    if fields.get("hub.mode") != ["subscribe"] or not hmac.compare_digest(token.encode(), verify_token.encode()):
        return None
    return fields.get("hub.challenge", [""])[0][:200]


def parse_hook(body: bytes, headers: Mapping[str, str], secret: str) -> tuple[Inbound, ...] | None:
    """Read statuses and messages; None when ``X-Hub-Signature-256`` is not of the app's secret.

    Args:
        headers: Names in lower case.
    """
    expected = "sha256=" + hmac.digest(secret.encode(), body, sha256).hex()
    if not secret or not hmac.compare_digest(expected.encode(), headers.get("x-hub-signature-256", "").encode()):
        return None
    try:
        return tuple(_inbound(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        return ()


def _inbound(update: object) -> Iterator[Inbound]:
    for entry in _list(update, "entry"):
        for change in _list(entry, "changes"):
            value = change.get("value")
            for status in _list(value, "statuses"):
                if (found := _status(status)) is not None:
                    yield found
            for message in _list(value, "messages"):
                if (text := _text(message)) is not None:
                    context = message.get("context")
                    about = str(context.get("id") or "") if isinstance(context, dict) else ""
                    address = str(message.get("from") or "")
                    mark, text = str(message.get("id") or "")[:200], text[:TEXT_MAX]
                    yield Inbound(outcome_of_reply(text), _ms(message), about, address=address, detail=text, mark=mark)


def _status(status: Mapping[str, Any]) -> Inbound | None:
    request, player = _called_back(str(status.get("biz_opaque_callback_data") or ""))
    errors = _list(status, "errors")
    error: Mapping[str, Any] = errors[0] if errors else {}
    code = error.get("code")
    outcome = {"delivered": "delivered", "read": "opened", "failed": "failed"}.get(str(status.get("status")), "")
    if outcome == "failed":
        outcome = (
            "bounced"
            if code in _DEAD or code == _UNDELIVERED
            else "unsubscribed"
            if code == _UNSUBSCRIBED
            else "failed"
        )
    if not outcome:
        return None  # sent: we knew
    detail = text_of(code, error.get("title") or error.get("message"))
    return Inbound(
        outcome,
        _ms(status),
        str(status.get("id") or ""),
        request,
        str(status.get("recipient_id") or ""),
        detail,
        code in _DEAD,
        player,
        f"{str(status.get('id') or '')[:200]}/{str(status.get('status'))[:20]}",
    )


def _called_back(value: str) -> tuple[str, str]:
    if not value.startswith("["):
        return value, ""
    try:
        request, player = msgspec.json.decode(value, type=tuple[str, str])
    except (ValueError, RecursionError):
        return value, ""
    return request, player


def _text(message: Mapping[str, Any]) -> str | None:
    """Return what a player wrote, or the button that was pressed."""
    for part, name in (("text", "body"), ("button", "text")):
        held = message.get(part)
        if isinstance(held, dict) and isinstance(held.get(name), str):
            return str(held[name])
    return None


def _list(value: object, name: str) -> list[dict[str, Any]]:
    found = value.get(name) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _ms(value: Mapping[str, Any]) -> int:
    stamp = str(value.get("timestamp") or "")
    return int(stamp) * 1000 if stamp.isascii() and stamp.isdigit() and len(stamp) <= 11 else 0
