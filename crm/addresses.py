"""Where a player can be reached: read when a message is sent, so it is never the address of last week.

The tower knows digests only (fact ``reach``): enough to tell that there is one, and which one bounced.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from msgspec import Struct

DEVICES_MAX = 10  # of one player; the oldest are forgotten
REACHABLE = ("email", "sms", "push", "messenger")  # channels that need an address of the player
_CHAT = re.compile(r"-?[0-9]{1,19}")  # what Telegram calls a chat; ``@name`` would be a public channel


class Address(Struct, frozen=True):
    """One way to reach a player."""

    kind: str  # email phone web_push fcm telegram whatsapp
    value: str  # address, number in E.164, endpoint, registration token, chat id
    keys: Mapping[str, str] = {}  # web_push: p256dh and auth

    @property
    def digest(self) -> str:
        """Return what the tower and the receipts call it."""
        return digest_of(self.value)


def digest_of(value: str) -> str:
    """Return the 16 hex digits that stand for an address wherever it need not be known."""
    return blake2b(value.strip().lower().encode(), digest_size=8).hexdigest()


def addresses_of(traits: Mapping[str, Any], devices: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Address, ...]]:
    """Return a player's addresses by channel, the best first; channels without one are left out.

    Args:
        traits: ``email``; ``phone`` (sms, and WhatsApp when ``whatsapp`` is true or a number); ``telegram_chat_id``
            (an integer).
        devices: Registered ones by digest: {"kind": web_push | fcm, "value", "keys", "seen_at"} (``air["devices"]``).
    """
    found: dict[str, list[Address]] = {}
    if email := _text(traits.get("email")):
        found["email"] = [Address("email", email)]
    phone = _text(traits.get("phone"))
    if phone:
        found["sms"] = [Address("phone", phone)]
    if _CHAT.fullmatch(chat := _text(traits.get("telegram_chat_id"))):
        found.setdefault("messenger", []).append(Address("telegram", chat))
    whatsapp = traits.get("whatsapp")
    if number := phone if whatsapp is True else _text(whatsapp):
        found.setdefault("messenger", []).append(Address("whatsapp", number))
    for device in sorted(devices.values(), key=lambda held: (-int(held.get("seen_at", 0)), str(held.get("value")))):
        address = Address(str(device["kind"]), str(device["value"]), dict(device.get("keys") or {}))
        found.setdefault("push", []).append(address)
    return {channel: tuple(addresses) for channel, addresses in found.items()}


def _text(value: object) -> str:
    """Return a trait as text: chat ids come as numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()[:512]
