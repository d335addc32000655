"""What the control tower decided about a request, and what an in-app delivery is.

Both are stored as MessagePack maps and shown as JSON with the same names (``/v1/players/{id}/decisions``).
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Outcome = Literal["cleared", "held", "merged", "rerouted", "refused", "escalated"]
"""merged: it goes as part of another message, ``into``. escalated: it waits for a person, until ``until`` at most."""


class Alternative(Struct, frozen=True, omit_defaults=True):
    """A channel that was not taken, and why not."""

    channel: str
    reasons: tuple[str, ...] = ()
    score: int = 0  # what the message is worth to this player by this channel, as the tower weighs (crm.tower.scores)


class Decision(Struct, frozen=True, omit_defaults=True):
    """One judgement of one request. A held request has several, the last one final."""

    request_id: str
    template: str
    purpose: str
    outcome: Outcome
    at: int  # ms, the tower's turn
    policy_version: int = 0  # programme version in force
    channel: str = ""  # the one taken; "" when none was
    reasons: tuple[str, ...] = ()  # codes of crm.tower.why, in order of judgement
    until: int = 0  # ms, held: judged again then at the latest
    alternatives: tuple[Alternative, ...] = ()
    title: str = ""  # of the content, for display
    score: int = 0  # of the channel taken
    into: str = ""  # merged: id of the request whose message carries it
    consent: tuple[str, ...] = ()  # keys of the consents that were given and let it pass
    source: str = ""  # what asked for it


class Delivery(Struct, frozen=True, omit_defaults=True):
    """An in-app message on its way into the player's feed."""

    message_id: str  # the request's id: a receipt names it, a second delivery has the same
    template: str
    purpose: str
    title: str
    body: str
    at: int  # ms
    expires_at: int  # ms, not shown from then on
    action: dict[str, Any] = {}  # {"label", "url"} or empty


_encoder = msgspec.msgpack.Encoder()
_decision_decoder = msgspec.msgpack.Decoder(Decision)
_delivery_decoder = msgspec.msgpack.Decoder(Delivery)


def encode_decision(decision: Decision) -> bytes:
    """Return the stored form of a decision."""
    return _encoder.encode(decision)


def decode_decision(data: bytes) -> Decision:
    """Read a stored decision."""
    return _decision_decoder.decode(data)


def encode_delivery(delivery: Delivery) -> bytes:
    """Return the stored form of a delivery."""
    return _encoder.encode(delivery)


def decode_delivery(data: bytes) -> Delivery:
    """Read a stored delivery."""
    return _delivery_decoder.decode(data)
