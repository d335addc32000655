"""Where the player is and what they speak: facts ``timezone`` and ``locale``."""

import re
from collections.abc import Mapping
from typing import Any

from crm.facts.turn import Heard
from domain.calendar import known_zone
from domain.entries import Event

_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}")
_ZONE_CHARS_MAX = 64


def on_event(heard: Heard, event: Event) -> None:
    """Take the zone and locale that the event brings; what the player states goes before what the device says."""
    for source in (event.traits, event.context):
        zone = source.get("timezone")
        if isinstance(zone, str) and len(zone) <= _ZONE_CHARS_MAX and known_zone(zone):
            heard.tell("timezone", zone)
            break
    for source in (event.traits, event.context):
        locale = source.get("locale")
        if isinstance(locale, str) and _LOCALE.fullmatch(locale):
            heard.tell("locale", locale)
            break


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Fill gaps with another profile's."""
    for name in ("timezone", "locale"):
        if theirs.get(name) and not heard.air.get(name):
            heard.tell(name, theirs[name])
