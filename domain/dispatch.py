"""A cleared message on its way to a provider, and what became of it.

The tower's commit puts a ``Dispatch`` into its player's line (``store.ports.Queue``), a courier claims it, sends it and
settles it. Whatever became of it comes back as a ``Receipt`` to the tower and an event to the player.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Lane = Literal["urgent", "bulk"]
"""Lines of a channel: ``urgent`` (legal, transactional, service) goes first: a broadcast starves nobody."""
URGENT = frozenset({"legal", "transactional", "service"})

Landing = Literal["sent", "failed", "returned", "unknown", "stopped", "expired", "withdrawn"]
"""How a dispatch ended.

sent       the provider has taken it
failed     the provider refused it for good, or the last try failed: another channel may be tried
returned   it was too late or the channel is closed: it was not sent and is to be judged again
unknown    the courier died between claim and settle; a message of at most once is never sent again
stopped    an exclusion, a withdrawn consent or a suppressed address stopped it at the last moment
expired    nobody wants it any more
withdrawn  the tower took it back (its goal was met), or the programme wants no model to read it any more
"""


class Dispatch(Struct, frozen=True, array_like=True):
    """What a courier needs to send one message. Its address is read when it is sent, never kept here."""

    id: str  # the request's; the provider's idempotency key, the same at every try
    player: str
    channel: str
    purpose: str
    template: str
    content: dict[str, Any]  # rendered for the channel (``crm.content``)
    cleared_at: int  # ms
    send_until: int  # ms; claimed later it goes back to be judged: quiet hours begin, or it expires
    expires_at: int  # ms
    marks: tuple[str, ...] = ()  # if any of these is muted for the player when it is claimed, it is stopped
    source: str = ""  # journeys/<id>, campaigns/<id>, missions/<id>, api
    address: str = ""  # digest of the address it was cleared for; another one may have bounced
    policy_version: int = 0

    @property
    def lane(self) -> Lane:
        """Return the line it waits in."""
        return "urgent" if self.purpose in URGENT else "bulk"

    @property
    def is_legal(self) -> bool:
        """Tell whether an exclusion lets it pass."""
        return self.purpose == "legal"

    @property
    def once(self) -> bool:
        """Tell whether it is sent at most once (marketing); others at least once, with the same id.

        Webhooks are always sent at least once: their receiver knows the id.
        """
        return self.purpose not in URGENT and self.channel != "webhook"


_encode = msgspec.msgpack.Encoder().encode
_dispatches = msgspec.msgpack.Decoder(Dispatch)


def encode_dispatch(dispatch: Dispatch) -> bytes:
    """Return the stored form."""
    return _encode(dispatch)


def decode_dispatch(data: bytes) -> Dispatch:
    """Read a stored dispatch."""
    return _dispatches.decode(data)
