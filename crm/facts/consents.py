"""What the player agreed to, key by key, with time, source and proof (docs/tower.md).

A key is a channel, a purpose, or ``<product>/<channel>``. The tower hears plain answers (fact ``consent``) and which of
them wait for a confirmation (``consent_pending``); the records stay here. Each change is an effect, whose history is
the proof. What is withdrawn also mutes its mark in the store, so that nothing which waits already is sent.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from crm.facts.rules import FactRules
from crm.facts.stop_words import asks_to_stop
from crm.facts.turn import Heard
from crm.fields import Channel, Product, Purpose
from domain.calendar import DAY_MS
from domain.effects import ConsentChanged
from domain.entries import Event, MessageRequest

Record = list[Any]  # granted, at (ms), source, proof, pending; withdrawn and pending: a confirmation gives it back

RECORDS = "consents"
CONFIRMS = "consents/"  # begins ``MessageRequest.source`` of the message that asks for a confirmation; the key follows
OWN_HAND = frozenset({"one_click", "preference_centre", "reply", "complaint", "unsubscribed"})
"""Sources by which the player themselves withdrew: only a statement of its own gives such a consent again, not a trait
that a back end repeats with every login."""
CONFIRM_AGAIN_MS = 600_000  # who asks again sooner gets no second message: a form could be pressed for somebody else
CONFIRM_LIFE_MS = 2 * DAY_MS
_CHANNELS, _PURPOSES, _PRODUCTS = get_args(Channel), get_args(Purpose), get_args(Product)
KEYS = frozenset((*_CHANNELS, *_PURPOSES, *(f"{product}/{channel}" for product in _PRODUCTS for channel in _CHANNELS)))
_TEXT_MAX = 500  # characters of a proof


def known(told: Mapping[str, Any]) -> dict[str, Record]:
    """Return the records; of a player of an older version what the tower was told, without proof."""
    held: dict[str, Record] | None = told.get(RECORDS)
    if held is not None:
        return held
    return {key: [granted, 0, "", "", False] for key, granted in (told.get("consent") or {}).items()}


def on_changed(heard: Heard, event: Event, rules: FactRules) -> None:
    """Take ``consent_changed``: channel, purpose, ``product`` with ``channel``, or ``key``; ``granted``.

    ``source`` and ``proof`` (or ``wording``) are kept; ``double_opt_in: true`` asks for a confirmation whatever the
    policy says. What is malformed changes nothing.
    """
    said = event.properties
    granted = said.get("granted")
    if not isinstance(granted, bool):
        return
    source, proof = _text(said.get("source"), "event", 40), _text(said.get("proof") or said.get("wording"))
    for key in keys_of(said, is_grant=granted):
        if granted:
            _grant(heard, key, event.occurred_at, source, proof, rules, wants_proof=said.get("double_opt_in") is True)
        else:
            withdraw(heard, key, event.occurred_at, source, proof)


def on_confirmed(heard: Heard, event: Event) -> None:
    """Take ``consent_confirmed``: a consent that waited for it is given. Nothing else is: it cannot grant by itself."""
    records = known(heard.air)
    for key in keys_of(event.properties, is_grant=True):
        if key in records and records[key][4]:
            proof = _text(event.properties.get("proof")) or records[key][3]
            _keep(heard, key, [True, event.occurred_at, "double_opt_in", proof, False])


def on_traits(heard: Heard, event: Event, stated: object, rules: FactRules) -> None:
    """Take the trait ``consent``: ``{key: bool}``, or by product ``{product: {channel: bool}}``."""
    if not isinstance(stated, Mapping):
        return
    for key, granted in _flat(stated):
        held = known(heard.air).get(key)
        if granted and not (held and not held[0] and held[2] in OWN_HAND):
            _grant(heard, key, event.occurred_at, "traits", "", rules)
        elif not granted:
            withdraw(heard, key, event.occurred_at, "traits", "")


def on_message(heard: Heard, event: Event, outcome: str) -> None:
    """Take the receipts that withdraw: unsubscribed, complained, and answers with words such as STOP.

    A link's page has told the consent itself, by a key of its own choice (``api.links``).
    """
    said = event.properties
    stated = said.get("key")
    key = stated if isinstance(stated, str) and stated in KEYS else said.get("channel")
    if not isinstance(key, str) or key not in KEYS or event.source.startswith("link:"):
        return
    proof = _text(said.get("message_id"))
    if outcome == "replied" and asks_to_stop(said.get("text") or said.get("detail")):
        withdraw(heard, key, event.occurred_at, "reply", _text(said.get("text") or said.get("detail")))
    elif outcome == "complained":
        withdraw(heard, key, event.occurred_at, "complaint", proof)
    elif outcome == "unsubscribed":
        withdraw(heard, key, event.occurred_at, "unsubscribed", proof)


def withdraw(heard: Heard, key: str, at: int, source: str, proof: str) -> None:
    """Take back a consent. It never comes too late: clocks differ, and a message too few does no harm."""
    held = known(heard.air).get(key)
    if held and not held[0] and not held[4] and (held[2] in OWN_HAND or source not in OWN_HAND):
        heard.mute(key)  # the store may have been told otherwise meanwhile
        return
    _keep(heard, key, [False, at, source, proof, False])


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's consents: withdrawn by either stays withdrawn, one given by either is given.

    Of two alike the older stands, and one that is confirmed goes before one that is not. Marks are set again: the store
    knows those of the other id under that id only.
    """
    mine, brought = known(heard.air), known(theirs)
    for key, record in brought.items():
        held = mine.get(key)
        stands = record if held is None else min(held, record, key=lambda one: (one[0], one[4], one[1]))
        if held is None or stands is not held:
            _keep(heard, key, stands)
        elif not stands[0]:
            heard.mute(key)


def keys_of(said: Mapping[str, Any], *, is_grant: bool) -> tuple[str, ...]:
    """Return the keys that an event names. A product alone withdraws all its channels, and grants none."""
    product, channel, key = said.get("product"), said.get("channel"), said.get("key")
    if key is None and product is not None and channel is not None:
        key = f"{product}/{channel}"
    elif key is None and product is not None:
        return () if is_grant or product not in _PRODUCTS else tuple(f"{product}/{name}" for name in _CHANNELS)
    elif key is None:
        key = channel if channel is not None else said.get("purpose")
    return (key,) if isinstance(key, str) and key in KEYS else ()


def _grant(
    heard: Heard, key: str, at: int, source: str, proof: str, rules: FactRules, *, wants_proof: bool = False
) -> None:
    held = known(heard.air).get(key)
    channel = key.rpartition("/")[2] if key not in _PURPOSES else ""
    if held and at < held[1]:
        return
    if held and held[0] and not held[4]:
        if proof and proof != held[3]:  # the same again, under another wording
            _keep(heard, key, [True, at, source, proof, False])
        return
    if not wants_proof and channel not in rules.double_opt_in:
        _keep(heard, key, [True, at, source, proof, False])
        return
    if held and held[4] and at - held[1] < CONFIRM_AGAIN_MS:
        return
    _keep(heard, key, [held is None or held[0], at, source, proof, True])
    if rules.confirm_template:
        heard.requests.append(_confirmation(heard, key, channel, rules.confirm_template))


def _confirmation(heard: Heard, key: str, channel: str, template: str) -> MessageRequest:
    """Ask to be confirmed, by the channel in question: whoever has the address must be the one who agrees."""
    return MessageRequest(
        heard.player,
        f"{CONFIRMS}{key}/{heard.cause}",
        template,
        "transactional",
        (channel or "best",),
        requested_at=heard.at,
        expires_at=heard.at + CONFIRM_LIFE_MS,
        content={"confirm_key": key},
        cause=heard.cause,
        source=CONFIRMS + key,
    )


def _keep(heard: Heard, key: str, record: Record) -> None:
    records = known(heard.air)
    held = records.get(key)
    records = {**records, key: record}
    heard.keep(RECORDS, records)
    said = {name: granted for name, (granted, *_, pending) in records.items() if not granted or not pending}
    heard.tell("consent", said)
    heard.tell("consent_pending", sorted(name for name, (*_, pending) in records.items() if pending))
    granted, at, source, proof, pending = record
    heard.effects.append(ConsentChanged(key, granted or pending, at, source, proof, pending))
    if not granted:
        heard.mute(key)
    elif held and not held[0]:
        heard.unmute(key)


def _flat(stated: Mapping[Any, Any]) -> Iterator[tuple[str, bool]]:
    for name, said in stated.items():
        if isinstance(said, bool) and name in KEYS:
            yield name, said
        elif isinstance(said, Mapping) and name in _PRODUCTS:
            yield from ((f"{name}/{channel}", one) for channel, one in said.items() if _is_one(channel, one))


def _is_one(channel: object, granted: object) -> bool:
    return channel in _CHANNELS and isinstance(granted, bool)


def _text(value: object, default: str = "", chars_max: int = _TEXT_MAX) -> str:
    return value[:chars_max] if isinstance(value, str) and value else default
