"""Segment bodies to domain events. Pure: time, ids and masks are handed in.

Accepted as Segment's clients send it (docs/events.md); what no client sends is refused with the field's path. Other
calls than ``track`` become events of a fixed name: ``identified page_viewed screen_viewed grouped aliased``.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from api.learning import Learning
from api.mappings import Mappings
from api.masks import Changes, EventMask, Rejection, id_fault
from api.names import snake_case
from api.values import parse_time
from crm.facts.exclusions import LIFTED_BY
from domain.entries import Event, encode_entry
from domain.ids import ANONYMOUS_PREFIX, NOBODY
from domain.spelling import spelled
from store.intake import buckets
from store.ports import Incoming

TYPES = ("track", "identify", "page", "screen", "group", "alias")
NAMES = {
    "identify": "identified",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "group": "grouped",
    "alias": "aliased",
}
DEPTH_MAX = 10  # containers inside each other, ``properties`` counting as the first
PROPERTIES_MAX = 300  # keys, nested ones included
ITEMS_MAX = 4_000  # of lists, all together
STRING_MAX = 100 * 1024
CHANGES_MAX = 20  # noted of one event; the last one counts those beyond
CHANGE_MAX = 200  # characters of a path, and of what was done
INTEGER_MAX = 2**63
FUTURE_MAX_MS = 5 * 60_000
CLOCK_WRONG_MAX_MS = 400 * 86_400_000  # a sender's clock further ahead would make a dedupe bucket that never expires
SKEW_TOLERANCE_MS = 10_000  # less between sentAt and arrival is the network, not the sender's clock
RESERVED = ("cmd:", "confirm:", "consent:", "device:", "gate:", "letter:", "msg:", "plc:")
"""What begins the ids of commands and of the engine's own events: who sent one first would have those dropped."""
LIFTING = frozenset((*LIFTED_BY, "suppression_lifted", "consent_confirmed"))
"""Events that end what protects a player: whoever sends these acts for the player, as an operator who readmits does."""
NEEDS_SCOPE = "needs_scope"
_OWN_PREFIXES = (ANONYMOUS_PREFIX, *NOBODY)

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_PATH = re.compile(r" - at `\$\.?([^`]*)`")


class Segment(Struct, rename="camel", gc=False):
    """One call of a Segment client; unknown keys are ignored."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    message_id: str | None = None
    timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    group_id: str | int | None = None
    previous_id: str | int | None = None
    write_key: str | None = None


class Batch(Struct, rename="camel", gc=False):
    """The body of a batch; its events stay raw so that a bad one does not refuse the others."""

    batch: list[msgspec.Raw] | None = None
    sent_at: str | int | float | None = None
    write_key: str | None = None


class _Named(Struct, rename="camel"):
    message_id: Any = None
    user_id: Any = None


decode_segment = msgspec.json.Decoder(Segment).decode
decode_batch = msgspec.json.Decoder(Batch).decode
_decode_named = msgspec.json.Decoder(_Named).decode


class Rules(Struct, frozen=True):
    """What holds for one HTTP call."""

    now: int  # ms, arrival
    new_id: Callable[[], str]
    masks: dict[str, EventMask]
    lateness_max_ms: int
    max_event: int
    recorded: bool = False  # a store with ``clock: log``: the timestamp is the time, nothing is late
    client: bool = False  # only events marked ``client: true``
    lifts: bool = False  # may send what lifts a protection of the player (``LIFTING``)
    player: str = ""  # of a token: only its own
    source: str = ""
    reply_to: str = ""
    message_id: str = ""  # overrides the event's own: a replay
    shift: int = 0  # ms, of the batch's sentAt
    mappings: Mappings = Mappings()  # of this sender
    learning: Learning | None = None  # notes what has no configuration


class Accepted(Struct, frozen=True, gc=False):
    """One event that is right."""

    entry: Incoming
    made: bool  # its message id was missing
    changes: tuple[tuple[str, str], ...] = ()  # (path, what was done), for the receipt


def shift_of(sent_at: str | float | None, now: int) -> int:
    """Return how far the sender's clock is behind (ms), 0 when it is about right or cannot be told."""
    if sent_at is None:
        return 0
    try:
        shift = now - parse_time(sent_at)
    except ValueError:
        return 0
    return shift if abs(shift) > SKEW_TOLERANCE_MS else 0


def read_event(raw: bytes, kind: str | None, rules: Rules) -> Accepted:
    """Return the log entry of one raw event.

    Args:
        kind: What the path says it is; None: the body's ``type`` says.

    Raises:
        Rejection: this event is refused for good.
        msgspec.DecodeError: it is not JSON at all (and so neither is the body it came in).
    """
    if len(raw) > rules.max_event:
        raise Rejection("too_large", f"expected at most {rules.max_event} bytes, got {len(raw)}")
    try:
        body = decode_segment(raw)
    except msgspec.ValidationError as error:
        raise _undecodable(error) from error
    return normalise(body, raw, kind, rules)


def normalise(body: Segment, raw: bytes, kind: str | None, rules: Rules) -> Accepted:
    """Return the log entry of one decoded event.

    Raises:
        Rejection: this event is refused for good.
    """
    changes: Changes = []
    player = _player(body, rules)
    message_id, made = _message_id(body, rules)
    kind = kind or body.type or "track"
    anonymous = _anonymous(body, player, kind, rules, changes) if body.anonymous_id is not None else ""
    properties, traits, context = body.properties or {}, body.traits or {}, body.context or {}
    if kind == "track":
        name = snake_case(body.event) if body.event else ""
        if not name:
            raise Rejection("no_event", "expected the event's name", "event")
    else:
        name = NAMES.get(kind, "")
        if not name:
            raise Rejection("bad_event", f"expected a type out of {', '.join(TYPES)}, got {kind[:40]!r}", "type")
        properties = _own_properties(body, kind, properties)
        if kind != "identify":
            traits = {}
    _check_values(properties, traits, context, raw)

    stated = None if body.timestamp is None else _stated_time(body.timestamp)
    # over what the sender says and resends: not sentAt, context, integrations, nor what the configuration makes of it
    said = blake2b(_encode((player, kind, name, stated, properties, traits)), digest_size=8).hexdigest()
    mappings = rules.mappings
    if mappings.events and kind == "track" and (ours := mappings.events.get(spelled(name), name)) != name:
        changes.append(("event", f"renamed from {name[:CHANGE_MAX]!r}"))
        name = ours
    mask = rules.masks.get(name)
    if rules.client and (mask is None or not mask.client):
        raise Rejection("not_allowed", f"the configuration does not let clients send {name!r}", "event")
    if name in LIFTING and not rules.lifts:
        raise Rejection(NEEDS_SCOPE, f"{name!r} needs a server key with scope players:write too", "event")
    occurred = rules.now if stated is None else _occurred(stated, body, rules)
    if mappings.any_event or mappings.properties:
        properties = mappings.properties_of(name, properties, changes)
    if traits:
        traits = mappings.traits_of(traits, context, changes)
    if rules.learning is not None:
        if mask is None or not mask.properties:
            rules.learning.event(name, properties)
        if traits:
            rules.learning.traits(traits, mappings.configured)
    if mask is not None:
        properties = mask.applied(properties, changes, mappings.country_of(traits, context) if mask.phones else "")
    noted = _noted(changes) if changes else ()
    event = Event(
        player, message_id, name, occurred, properties, traits, context, kind, rules.reply_to, rules.source, noted,
        anonymous=anonymous,
    )  # fmt: skip
    try:
        entry = encode_entry(event)
    except OverflowError as error:
        raise Rejection("number_out_of_range", "expected integers within 64 bits", "context") from error
    bucket, other = buckets(stated, rules.now)
    return Accepted(Incoming(player, message_id, said, bucket, entry, other, occurred), made, noted)


def _noted(changes: Changes) -> tuple[tuple[str, str], ...]:
    """Return the changes as they are kept: bounded in number and length."""
    kept = tuple((path[:CHANGE_MAX], done[:CHANGE_MAX]) for path, done in changes[:CHANGES_MAX])
    more = len(changes) - CHANGES_MAX
    return (*kept[:-1], ("", f"{more + 1} more")) if more > 0 else kept


def named(raw: bytes) -> tuple[str | None, str]:
    """Return the message id and the player that a rejected event states, as far as they can be read."""
    try:
        found = _decode_named(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, ""
    message_id = found.message_id if isinstance(found.message_id, str) and not id_fault(found.message_id) else None
    return message_id, str(found.user_id)[:256] if isinstance(found.user_id, str | int) else ""


def _player(body: Segment, rules: Rules) -> str:
    user, anonymous = body.user_id, body.anonymous_id
    if user is not None and user != "":
        player, path = user if type(user) is str else str(user), "userId"
    elif rules.player:
        return rules.player
    elif anonymous is not None and anonymous != "":
        player, path = f"{ANONYMOUS_PREFIX}{anonymous}", "anonymousId"
    else:
        player, path = _mapped_player(body, rules.mappings)
    if fault := id_fault(player):
        raise Rejection("bad_id", fault, path)
    if ":" in player and player.startswith(_OWN_PREFIXES) and path != "anonymousId" and player != rules.player:
        raise Rejection(
            "bad_id",
            f"ids that begin with {player.partition(':')[0]}: are the engine's; send an anonymousId as such",
            path,
        )
    if rules.player and player != rules.player:
        raise Rejection("not_allowed", "a player token sends events of its own player only", path)
    return player


def _mapped_player(body: Segment, mappings: Mappings) -> tuple[str, str]:
    """Return the player's id from where the mapping says it is, and that path."""
    for root, name in mappings.player:
        value = ((body.properties if root == "properties" else body.traits) or {}).get(name)
        if type(value) in (str, int) and value != "":
            return str(value), f"{root}.{name}"
    raise Rejection("no_player", "expected userId or anonymousId", "userId")


def _anonymous(body: Segment, player: str, kind: str, rules: Rules, changes: Changes) -> str:
    """Return the routing id of an anonymousId that came beside the player's id, "" when there is none or it is bad.

    A public key proves nobody's identity, and a merge is for good: its events link ids only by ``identify``, which
    the configuration must have opened to clients.
    """
    if body.anonymous_id == "":
        return ""
    if rules.client and not rules.player and kind != "identify" and body.user_id:
        changes.append(("anonymousId", "ignored: with a public key only identify joins ids"))
        return ""
    anonymous = f"{ANONYMOUS_PREFIX}{body.anonymous_id}"
    if fault := id_fault(anonymous):
        changes.append(("anonymousId", f"ignored: {fault}"))
        return ""
    return "" if anonymous == player else anonymous


def _message_id(body: Segment, rules: Rules) -> tuple[str, bool]:
    if rules.message_id:
        return rules.message_id, False
    if not body.message_id:
        return rules.new_id(), True
    if fault := id_fault(body.message_id):
        raise Rejection("bad_id", fault, "messageId")
    if body.message_id.startswith(RESERVED):
        prefix = body.message_id.partition(":")[0]
        raise Rejection("bad_id", f"ids that begin with '{prefix}:' are the engine's", "messageId")
    return body.message_id, False


def _own_properties(body: Segment, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Add what a call other than track says beside its properties."""
    stated: dict[str, Any] = {}
    if kind in ("page", "screen"):
        stated = {"name": body.name, "category": body.category}
    elif kind == "group":
        stated = {"group_id": body.group_id, "traits": body.traits}
    elif kind == "alias":
        stated = {"previous_id": body.previous_id}
    said = {name: value for name, value in stated.items() if value is not None}
    own = {**said, **properties} if said else properties
    if kind == "alias" and str(own.get("previous_id")).startswith(NOBODY):
        prefix = str(own["previous_id"]).partition(":")[0]
        raise Rejection("bad_id", f"ids that begin with {prefix}: are the engine's", "previousId")
    return own


def _check_values(properties: dict[str, Any], traits: dict[str, Any], context: dict[str, Any], raw: bytes) -> None:
    """Check numbers, and sizes only where the bytes let them be over a limit: this is the hot path."""
    nested = raw.count(b"{") + raw.count(b"[")
    if nested > DEPTH_MAX or raw.count(b":") > PROPERTIES_MAX or len(raw) > STRING_MAX:
        for name, values in (("properties", properties), ("traits", traits), ("context", context)):
            _Walk().check(values, name, 1)
        return
    for values in (properties, traits):
        for name, value in values.items():
            kind = type(value)
            if kind is int:
                if not -INTEGER_MAX <= value < INTEGER_MAX:
                    raise _out_of_range("traits" if values is traits else "properties", name)
            elif kind is dict or kind is list:
                _Walk().check(value, f"{'traits' if values is traits else 'properties'}.{name}", 2)


class _Walk:
    """Goes through nested values, counting."""

    __slots__ = ("items", "keys")

    def __init__(self) -> None:
        self.keys = self.items = 0

    def check(self, value: Any, path: str, depth: int) -> None:
        """Raise ``Rejection`` at the first value over a limit. The parser bounded the recursion before."""
        kind = type(value)
        if kind is dict or kind is list:
            if depth > DEPTH_MAX:
                raise Rejection("too_deep", f"expected at most {DEPTH_MAX} levels", path)
            if kind is dict:
                self.keys += len(value)
                if self.keys > PROPERTIES_MAX:
                    raise Rejection("too_many_properties", f"expected at most {PROPERTIES_MAX}", path)
                for name, item in value.items():
                    self.check(item, f"{path}.{name}"[:300], depth + 1)
            else:
                self.items += len(value)
                if self.items > ITEMS_MAX:
                    raise Rejection("too_many_items", f"expected at most {ITEMS_MAX}", path)
                for place, item in enumerate(value):
                    self.check(item, f"{path}.{place}"[:300], depth + 1)
        elif kind is int:
            if not -INTEGER_MAX <= value < INTEGER_MAX:
                raise _out_of_range(path)
        elif kind is str and len(value) > STRING_MAX:
            raise Rejection("too_large", f"expected a string of at most {STRING_MAX} characters", path)


def _out_of_range(*path: str) -> Rejection:
    return Rejection("number_out_of_range", "expected an integer within 64 bits, signed", ".".join(path)[:300])


def _stated_time(value: str | float) -> int:
    try:
        return parse_time(value)
    except (ValueError, OverflowError) as error:
        raise Rejection("bad_timestamp", f"expected ISO 8601, got {str(value)[:60]!r}", "timestamp") from error


def _occurred(stated: int, body: Segment, rules: Rules) -> int:
    """Return the event's own time, corrected by the sender's clock and bounded."""
    if rules.recorded:
        return stated
    shift = rules.shift if body.sent_at is None else shift_of(body.sent_at, rules.now)
    occurred = stated + shift
    if occurred < rules.now - rules.lateness_max_ms:
        raise Rejection("too_late", f"older than {rules.lateness_max_ms // 1000} s", "timestamp")
    if occurred > rules.now + FUTURE_MAX_MS or stated > rules.now + CLOCK_WRONG_MAX_MS:
        raise Rejection("in_future", f"more than {FUTURE_MAX_MS // 1000} s after its arrival", "timestamp")
    return occurred


def _undecodable(error: msgspec.ValidationError) -> Rejection:
    text = str(error)
    path = found[1].replace("[...]", ".*") if (found := _PATH.search(text)) else ""
    code = "number_out_of_range" if "out of range" in text else "bad_event"
    return Rejection(code, _PATH.sub("", text), path)
