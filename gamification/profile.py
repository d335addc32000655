"""Who the player is, from what events say: traits, zone, locale, first and last seen (turn time)."""

from typing import Any

from domain.calendar import known_zone
from domain.entries import Event
from domain.player import Profile
from gamification.working import Turn

TRAITS_MAX = 256  # further new names are ignored
_LOCALE_CHARS_MAX = 16


def note_profile(turn: Turn, event: Event) -> None:
    """Merge the event's traits (null removes one), zone and locale; a zone that does not exist is ignored."""
    held = turn.profile
    traits = _merged(held.traits, event.traits) if event.traits else held.traits
    zone, locale = held.timezone, held.locale
    for source in (event.context, event.traits):  # traits count more: the later wins
        if source:
            zone = _zone(source.get("timezone")) or zone
            locale = _locale(source.get("locale")) or locale
    turn.set_profile(Profile(traits, zone, locale, held.first_seen_at or turn.at, turn.at))


def _merged(held: dict[str, Any], brought: dict[str, Any]) -> dict[str, Any]:
    merged = dict(held)
    for name, value in brought.items():
        if value is None:
            merged.pop(name, None)
        elif name in merged or len(merged) < TRAITS_MAX:
            merged[name] = value
    return merged


def _zone(value: object) -> str:
    return value if isinstance(value, str) and known_zone(value) else ""


def _locale(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LOCALE_CHARS_MAX else ""
