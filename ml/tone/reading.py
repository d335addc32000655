"""A text as numbers: hashed character n-grams and words, the one definition for training and for turns.

Fixed for ever once weights are trained on it: ``FORMAT`` is kept in the weights, and others are refused.
"""

import re
import unicodedata
from zlib import crc32

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FORMAT = 1
BITS = 18  # of a bucket's number
LETTER_BITS = 14  # of a bucket's number where only languages are told apart
CHARS_MAX = 400  # of a text; a longer one is read at both ends, where people say how they feel
GRAMS = (2, 3, 4, 5)  # characters; a space is one, so that "not ok" is not "ok"

Buckets = NDArray[np.int64]

_URL = re.compile(r"(?:https?://|www\.)\S+")
_DIGITS = re.compile(r"\d+")
_REPEATED = re.compile(r"(.)\1{2,}")
_WORD = re.compile(r"[\w']+|[!?]+|[^\w\s]")
_CAPITALS = re.compile("[A-Z\u0400-\u042f\u0490]")
_DRAWN = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  # how an emoji is drawn, and its skin
_SAME = (("\u2019", "'"), ("\u02bc", "'"), ("`", "'"), ("\u2018", "'"), ("\u0451", "\u0435"))  # apostrophes, yo and ye
_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd: 2^64 over the golden ratio
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # of splitmix64
_HALF, _TOP = np.uint64(32), np.uint64(64 - BITS)
_SHOUTED = crc32(b"shouted") >> (32 - BITS)
_SHOUT_CHARS_MIN = 6


class Text(Struct, frozen=True, gc=False):
    """A text without what says nothing: case, numbers' values, addresses, a letter held down."""

    plain: str  # a space before and after; "  " of a text without any sign
    shouted: bool  # most of its letters were capitals


def read(text: str) -> Text:
    """Read a text as far as ``CHARS_MAX``."""
    if len(text) > CHARS_MAX:
        text = f"{text[: CHARS_MAX // 2]} {text[-CHARS_MAX // 2 :]}"
    plain = unicodedata.normalize("NFKC", text).casefold()[: 2 * CHARS_MAX]  # one sign may become many
    for sign, same in _SAME:
        plain = plain.replace(sign, same)
    if "://" in plain or "www." in plain:
        plain = _URL.sub(" ", plain)
    plain = _REPEATED.sub(r"\1\1", _DIGITS.sub("0", _DRAWN.sub("", plain)))
    return Text(f" {' '.join(plain.split())} ", _is_shouted(text))


def runs_of(text: Text) -> list[Buckets]:
    """Return the buckets of a text's runs of characters, shortest first; what the two functions below are made of.

    Returns:
        Up to ``len(GRAMS)`` arrays of (characters - length + 1,) int64, 0 <= bucket < 2 ** BITS.
    """
    codes = np.frombuffer(text.plain.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    hashes, found = codes, []
    for length in range(2, min(GRAMS[-1], len(codes)) + 1):
        hashes = hashes[:-1] * _STEP + codes[length - 1 :]  # wraps: that is what mixes
        if length in GRAMS:
            found.append((((hashes ^ (hashes >> _HALF)) * _MIX) >> _TOP).astype(np.int64))
    return found


def buckets(text: Text, runs: list[Buckets]) -> Buckets:
    """Return the buckets of a text, each once and in order; empty for a text without any sign.

    Returns:
        (n,) int64, 0 <= bucket < 2 ** BITS.
    """
    if text.plain == "  ":
        return np.empty(0, np.int64)
    found = [*runs, _words(text.plain)]
    if text.shouted:
        found.append(np.array([_SHOUTED], np.int64))
    return once(np.concatenate(found))


def letters(runs: list[Buckets]) -> Buckets:
    """Return the buckets of two and three characters, by which a language is known.

    Returns:
        (n,) int64, 0 <= bucket < 2 ** LETTER_BITS.
    """
    return once(np.concatenate(runs[:2]) >> (BITS - LETTER_BITS))


def once(found: Buckets) -> Buckets:
    """Return the same numbers in order, each once; eight times as fast as ``numpy.unique`` on a few hundred."""
    found.sort()
    kept = np.empty(len(found), np.bool_)
    kept[:1] = True
    np.not_equal(found[1:], found[:-1], out=kept[1:])
    return found[kept]


def _words(plain: str) -> Buckets:
    """Return the buckets of words, and of two in a row: "not good" is a word of its own."""
    words = [word.encode("utf-8", "replace") for word in _WORD.findall(plain)]
    single = [crc32(word, 1) for word in words]
    return np.array([*single, *map(crc32, words[1:], single)], np.int64) >> (32 - BITS)


def _is_shouted(text: str) -> bool:
    capitals = len(_CAPITALS.findall(text))
    return capitals >= _SHOUT_CHARS_MIN and capitals > 0.6 * sum(map(str.isalpha, text))
