"""What the tower knows of one player: facts, recent sends, and messages that wait.

Stored in parts like a player's snapshot (``domain.player``); parts are immutable and ``is`` tells what changed.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs

from crm.tower.config import SENDS_MAX
from crm.tower.policy import UNCOUNTED, Policy
from domain.calendar import DAY_MS
from domain.entries import Fact, MessageRequest

SEEN_MAX = 512  # ended requests remembered, so that one that comes again changes nothing
WAITING_MAX = 100  # messages that wait for one player; beyond, the lowest priority is refused
CONTEXT = "context:"  # how the names of contexts' facts begin
CONTEXTS_MAX = 60  # of one player; a policy has fewer
FLYING_MAX = 100  # messages of one player on their way to providers; beyond, the next wait
BYTES_MAX = 262_144  # of the requests that wait, and of those that fly, with all their content: a part is written whole
_SENDS_KEPT_MS = 8 * DAY_MS  # seven local days, one of which may have 25 hours, and moves between zones


class Exclusion(Struct, frozen=True, array_like=True):
    """The player must not be contacted, by their own wish or the operator's."""

    reason: str
    since: int  # ms
    until: int | None = None  # ms, end of a cool-off; None: until readmitted


class Bar(Struct, frozen=True, array_like=True):
    """One reason not to contact the player; of these there may be several at once."""

    since: int  # ms
    until: int | None = None  # ms
    ends_by_itself: bool = False  # at ``until``; else only a readmission ends it


class Condition(Struct, frozen=True, array_like=True):
    """Something that goes on with the player: a support case, a round of a game."""

    open: bool = False
    since: int = 0  # ms


class Going(Struct, frozen=True, array_like=True):
    """A context that goes on with the player."""

    since: int  # ms
    until: int = 0  # ms, when time ends it; 0: only an event does


class Facts(Struct, frozen=True, array_like=True):
    """What the player's turns have told (``crm.facts``)."""

    timezone: str = ""  # IANA name, "": the programme's
    locale: str = ""
    excluded: Exclusion | None = None
    consent: dict[str, bool] = {}  # by channel, purpose or ``<product>/<channel>``
    support_case: Condition = Condition()
    round_in_play: Condition = Condition()
    merged_into: str = ""  # the id this one lives on under; nothing is sent to this one any more
    mood: str = ""  # of the open support case: negative, neutral, positive
    exclusions: dict[str, Bar] = {}  # by reason
    contexts: dict[str, Going] = {}  # by id, those that go on
    reach: dict[str, str] = {}  # by channel, digest of the address; none: it has none
    suppressed: dict[str, dict[str, str]] = {}  # by channel, digest of an address -> why nothing is sent to it
    consent_pending: tuple[str, ...] = ()  # keys that wait for their confirmation
    mood_at: int = 0  # ms, when the mood was said; 0: not known


class Send(Struct, frozen=True, array_like=True):
    """A cleared message, as caps, gaps and fatigue count it."""

    at: int  # ms; of a pending one, when it was cleared
    purpose: str
    channel: str
    request: str = ""
    source: str = ""
    group: str = ""
    pending: bool = False  # not known to be sent: it counts as sent just now, whenever it is asked
    engaged: bool = False  # opened, clicked or answered


class Waiting(Struct, frozen=True, array_like=True):
    """A held request. Its timer carries ``generation``; a timer of an older judgement is ignored."""

    request: MessageRequest
    until: int  # ms
    reasons: tuple[str, ...]
    generation: int
    tried: tuple[str, ...] = ()  # channels whose providers refused it
    approved: bool = False  # a person let it pass
    escalated: bool = False  # it waits for a person
    carries: tuple[str, ...] = ()  # ids of the requests that are part of it
    causes: tuple[str, ...] = ()  # reasons on its other channels: it is judged again when one of these ends, too
    size: int = 0  # bytes of the request; 0: held by an older version


class Flying(Struct, frozen=True, array_like=True):
    """A request on its way to a provider, until its receipt comes."""

    request: MessageRequest
    channel: str
    cleared_at: int  # ms
    generation: int = 0  # of its timers, while it waited
    tried: tuple[str, ...] = ()
    approved: bool = False
    carries: tuple[str, ...] = ()
    withdrawn: str = ""  # reason for which it was taken back, should it not have gone yet
    size: int = 0  # bytes of the request; 0: cleared by an older version


class Airspace(Struct, frozen=True):
    """The tower's state of one player at an offset. ``version`` counts commits; 0 is a player never seen."""

    player: str
    version: int = 0
    facts: Facts = Facts()
    sends: tuple[Send, ...] = ()  # those sent, oldest first, then the pending ones
    waiting: dict[str, Waiting] = {}  # by request id
    seen: tuple[int, ...] = ()  # digests of the ids of the last requests that ended, oldest first
    flying: dict[str, Flying] = {}  # by request id


PART_TYPES: dict[str, Any] = {
    "facts": Facts,
    "sends": tuple[Send, ...],
    "waiting": dict[str, Waiting],
    "seen": tuple[int, ...],
    "flying": dict[str, Flying],
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


def size_of(request: MessageRequest) -> int:
    """Return how many bytes of a stored part the request takes."""
    return len(_encoder.encode(request))


def has_seen(airspace: Airspace, request_id: str) -> bool:
    """Tell whether the request was judged before: it waits, flies, or is among the last ``SEEN_MAX`` that did."""
    return request_id in airspace.waiting or request_id in airspace.flying or _digest(request_id) in airspace.seen


def with_seen(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace remembering the request; the oldest one is forgotten at ``SEEN_MAX``."""
    return structs.replace(airspace, seen=(*airspace.seen[-SEEN_MAX + 1 :], _digest(request_id)))


def with_send(airspace: Airspace, send: Send, policy: Policy) -> Airspace:
    """Return the airspace with a send, without those too old to count; legal and transactional are not kept.

    Beyond ``SENDS_MAX`` the oldest that no cap needs go first: a cap of ``max`` needs its last ``max`` sends,
    and all caps together need fewer than ``SENDS_MAX`` (``crm.tower.config``).
    """
    if send.purpose in UNCOUNTED:
        return airspace
    sends = [*airspace.sends]
    if not send.pending and sends and (sends[-1].pending or sends[-1].at > send.at):
        place = next(n for n, other in enumerate(sends) if other.pending or other.at > send.at)
        sends.insert(place, send)
    else:
        sends.append(send)
    if sends[0].at <= send.at - _SENDS_KEPT_MS:
        sends = [old for old in sends if old.pending or old.at > send.at - _SENDS_KEPT_MS]
    if len(sends) > SENDS_MAX:
        needed = {len(sends) - 1, *(n for n, old in enumerate(sends) if old.pending)}
        for cap in policy.caps:
            matching = [n for n, old in enumerate(sends) if cap.counts(old.purpose, old.channel)]
            needed.update(matching[-cap.max :])
        sends.pop(next((n for n in range(len(sends)) if n not in needed), 0))
    return structs.replace(airspace, sends=tuple(sends))


def without_send(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace with the place given back that a pending send had taken."""
    rest = tuple(send for send in airspace.sends if not (send.pending and send.request == request_id))
    return airspace if len(rest) == len(airspace.sends) else structs.replace(airspace, sends=rest)


def with_sent(airspace: Airspace, request_id: str, at: int, policy: Policy) -> Airspace:
    """Return the airspace with a pending send settled: it was sent at that time."""
    pending = next((send for send in airspace.sends if send.pending and send.request == request_id), None)
    if pending is None:
        return airspace
    return with_send(without_send(airspace, request_id), structs.replace(pending, at=at, pending=False), policy)


def with_engaged(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace with a send marked as opened, clicked or answered."""
    if not any(send.request == request_id and not send.engaged for send in airspace.sends):
        return airspace
    sends = tuple(
        structs.replace(send, engaged=True) if send.request == request_id else send for send in airspace.sends
    )
    return structs.replace(airspace, sends=sends)


def with_waiting(airspace: Airspace, held: Waiting) -> Airspace:
    """Return the airspace with a request waiting, in place of an older judgement of the same."""
    return structs.replace(airspace, waiting={**airspace.waiting, held.request.id: held})


def without_waiting(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace without a waiting request."""
    if request_id not in airspace.waiting:
        return airspace
    rest = {name: held for name, held in airspace.waiting.items() if name != request_id}
    return structs.replace(airspace, waiting=rest)


def with_flying(airspace: Airspace, flying: Flying) -> Airspace:
    """Return the airspace with a request on its way to a provider."""
    return structs.replace(airspace, flying={**airspace.flying, flying.request.id: flying})


def without_flying(airspace: Airspace, request_id: str) -> Airspace:
    """Return the airspace without a request that was on its way."""
    rest = {name: flying for name, flying in airspace.flying.items() if name != request_id}
    return structs.replace(airspace, flying=rest)


def with_fact(airspace: Airspace, fact: Fact) -> Airspace:
    """Return the airspace with a fact taken in; a fact of a later version's name changes nothing."""
    facts, value = airspace.facts, fact.value
    match fact.name:
        case "excluded":
            facts = structs.replace(facts, excluded=_exclusion(value) if value else None)
        case "exclusions":
            bars = {reason: Bar(b["since"], b["until"], b["ends_by_itself"]) for reason, b in (value or {}).items()}
            facts = structs.replace(facts, exclusions=bars)
        case "consent" | "reach":
            facts = structs.replace(facts, **{fact.name: dict(value or {})})
        case "suppressed":
            facts = structs.replace(facts, suppressed={name: dict(held) for name, held in (value or {}).items()})
        case "consent_pending":
            facts = structs.replace(facts, consent_pending=tuple(value or ()))
        case "support_case":
            is_open, mood = value["open"], str(value.get("mood") or "")
            condition = Condition(is_open, value["since"])
            said_at = value.get("mood_at", 0) if is_open else 0
            facts = structs.replace(facts, support_case=condition, mood=mood if is_open else "", mood_at=said_at)
        case "round_in_play":
            facts = structs.replace(facts, round_in_play=Condition(value["open"], value["since"]))
        case "timezone" | "locale" | "merged_into":
            facts = structs.replace(facts, **{fact.name: value})
        case name if name.startswith(CONTEXT):
            facts = structs.replace(facts, contexts=_contexts(facts.contexts, name.removeprefix(CONTEXT), value))
        case _:
            pass
    return airspace if facts == airspace.facts else structs.replace(airspace, facts=facts)


def _exclusion(value: Mapping[str, Any]) -> Exclusion:
    return Exclusion(value["reason"], value["since"], value["until"])


def _contexts(known: Mapping[str, Going], name: str, value: Mapping[str, Any] | None) -> dict[str, Going]:
    contexts = {other: going for other, going in known.items() if other != name}
    if value and value.get("open"):
        contexts[name] = Going(value.get("since", 0), value.get("until", 0))
    for oldest in sorted(contexts, key=lambda other: contexts[other].since)[: max(0, len(contexts) - CONTEXTS_MAX)]:
        del contexts[oldest]
    return contexts


@lru_cache(maxsize=256)  # a request is looked for, and a moment later remembered
def _digest(request_id: str) -> int:
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "big")
