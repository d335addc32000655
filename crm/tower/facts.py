"""Which facts of the airspace an event or command changes. Called in the player's turn; the tower folds the facts."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import msgspec

from crm.fields import Channel, Purpose
from domain.calendar import as_ms, known_zone
from domain.entries import Command, Entry, Event, Fact, MergeAsked, Merged
from domain.ids import survivor

CASES_MAX = 20  # open support cases remembered of one player; the oldest are forgotten
_CONSENT_KEYS = frozenset(get_args(Channel)) | frozenset(get_args(Purpose))
_TELLING = frozenset(
    [
        "player_excluded",
        "player_readmitted",
        "consent_changed",
        "support_case_opened",
        "support_case_solved",
        "round_started",
        "round_ended",
    ]
)
_AT_REST: dict[str, Any] = {
    "support_case": {"open": False, "since": 0, "cases": []},
    "round_in_play": {"open": False, "since": 0},
}
_FOREVER = 2**62
_air: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any])
_NOTHING_TOLD = b"\x80"  # an empty map
_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}")


def facts_of(entry: Entry, told: Mapping[str, Any], *, at: int = 0) -> list[Fact]:
    """Return the facts an entry changes against what was last told; only events and commands change any.

    The caller keeps ``told[fact.name] = fact.value`` for each. Values are whole, not differences, so a fact told
    twice is harmless: ``excluded`` is ``{reason, since, until}`` or None, ``consent`` all choices by channel or
    purpose, ``support_case`` ``{open, since, cases}``, ``round_in_play`` ``{open, since}``, ``timezone`` and
    ``locale`` names. What is malformed or unknown changes nothing: traits are not trusted.

    Args:
        at: The turn's time, for commands. An event brings its own: a case opened at 12:00 was open at 12:05,
            wherever it was queued.
    """
    if isinstance(entry, Event) and not entry.traits and entry.name not in _TELLING and _tells_no_place(entry.context):
        return []  # nearly every event
    match entry:
        case Event():
            found, at = _changes(entry, told), entry.occurred_at
        case Command(name="exclude"):
            found = {"excluded": _exclusion(entry.args, at, told.get("excluded"))}
        case Command(name="readmit"):
            found = {"excluded": None}
        case MergeAsked() if survivor(entry.player, entry.into) == entry.into != entry.player:
            found = {"merged_into": entry.into}
        case Merged():
            found = joined_facts(told, _air.decode(entry.parts.get("air", _NOTHING_TOLD)), at)
        case _:
            return []
    cause = entry.cause if isinstance(entry, MergeAsked | Merged) else entry.id
    return [
        Fact(entry.player, name, value, at, cause)
        for name, value in found.items()
        if value != told.get(name, _AT_REST.get(name)) or (isinstance(entry, Merged) and name == "excluded")
    ]


def joined_facts(mine: Mapping[str, Any], theirs: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Return what the tower must hear of a player who takes in another profile; the stricter always stands.

    Consent withdrawn by either stays withdrawn, one given by either is given. The longer exclusion stands; it is told
    again even if this player had it, because the store may know the stop under the other id only; one that is over
    is not. Support cases are those of both, a round goes on if either's does. Zone and locale fill a gap.
    """
    found = {name: theirs[name] for name in ("timezone", "locale") if theirs.get(name) and not mine.get(name)}
    mine_said, they_said = mine.get("consent") or {}, theirs.get("consent") or {}
    if they_said:
        keys = dict.fromkeys((*mine_said, *they_said))
        found["consent"] = {key: mine_said.get(key, True) and they_said.get(key, True) for key in keys}
    excluded = theirs.get("excluded")
    if excluded and (excluded["until"] is None or excluded["until"] > at):
        known = mine.get("excluded")
        longer = known and (known["until"] is None or (excluded["until"] or _FOREVER) <= known["until"])
        found["excluded"] = known if longer else excluded
    for name in ("support_case", "round_in_play"):
        if (theirs.get(name) or {}).get("open"):
            found[name] = _both_open(mine.get(name) or {}, theirs[name])
    return found


def _both_open(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    if not mine.get("open"):
        return dict(theirs)
    both = {**theirs, "since": min(mine["since"], theirs["since"])}
    if "cases" in theirs:
        both["cases"] = [*dict.fromkeys((*theirs["cases"], *mine.get("cases", ())))][-CASES_MAX:]
    return both


def _changes(entry: Event, told: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {**_place(entry), **_consent(entry, told.get("consent") or {})}
    match entry.name:
        case "player_excluded":
            found["excluded"] = _exclusion(entry.properties, entry.occurred_at, told.get("excluded"))
        case "player_readmitted":
            found["excluded"] = None
        case "support_case_opened" | "support_case_solved":
            found["support_case"] = _support_case(entry, told.get("support_case") or {})
        case "round_started" | "round_ended":
            found["round_in_play"] = _round(entry, told.get("round_in_play") or {})
        case _:
            pass
    return found


def _tells_no_place(context: Mapping[str, Any]) -> bool:
    return "timezone" not in context and "locale" not in context


def _place(entry: Event) -> dict[str, str]:
    """The zone and locale that the event brings; what the player states goes before what the device says."""
    found: dict[str, str] = {}
    for source in (entry.context, entry.traits):
        zone, locale = source.get("timezone"), source.get("locale")
        if isinstance(zone, str) and len(zone) <= 64 and known_zone(zone):
            found["timezone"] = zone
        if isinstance(locale, str) and _LOCALE.fullmatch(locale):
            found["locale"] = locale
    return found


def _consent(entry: Event, known: Mapping[str, bool]) -> dict[str, dict[str, bool]]:
    stated = entry.traits.get("consent")
    said: dict[Any, Any] = dict(stated) if isinstance(stated, Mapping) else {}
    if entry.name == "consent_changed":
        key = entry.properties.get("channel") or entry.properties.get("purpose")
        if isinstance(key, str):
            said[key] = entry.properties.get("granted")
    valid = {key: granted for key, granted in said.items() if key in _CONSENT_KEYS and isinstance(granted, bool)}
    return {"consent": {**known, **valid}} if valid else {}


def _exclusion(stated: Mapping[str, Any], at: int, known: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The longer one stands: a cool-off does not shorten a self-exclusion."""
    until = _instant(stated.get("until"))
    if known and (known["until"] is None or (until is not None and until <= known["until"])):
        return known
    return {"reason": str(stated.get("reason") or "excluded")[:100], "since": at, "until": until}


def _instant(value: object) -> int | None:
    """Read milliseconds or an ISO text with its offset; else None, which excludes without an end."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return as_ms(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _support_case(entry: Event, known: Mapping[str, Any]) -> dict[str, Any]:
    """Open until every case is solved; a solution that names no case solves them all."""
    case = str(entry.properties.get("case_id") or "")[:100]
    others = [name for name in known.get("cases", ()) if name != case]
    if entry.name == "support_case_opened":
        since = known["since"] if known.get("open") else entry.occurred_at
        return {"open": True, "since": since, "cases": [*others, case][-CASES_MAX:]}
    if case and others:
        return {"open": True, "since": known["since"], "cases": others}
    return dict(_AT_REST["support_case"])


def _round(entry: Event, known: Mapping[str, Any]) -> dict[str, Any]:
    if entry.name == "round_ended":
        return dict(_AT_REST["round_in_play"])
    since = known["since"] if known.get("open") else entry.occurred_at
    return {"open": True, "since": since}
