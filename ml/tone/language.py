"""Which of three languages a text is in: English by its script, Ukrainian or Russian by runs of letters."""

import re
from math import exp

from msgspec import Struct

from ml.tone.reading import Buckets, Text, letters
from ml.tone.weights import Weights

LANGUAGES = ("en", "uk", "ru")
_LETTERS_SHARE_MIN = 0.7  # of the letters; of a text in two scripts the greater part must be in one
_CYRILLIC = re.compile("[\u0400-\u052f]+")
_LATIN = re.compile("[a-z\u00df-\u024f]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_CHARS_MAX = 60  # by which the script is known
_PRIOR = 2.0  # logits that the player's locale is worth: it decides "ok", not a sentence
_ENGLISH = frozenset(
    (
        *("the", "a", "an", "i", "you", "he", "she", "it", "we", "they", "my", "your", "me", "this", "that"),
        *("is", "are", "was", "were", "be", "have", "has", "had", "do", "does", "did", "not", "no", "can", "will"),
        *("and", "or", "but", "if", "to", "of", "in", "on", "for", "with", "at", "from", "by", "as", "so", "up"),
        *("what", "when", "where", "why", "how", "who", "which", "am", "been", "would", "could", "should", "just"),
        *("hi", "hello", "thanks", "thank", "please", "ok", "yes", "very", "great", "bad", "good", "all", "any"),
        *("there", "here", "more", "never", "ever", "don't", "can't", "i'm", "it's", "get", "got", "money", "game"),
    )
)


class Language(Struct, frozen=True):
    """A language and how sure that is; "" when it is none of the three."""

    code: str
    confidence: float  # 0..1


NONE = Language("", 0.0)


def language_of(text: Text, runs: list[Buckets], locale: str, weights: Weights) -> Language:
    """Return the language of a text.

    Args:
        runs: ``reading.runs_of`` the text.
        locale: The player's, "" if not known: what a short text leaves open it decides.
    """
    read = text.plain[:_CHARS_MAX]
    cyrillic, latin, count = (sum(map(len, kind.findall(read))) for kind in (_CYRILLIC, _LATIN, _LETTERS))
    at_home = locale[:2].lower()
    if read == "  ":
        return NONE
    if not count:
        return Language(at_home, 0.5) if at_home in LANGUAGES else NONE  # signs alone: an emoji says how one feels
    if cyrillic >= _LETTERS_SHARE_MIN * count:
        return _ukrainian_or_russian(runs, at_home, weights)
    if latin >= _LETTERS_SHARE_MIN * count:
        return _english(read, at_home)
    return NONE


def _ukrainian_or_russian(runs: list[Buckets], at_home: str, weights: Weights) -> Language:
    prior = {"uk": _PRIOR, "ru": -_PRIOR}.get(at_home, 0.0)
    logit = weights.ukrainian(letters(runs)) + prior
    chance = 1.0 / (1.0 + exp(-logit)) if abs(logit) < 30 else float(logit > 0)
    return Language("uk", round(chance, 4)) if chance >= 0.5 else Language("ru", round(1 - chance, 4))


def _english(read: str, at_home: str) -> Language:
    """Tell English from what else is written in Latin letters by its commonest words."""
    words = ["".join(char for char in word if char.isalpha() or char == "'") for word in read.split()]
    known = sum(word in _ENGLISH for word in words)
    share = known / len(words)
    if at_home in LANGUAGES or not at_home:  # English, unless it is long and has none of its words
        return NONE if not known and len(words) > 6 else Language("en", 0.9 if share >= 0.2 else 0.6)
    return Language("en", 0.8) if share >= 0.2 and known > 1 else NONE
