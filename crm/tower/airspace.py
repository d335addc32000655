"""What the tower knows of one player: facts, recent sends, and messages that wait.

Stored in parts like a player's snapshot (``domain.player``); parts are immutable and ``is`` tells what changed.
"""

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs

from crm.tower.config import SENDS_MAX
from crm.tower.facts import facts_of as facts_of
from crm.tower.policy import UNCOUNTED, Policy
from domain.calendar import DAY_MS
from domain.entries import Fact, MessageRequest

AIRSPACE_SCHEMA_VERSION = 1  # of the stored parts
SEEN_MAX = 512  # ended requests remembered, so that one that comes again changes nothing
WAITING_MAX = 100  # messages that wait for one player; beyond, the lowest priority is refused
_SENDS_KEPT_MS = 8 * DAY_MS  # seven local days, one of which may have 25 hours, and moves between zones


class Exclusion(Struct, frozen=True, array_like=True):
    """The player must not be contacted, by their own wish or the operator's."""

    reason: str
    since: int  # ms
    until: int | None = None  # ms, end of a cool-off; None: until readmitted


class Condition(Struct, frozen=True, array_like=True):
    """Something that goes on with the player: a support case, a round of a game."""

    open: bool = False
    since: int = 0  # ms


class Facts(Struct, frozen=True, array_like=True):
    """What the player's turns have told (``crm.tower.facts``)."""

    timezone: str = ""  # IANA name, "": the programme's
    locale: str = ""
    excluded: Exclusion | None = None
    consent: dict[str, bool] = {}  # by channel or purpose
    support_case: Condition = Condition()
    round_in_play: Condition = Condition()
    merged_into: str = ""  # the id this one lives on under; nothing is sent to this one any more


class Send(Struct, frozen=True, array_like=True):
    """A cleared message, as caps and the minimum gap count it."""

    at: int  # ms
    purpose: str
    channel: str


class Waiting(Struct, frozen=True, array_like=True):
    """A held request. Its timer carries ``generation``; a timer of an older judgement is ignored."""

    request: MessageRequest
    until: int  # ms
    reasons: tuple[str, ...]
    generation: int


class Airspace(Struct, frozen=True):
    """The tower's state of one player at an offset. ``version`` counts commits; 0 is a player never seen."""

    player: str
    version: int = 0
    facts: Facts = Facts()
    sends: tuple[Send, ...] = ()  # oldest first
    waiting: dict[str, Waiting] = {}  # by request id
    seen: tuple[int, ...] = ()  # digests of the ids of the last requests that ended, oldest first


PART_TYPES: dict[str, Any] = {
    "facts": Facts,
    "sends": tuple[Send, ...],
    "waiting": dict[str, Waiting],
    "seen": tuple[int, ...],
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in PART_TYPES.items()}


def changed_parts(before: Airspace, after: Airspace) -> dict[str, bytes]:
    """Return the stored form of the parts that differ, by field name."""
    return {
        name: _encoder.encode(part)
        for name in PART_TYPES
        if (part := getattr(after, name)) is not getattr(before, name)
    }


def airspace_from_parts(player: str, version: int, parts: dict[str, bytes]) -> Airspace:
    """Read an airspace from its stored parts; missing ones are empty, unknown ones ignored."""
    read = {name: _decoders[name].decode(data) for name, data in parts.items() if name in _decoders}
    return Airspace(player, version, **read)


def has_seen(airspace: Airspace, request_id: str) -> bool:
    """Tell whether the request was judged before: it waits, or is among the last ``SEEN_MAX`` that ended."""
    return request_id in airspace.waiting or _digest(request_id) in airspace.seen


def with_seen(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace remembering the request; the oldest one is forgotten at ``SEEN_MAX``."""
    digest = _digest(request_id)
    others = [other for other in airspace.seen if other != digest]
    return structs.replace(airspace, seen=(*others, digest)[-SEEN_MAX:])


def with_send(airspace: Airspace, send: Send, policy: Policy) -> Airspace:
    """Return the airspace with a send, without those too old to count; legal and transactional are not kept.

    Beyond ``SENDS_MAX`` the oldest that no cap needs go first: a cap of ``max`` needs its last ``max`` sends,
    and all caps together need fewer than ``SENDS_MAX`` (``crm.config``).
    """
    if send.purpose in UNCOUNTED:
        return airspace
    sends = [*(old for old in airspace.sends if old.at > send.at - _SENDS_KEPT_MS), send]
    if len(sends) > SENDS_MAX:
        needed = {len(sends) - 1}
        for cap in policy.caps:
            matching = [n for n, old in enumerate(sends) if cap.counts(old.purpose, old.channel)]
            needed.update(matching[-cap.max :])
        sends.pop(next(n for n in range(len(sends)) if n not in needed))
    return structs.replace(airspace, sends=tuple(sends))


def with_waiting(airspace: Airspace, held: Waiting) -> Airspace:
    """Return the airspace with a request waiting, in place of an older judgement of the same."""
    return structs.replace(airspace, waiting={**airspace.waiting, held.request.id: held})


def without_waiting(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace without a waiting request."""
    if request_id not in airspace.waiting:
        return airspace
    rest = {name: held for name, held in airspace.waiting.items() if name != request_id}
    return structs.replace(airspace, waiting=rest)


def with_fact(airspace: Airspace, fact: Fact) -> Airspace:
    """Return the airspace with a fact taken in; a fact of a later version's name changes nothing."""
    facts = airspace.facts
    match fact.name:
        case "excluded":
            facts = structs.replace(facts, excluded=Exclusion(**fact.value) if fact.value else None)
        case "consent":
            facts = structs.replace(facts, consent=dict(fact.value))
        case "support_case" | "round_in_play":
            condition = Condition(fact.value["open"], fact.value["since"])
            facts = structs.replace(facts, **{fact.name: condition})
        case "timezone" | "locale" | "merged_into":
            facts = structs.replace(facts, **{fact.name: fact.value})
        case _:
            pass
    return airspace if facts == airspace.facts else structs.replace(airspace, facts=facts)


def _digest(request_id: str) -> int:
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "big")
