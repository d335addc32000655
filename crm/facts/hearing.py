"""What one entry tells: the order in which this package's ideas are asked, and which entries tell nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from crm.facts import (
    cases,
    consents,
    contexts,
    devices,
    exclusions,
    goals,
    places,
    receipts,
    suppression,
    tones,
)
from crm.facts.rules import FactRules
from crm.facts.turn import Heard
from domain.context import Context, PlayerContext
from domain.entries import Command, Entry, Event, Fact, MergeAsked, Merged, MessageRequest
from domain.ids import survivor
from domain.player import Snapshot
from domain.receipts import TYPE, outcome_of

_air: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any])
_NOTHING_TOLD = b"\x80"  # an empty map
_COMMANDS = frozenset(("exclude", "readmit"))
_NO_RULES = FactRules()


def tells(rules: FactRules, entry: Entry, told: Mapping[str, Any]) -> bool:
    """Tell whether an entry may tell anything; of nearly every event it does not, and this is all it costs."""
    if isinstance(entry, Event):
        if entry.name in rules.telling or entry.traits or entry.type == TYPE:
            return True
        if (context := entry.context) and (_differs(context, told, "timezone") or _differs(context, told, "locale")):
            return True
        return "goals" in told and entry.name in told["goals"]
    if isinstance(entry, Command):
        return entry.name in _COMMANDS
    return isinstance(entry, Merged | MergeAsked)


def _differs(context: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool:
    return name in context and context[name] != told.get(name)


def hear(
    rules: FactRules,
    entry: Entry,
    told: Mapping[str, Any],
    *,
    at: int,
    cause: str,
    scene: Context | None = None,
    tone: tones.Record | None = None,
) -> Heard:
    """Return what the tower must hear of an entry, and what the store's gates must know.

    Values are whole, not differences, so a fact told twice is harmless. What is malformed or unknown changes nothing:
    events are not trusted.

    Args:
        told: The part ``air`` of the snapshot; the caller keeps ``Heard.air`` in its place.
        at: Turn time, ms. What an event says of itself is at its own time: a case opened at 12:00 was open at 12:05,
            wherever it was queued.
        scene: The player after the rules' part of the turn, with the event, for contexts and goals.
        tone: What ``tones.tone_in`` found in the entry. It may be in ``told`` already, and is news all the same.
    """
    heard = Heard(entry.player, told, at, cause)
    if tone is not None:
        heard.tell(tones.TONE, tone, again=told.get(tones.TONE) is tone)
    match entry:
        case Event():
            _on_event(heard, rules, entry, scene or PlayerContext(Snapshot(entry.player), entry, now=at), tone)
        case Command(name="exclude", args=args):
            exclusions.exclude(heard, exclusions.reason_of(args.get("reason")), at, args)
        case Command(name="readmit", args=args):
            exclusions.readmit(heard, exclusions.reason_of(args["reason"]) if args.get("reason") else "")
        case MergeAsked() if survivor(entry.player, entry.into) == entry.into != entry.player:
            heard.tell("merged_into", entry.into)
            heard.stops.append(exclusions.MERGED)
        case Merged():
            _join(heard, _air.decode(entry.parts.get("air", _NOTHING_TOLD)))
        case _:
            pass
    return heard


def facts_of(entry: Entry, told: Mapping[str, Any], *, at: int = 0, rules: FactRules = _NO_RULES) -> list[Fact]:
    """Return the facts alone that an entry changes against what was last told.

    ``exclusions`` is ``{reason: {since, until, ends_by_itself}}`` and ``excluded`` the strictest of them, ``consent``
    all answers by key, ``consent_pending`` the keys that wait for a confirmation, ``support_case`` ``{open, since,
    cases, mood, mood_at}``, ``tone`` ``{mood, at, confidence, polarity, language, model, by}``, ``round_in_play``
    ``{open, since}``, ``context:<id>`` ``{open, since, until}``, ``reach`` ``{channel: digest}``, ``suppressed``
    ``{channel: {digest: reason}}``, ``timezone`` and ``locale`` names, ``merged_into`` an id.
    """
    if not tells(rules, entry, told):
        return []
    cause = str(getattr(entry, "id", getattr(entry, "cause", "")))
    heard = hear(rules, entry, told, at=at, cause=cause, tone=tones.tone_in(entry, told, at))
    return [Fact(entry.player, name, value, at, cause) for name, value in heard.facts.items()]


def joined_facts(mine: Mapping[str, Any], theirs: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Return what the tower must hear of a player who takes in another profile; the stricter always stands."""
    heard = Heard("", mine, at, "")
    _join(heard, theirs)
    return heard.facts


def on_asked(heard: Heard, requests: Iterable[MessageRequest]) -> None:
    """Take note of messages that are asked for in this turn: their goals are watched from now on."""
    goals.watch(heard, requests)


def _on_event(heard: Heard, rules: FactRules, event: Event, scene: Context, tone: tones.Record | None) -> None:
    name = event.name
    places.on_event(heard, event)
    if "consent" in event.traits:
        consents.on_traits(heard, event, event.traits["consent"], rules)
    if name in exclusions.RAISED_BY:
        reason = exclusions.RAISED_BY[name] or exclusions.reason_of(event.properties.get("reason"))
        exclusions.exclude(heard, reason, event.occurred_at, event.properties, is_told=True)
    elif name in exclusions.LIFTED_BY:
        stated = event.properties.get("reason")
        reason = exclusions.LIFTED_BY[name] or (exclusions.reason_of(stated) if stated else "")
        exclusions.readmit(heard, reason, before=event.occurred_at)
    elif name == "consent_changed":
        consents.on_changed(heard, event, rules)
    elif name == "consent_confirmed":
        consents.on_confirmed(heard, event)
    elif name == "suppression_lifted":
        suppression.on_lifted(heard, event)
    elif name == "device_registered":
        devices.on_registered(heard, event)
    elif name == "device_removed":
        devices.on_removed(heard, event)
    elif name in ("support_case_opened", "support_case_solved"):
        cases.on_case(heard, event)
    elif name in ("round_started", "round_ended"):
        cases.on_round(heard, event)
    elif outcome := outcome_of(event):
        _on_message(heard, event, outcome)
    if name in rules.contexts:
        contexts.on_event(heard, event, rules.contexts[name], scene)
    if tone is not None:
        tones.on_event(heard, event, scene, rules.mood_lasts_ms, tone)
    goals.on_event(heard, event, scene)


def _on_message(heard: Heard, event: Event, outcome: str) -> None:
    receipts.on_message(heard, event)
    consents.on_message(heard, event, outcome)
    suppression.on_message(heard, event, outcome)
    devices.on_message(heard, event, outcome)
    goals.on_message(heard, event, outcome)


def _join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    places.join(heard, theirs)
    exclusions.join(heard, theirs)
    consents.join(heard, theirs)
    cases.join(heard, theirs)
    tones.join(heard, theirs)
    contexts.join(heard, theirs)
    devices.join(heard, theirs)
    suppression.join(heard, theirs)
    goals.join(heard, theirs)
