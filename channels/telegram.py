"""Messages of a Telegram bot (Bot API ``sendMessage``), and the updates that Telegram posts back.

The Bot API has no idempotency key. The bot's token is a part of every address, so addresses never get into details.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from channels.http import Answer, Failure, Http, of_failure, of_trouble, text_of
from channels.ports import Inbound, Parcel, Rejected, Result, Retry, Sent, Unclear
from channels.replies import outcome_of_reply
from crm.connectors import TelegramConnector

TEXT_MAX = 4096  # characters, counted as UTF-16 units to be safe
_GONE = ("chat not found", "user not found", "peer_id_invalid", "user is deactivated")


class TelegramAdapter:
    """One bot."""

    kind = "telegram"
    address_kinds = frozenset({"telegram"})
    is_idempotent = False

    def __init__(self, connector: TelegramConnector, token: str) -> None:
        self._protect = connector.protect_content
        self._url = f"{connector.base_url}/bot{token}/sendMessage"
        self._http = Http(timeout_s=connector.timeout_s, connections=connector.in_flight_max)

    async def send(self, parcel: Parcel) -> Result:
        """Send a text, with its button when it has an address to open."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a chat of Telegram")
        text = str(parcel.content.get("text") or "")
        if not text or len(text.encode("utf-16-le", "replace")) // 2 > TEXT_MAX:
            return Rejected(f"expected a text of 1 to {TEXT_MAX} characters, got {len(text)}")
        body: dict[str, Any] = {"chat_id": parcel.address.value, "text": text}
        body["link_preview_options"] = {"is_disabled": True}
        if self._protect:
            body["protect_content"] = True
        url, label = str(parcel.content.get("url") or ""), str(parcel.content.get("label") or "")
        if url.startswith(("http://", "https://")):
            body["reply_markup"] = {"inline_keyboard": [[{"text": label or url, "url": url}]]}
        content = msgspec.json.encode(body)
        answer = await self._http.post(self._url, headers={"content-type": "application/json"}, content=content)
        return of_failure(answer) if isinstance(answer, Failure) else _read(answer, parcel)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()


def _read(answer: Answer, parcel: Parcel) -> Result:
    said = answer.json()
    result, parameters = said.get("result"), said.get("parameters")
    if answer.status == 200 and (said.get("ok") is True or not said):
        number = result.get("message_id") if isinstance(result, dict) else None
        if not isinstance(number, int) or parcel.address is None:  # not Telegram's answer, or not whole
            return Unclear("expected the message's id in the answer, got none")
        return Sent(f"{parcel.address.value}/{number}")
    code, words = said.get("error_code", answer.status), str(said.get("description") or "")
    detail = text_of(code, words)
    if code == 429:
        asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
        after_s = float(asked) if isinstance(asked, int) and 0 <= asked <= 86_400 else answer.retry_after_s(parcel.at)
        return Retry(detail, after_s=after_s)
    if code == 403 or (code == 400 and any(part in words.lower() for part in _GONE)):
        return Rejected(detail, is_address_dead=True)  # blocked the bot, left, or never began to talk with it
    if code in (401, 404):  # Telegram's answers for a token that is wrong
        return Retry(detail)
    return of_trouble(answer, parcel.at, words) or Rejected(detail)


def parse_hook(body: bytes, headers: Mapping[str, str], secret: str) -> tuple[Inbound, ...] | None:
    """Read an update; None when it does not bring the secret token that ``setWebhook`` was given.

    Args:
        headers: Names in lower case.
    """
    token = headers.get("x-telegram-bot-api-secret-token", "")
    if not secret or not hmac.compare_digest(token.encode(), secret.encode()):
        return None
    try:
        update = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ()
    number = update.get("update_id") if isinstance(update, dict) else None
    mark = str(number) if isinstance(number, int) else ""
    message, member = _part(update, "message"), _part(update, "my_chat_member")
    if member:
        status = _part(member, "new_chat_member").get("status")
        chat = str(_part(member, "chat").get("id", ""))
        if status != "kicked":
            return ()
        said = "blocked the bot"
        return (Inbound("bounced", _ms(member), address=chat, detail=said, is_address_dead=True, mark=mark),)
    text, chat = message.get("text"), str(_part(message, "chat").get("id", ""))
    if not isinstance(text, str) or not chat:
        return ()
    replied = _part(message, "reply_to_message").get("message_id")
    provider_id = f"{chat}/{replied}" if replied else ""
    outcome = outcome_of_reply(text.removeprefix("/"))
    return (Inbound(outcome, _ms(message), provider_id, address=chat, detail=text[:TEXT_MAX], mark=mark),)


def _part(value: object, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _ms(value: Mapping[str, Any]) -> int:
    date = value.get("date")
    return date * 1000 if isinstance(date, int) and 0 < date < 10**11 else 0
