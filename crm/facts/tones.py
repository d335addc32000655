"""How a player sounds: what they write to support, or of what they think, sets their mood (docs/tone.md).

Words are read where the platform has said no mood itself. What is not clearly angry or pleased changes nothing. Another
model may be asked to read them too (``ask``): its answer comes later, as an event, and then stands.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import structs

from crm.facts import cases, contexts
from crm.facts.redaction import redacted
from crm.facts.stop_words import asks_to_stop
from crm.facts.turn import Heard
from domain.context import Context
from domain.entries import Entry, Event, Merged, ReadingAsked
from domain.reading import is_reading
from domain.receipts import outcome_of
from ml.tone import tone_of
from ml.tone_config import TonePlan

TONE = "tone"
SPOKEN = frozenset(
    (
        *("support_case_opened", "support_case_updated", "support_message_sent"),
        *("comment_left", "complaint_opened", "feedback_given", "review_left"),
    )
)
"""Events in which a player speaks to the operator; an answer to a message (``message_replied``) is one, too."""
_TEXTS = ("text", "message", "comment", "body")
_MOOD = "negative_mood"  # the built-in context
_POLARITY = {"negative": -1.0, "positive": 1.0}
_ASKED_WITHIN_MS = 3_600_000  # of when it was said: an import of old comments asks nobody
_CLEAR_MIN = 0.5  # confidence below which another model's reading says nothing
_parts: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any])
_NOTHING_TOLD = b"\x80"  # an empty map

Record = dict[str, Any]
"""What is told of a tone: {mood, at, confidence, polarity, language, model, by}; its age is since ``at``, ms.

``by`` is weights (read in the turn), platform, or the connector that read it.
"""


def tone_in(entry: Entry, told: Mapping[str, Any], at: int) -> Record | None:
    """Return the tone that an entry brings; None when it brings none, or an older one than is known.

    It is asked first in the turn, so that every condition of the turn sees it; ``hear`` takes it from there.

    Args:
        told: The part ``air`` of the snapshot.
        at: Turn time, ms.
    """
    if isinstance(entry, Event):
        found = _of_event(entry, told, at)
    elif isinstance(entry, Merged):
        found = _parts.decode(entry.parts.get("air", _NOTHING_TOLD)).get(TONE)
    else:
        return None
    return found if found and found["at"] >= (told.get(TONE) or {}).get("at", 0) else None


def on_event(heard: Heard, event: Event, scene: Context, lasts_ms: int | None, tone: Record) -> None:
    """Take the mood of what an event says in words: of the open support case, and of the built-in context.

    Args:
        lasts_ms: How long the context lasts; None: no hold of the policy names it, or it is the operator's own.
    """
    if cases.says_mood(event) and not is_reading(event):  # the case and the context hear that by themselves
        return
    mood, at = tone["mood"], tone["at"]
    cases.on_mood(heard, mood, at)
    if lasts_ms is None:
        return
    if mood == "neutral" and (heard.air.get(contexts.PREFIX + _MOOD) or {}).get("since") != at:
        return  # what it takes back is what that text began; an earlier one's anger goes on
    occasion = contexts.Occasion(_MOOD, None, begins=mood == "negative", lasts_ms=lasts_ms)
    contexts.on_event(heard, structs.replace(event, occurred_at=at), (occasion,), scene)


def ask(heard: Heard, event: Event, plan: TonePlan, traits: Mapping[str, Any]) -> None:
    """Ask another model to read what the event says, where the plan wants that; what is sent names nobody."""
    if not speaks(event) or cases.says_mood(event) or not (text := text_of(event)) or heard.air.get("excluded"):
        return
    at = min(event.occurred_at, heard.at)
    if at < heard.at - _ASKED_WITHIN_MS:
        return
    tone = tone_of(text, _locale(event, heard.air))
    if tone.language in plan.languages and not (plan.unclear_only and tone.mood):
        name = blake2b(f"{event.player}|{event.id}".encode(), digest_size=12).hexdigest()
        said = redacted(text, traits)
        heard.entries.append(
            ReadingAsked(event.player, f"read_{name}", event.id, at, said, tone.language, plan.connector, heard.cause)
        )


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's: what was said later stands."""
    found = theirs.get(TONE)
    if found and found["at"] > (heard.air.get(TONE) or {}).get("at", 0):
        heard.tell(TONE, found)


def speaks(event: Event) -> bool:
    """Tell whether a player speaks to the operator in an event."""
    return event.name in SPOKEN or outcome_of(event) == "replied"


def text_of(event: Event) -> str:
    """Return what a player says in words, "" where that is nothing, or only a wish to get no more messages."""
    for name in _TEXTS:
        said = event.properties.get(name)
        if isinstance(said, str) and said.strip():
            return "" if asks_to_stop(said) else said
    return ""


def _of_event(event: Event, told: Mapping[str, Any], at: int) -> Record | None:
    if is_reading(event):
        return _brought(event, told.get(TONE) or {})
    if not speaks(event):
        return None
    at = min(event.occurred_at, at)
    if cases.says_mood(event):
        return _said(event, at)
    if not (text := text_of(event)):
        return None
    tone = tone_of(text, _locale(event, told))
    if not tone.mood:
        return None
    return _record(tone.mood, at, tone.confidence, tone.polarity, tone.language, tone.model, "weights")


def _brought(event: Event, known: Mapping[str, Any]) -> Record | None:
    """Return what another model has read.

    That a text is neither changes nothing, as in the turn; but it takes back what the turn made of that very text. What
    it is not sure of says nothing, not even that.
    """
    said = event.properties
    mood, at, confidence = said["mood"], said["at"], said["confidence"]
    if confidence < _CLEAR_MIN:
        return None
    if mood == "neutral" and not (known.get("at") == at and known.get("by") == "weights"):
        return None
    polarity = _POLARITY.get(mood, 0.0) * confidence
    return _record(mood, at, confidence, polarity, said["language"], said["model"], said["connector"])


def _locale(event: Event, told: Mapping[str, Any]) -> str:
    return str(event.context.get("locale") or told.get("locale") or "")


def _said(event: Event, at: int) -> Record:
    """Return what the platform says itself, in a word or as a number below or above 0."""
    mood = "neutral" if event.properties.get("mood") == "neutral" else cases.mood_of(event) or "neutral"
    said = event.properties.get("sentiment")
    polarity = float(max(-1, min(1, said))) if isinstance(said, int | float) else _POLARITY.get(mood, 0.0)
    return _record(mood, at, 1.0, polarity, "", 0, "platform")


def _record(mood: str, at: int, confidence: float, polarity: float, language: str, model: int | str, by: str) -> Record:
    return {
        "mood": mood,
        "at": at,
        "confidence": confidence,
        "polarity": polarity,
        "language": language,
        "model": model,
        "by": by,
    }
