"""Signed tokens in the links of messages: who, which message, and what the link does. Nothing is stored for them.

A token is URL-safe base64 of a MessagePack record and the first 16 bytes of its HMAC-SHA256. It is not secret: it
names the player's id to whoever decodes it, which is why it names nothing else of them.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

LinkKind = Literal["click", "open", "unsubscribe", "preferences", "confirm", "status", "exposure"]
TOKEN_MAX = 4_096  # characters
_SIGNATURE = 16  # bytes: forging one takes 2^127 tries on average


class Link(Struct, frozen=True, array_like=True):
    """What a link does when it is opened (or posted to)."""

    kind: LinkKind
    player: str
    request: str = ""  # the message it came in
    channel: str = ""
    target: str = ""  # click: where to go; confirm, unsubscribe: the consent's key
    template: str = ""
    purpose: str = ""
    issued_at: int = 0  # ms
    draw: str = ""  # exposure: what a choice drew for the slot, <local day>:<number>; "": nothing was drawn


_encode = msgspec.msgpack.Encoder().encode
_links = msgspec.msgpack.Decoder(Link)


def sign(secret: str, link: Link) -> str:
    """Return the token of a link."""
    data = _encode(link)
    return urlsafe_b64encode(data + _signature(secret, data)).rstrip(b"=").decode()


def read(secret: str, token: str, *kinds: LinkKind) -> Link | None:
    """Return the link of a token of one of these kinds; None when it is none of ours, or of another kind."""
    if len(token) > TOKEN_MAX:
        return None
    try:
        whole = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        data, signature = whole[:-_SIGNATURE], whole[-_SIGNATURE:]
        if not hmac.compare_digest(signature, _signature(secret, data)):
            return None
        link = _links.decode(data)
    except (ValueError, msgspec.DecodeError):  # not base64, not ASCII, not a record
        return None
    return link if link.kind in kinds else None


def _signature(secret: str, data: bytes) -> bytes:
    return hmac.digest(b"playtower-link:" + secret.encode(), data, sha256)[:_SIGNATURE]
