"""How a player sounds: what they write to support, or of what they think, sets their mood (docs/models.md, Tone).

Words are read where the platform has said no mood itself. What is not clearly angry or pleased changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from crm.facts import cases, contexts
from crm.facts.stop_words import asks_to_stop
from crm.facts.turn import Heard
from domain.context import Context
from domain.entries import Event
from ml.tone import Tone, tone_of

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


def on_event(heard: Heard, event: Event, scene: Context, lasts_ms: int | None) -> None:
    """Take the mood of what an event says in words: of the open support case, and of the built-in context.

    Args:
        lasts_ms: How long the context lasts; None: no hold of the policy names it, or it is the operator's own.
    """
    text = _text_of(event)
    if not text or cases.says_mood(event) or asks_to_stop(text):
        return
    tone = tone_of(text, str(heard.air.get("locale") or ""))
    at = min(event.occurred_at, heard.at)
    if not tone.mood or at < (heard.air.get(TONE) or {}).get("at", 0):
        return
    heard.tell(TONE, _record(tone, at))
    cases.on_mood(heard, tone.mood, at)
    if lasts_ms is not None:
        occasion = contexts.Occasion(_MOOD, None, begins=tone.mood == "negative", lasts_ms=lasts_ms)
        contexts.on_event(heard, event, (occasion,), scene)


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's: what was said later stands."""
    found = theirs.get(TONE)
    if found and found["at"] > (heard.air.get(TONE) or {}).get("at", 0):
        heard.tell(TONE, found)


def _record(tone: Tone, at: int) -> dict[str, Any]:
    """Return what is told of a tone; whose age is since ``at``, ms."""
    return {
        "mood": tone.mood,
        "at": at,
        "confidence": tone.confidence,
        "polarity": tone.polarity,
        "language": tone.language,
        "model": tone.model,
    }


def _text_of(event: Event) -> str:
    for name in _TEXTS:
        said = event.properties.get(name)
        if isinstance(said, str) and said.strip():
            return said
    return ""
