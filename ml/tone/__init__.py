"""Whether a text is angry or pleased, in English, Ukrainian and Russian (docs/tone.md).

Pure and the same on every machine: hashed runs of characters and words (``reading``), logistic weights of one byte each
that ship with the package (``weights``, trained by ``ml.training.tone``), and a middle in which nothing is said.
"""

from msgspec import Struct

from ml.tone.language import LANGUAGES, language_of
from ml.tone.reading import CHARS_MAX, buckets, read, runs_of
from ml.tone.weights import DamagedWeights, Weights, shipped

__all__ = ["CHARS_MAX", "LANGUAGES", "DamagedWeights", "Tone", "Weights", "shipped", "tone_of"]


class Tone(Struct, frozen=True):
    """How a text sounds."""

    language: str  # en, uk, ru; "": none of them, and nothing is said of its mood
    mood: str  # negative, positive; "": it does not say, or not clearly enough
    confidence: float  # 0..1, probability of the mood; of "" that neither is meant
    angry: float = 0.0  # probability that it is angry, sad or disappointed
    pleased: float = 0.0
    model: int = 0  # version of the weights

    @property
    def polarity(self) -> float:
        """Return -1 (angry) to 1 (pleased)."""
        return round(self.pleased - self.angry, 4)


def tone_of(text: str, locale: str = "", *, weights: Weights | None = None) -> Tone:
    """Return how a text sounds.

    Args:
        locale: The player's, as ``uk-UA``; it helps where a short text may be in either of two languages.
        weights: Those of the package, unless told.
    """
    weights = weights or shipped()
    head = weights.head
    what = read(text)
    runs = runs_of(what)
    language = language_of(what, runs, locale, weights).code
    if not language:
        return Tone("", "", 0.0, model=head.version)
    found = buckets(what, runs)
    angry, pleased = weights.angry(found), weights.pleased(found)
    if angry >= head.negative_min and angry > pleased:
        return Tone(language, "negative", angry, angry, pleased, head.version)
    if pleased >= head.positive_min and pleased > angry:
        return Tone(language, "positive", pleased, angry, pleased, head.version)
    return Tone(language, "", round(1 - max(angry, pleased), 4), angry, pleased, head.version)
