"""A text of a player that a model outside the turn is to read: how it is asked, and what comes back.

The turn asks (``ReadingAsked``), the tower puts it into the player's line like a message (``Dispatch`` of the channel
``tone``), a courier asks the model and settles; what the model said comes back as an event of the player, once. Nothing
comes back when it fails, is late or the day's budget is used up: what the turn itself read stands.
"""

from collections.abc import Mapping
from typing import Any

from domain.dispatch import Dispatch
from domain.entries import Event, ReadingAsked

CHANNEL = "tone"  # of the couriers' queue; no message can ask for it
TYPE = "tone"  # of the event that comes back: only the engine makes those, intake has no such type
READ = "tone_read"
MOODS = frozenset(("negative", "neutral", "positive"))
WITHIN_MS = 600_000  # a text that nobody has read by then is left as it is


def dispatch_of(asked: ReadingAsked, now: int) -> Dispatch:
    """Return what a courier is handed. At most once: a second reading would cost and tell nothing.

    Its ``template`` is the connector that shall read; it has no purpose, so an exclusion and the budget stop it.
    """
    until = now + WITHIN_MS
    content = {"text": asked.text, "language": asked.language, "event": asked.event, "at": asked.at}
    return Dispatch(asked.id, asked.player, CHANNEL, "", asked.connector, content, now, until, until)


def read_event(dispatch: Dispatch, said: Mapping[str, Any], at: int, connector: str) -> Event | None:
    """Return the event that brings a reading: ``{of, at, mood, confidence, language, model, connector}``; None: none.

    The id is of the dispatch, so the same reading is the same event however often it comes.
    """
    if said.get("mood") not in MOODS:
        return None
    content = dispatch.content
    properties = {
        "of": content["event"],
        "at": content["at"],
        "mood": said["mood"],
        "confidence": said["confidence"],
        "language": content["language"],
        "model": said["model"],
        "connector": connector,
    }
    return Event(dispatch.player, f"{dispatch.id}:read", READ, at, properties, type=TYPE, source=f"channel:{CHANNEL}")


def is_reading(event: Event) -> bool:
    """Tell whether an event brings a reading."""
    return event.type == TYPE and event.name == READ
