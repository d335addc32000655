"""What is taken out of a player's text before it leaves the engine: addresses, numbers, names.

A text is not sent where its author could be looked up. What is left says how it sounds, which is all that is asked.
Patterns err on the side of taking too much: an amount of nine digits goes as a phone number would. They run in the
player's turn, so each reads a text once: a run that was read is never read again from its middle.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

CHARS_MAX = 2_000  # of what is sent; of a longer text both ends
READ_MAX = 4_000  # characters that are looked at; of a longer text both ends
_TORN_MAX = 300  # beside a cut, what it tore may not be known for what it is: so much is left out there
_WORDS_MAX = 100  # of the traits
_TRAIT_CHARS_MAX = 200
_DEPTH_MAX = 4  # of a trait that is an object
_NAME_CHARS_MIN, _PLACE_CHARS_MIN = 2, 3
_SHORT_CHARS = 3  # a name of so many letters has a list of endings: any ending would make too many other words of it
_ENDINGS = "\u0430\u044f\u043e\u0435\u0438\u0456\u0457\u0439\u044c"  # of names in Ukrainian and Russian
_NAMES = frozenset(
    (
        *("name", "firstname", "lastname", "fullname", "middlename", "givenname", "familyname", "surname"),
        *("patronymic", "nickname", "username", "login", "company"),
    )
)
_PLACES = frozenset(("telegram", "telegramchatid", "street", "address", "addresses", "city"))
_SAY_NOTHING = frozenset(("country", "countrycode", "plan", "industry"))  # parts of an object that name nobody

_LINK = re.compile(r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.)\S+", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_AT = re.compile(r"@|\(at\)|\[at\]", re.IGNORECASE)
_EMAIL = re.compile(
    r"[\w.+'-]++(?P<host>\s?(?:@|\(at\)|\[at\])\s?[\w-]++(?:\s?\.\s?[\w-]++)++)?", re.IGNORECASE
)  # without a host it is a word, read over
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"(?<![\w-])(?<![\w-]\.)[\w-]++(?:\.[\w-]++)++(?:(?<=[a-z]{2})|(?<=\.укр)|(?<=\.рф))(?::\d{1,5})?/\S*+",
            re.IGNORECASE,
        ),
        "[link]",
    ),
    (re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE), "[account]"),
    (re.compile(r"\b0x[0-9a-f]{16,}\b|\b(?:bc1|[13])[a-z0-9]{25,60}\b", re.IGNORECASE), "[account]"),
    (re.compile(r"(?<![\w.])@\w{3,}"), "[name]"),
    (re.compile(r"(?<!\d)(?:\d[ .-]?){12,18}\d(?!\d)"), "[card]"),
    (re.compile(r"(?<!\d)\+?\(?\d(?:[ ().\-/]{0,2}\d){6,}(?!\d)"), "[phone]"),
    (re.compile(r"(?<!\d)\d{5,}(?!\d)"), "[number]"),
)
_INTRODUCED = re.compile(
    r"(?P<before>\b(?:my name is|i am called|мене звати|мене звуть|моє ім['\u2019]я|меня зовут|мо[её] имя|моя фамилия"
    r"|моє прізвище)(?:\s*+[:-]\s*+|\s++))(?P<name>\w+(?:[ -][A-Z\u0400-\u042f\u0490]\w+){0,2})",
    re.IGNORECASE,
)


def redacted(text: str, traits: Mapping[str, Any]) -> str:
    """Return a text without what names its author or leads to them, at most ``CHARS_MAX`` of it.

    It is cut after that: of an address that is cut in two neither half would be known for one.

    Args:
        traits: The player's: what they say of name and address is taken out wherever it stands.
    """
    known = _known(traits)
    if len(text) <= READ_MAX:
        left = _without(text, known)
    else:
        half = READ_MAX // 2
        left = f"{_without(text[:half], known)[:-_TORN_MAX]} {_without(text[-half:], known)[_TORN_MAX:]}"
    if len(left) > CHARS_MAX:
        left = f"{left[: CHARS_MAX // 2]} {left[1 - CHARS_MAX // 2 :]}"
    return left


def _without(text: str, known: re.Pattern[str] | None) -> str:
    text = _LINK.sub("[link]", text)
    if _AT.search(text):
        text = _EMAIL.sub(lambda found: "[email]" if found["host"] else found[0], text)
    for pattern, sign in _RULES:
        text = pattern.sub(sign, text)
    text = _INTRODUCED.sub(lambda found: f"{found['before']}[name]", text)
    return known.sub("[name]", text) if known is not None else text


def _known(traits: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Return what finds the words of the traits; None where they name nothing."""
    words = sorted(set(islice(_words_of(traits), _WORDS_MAX)), key=lambda word: (-len(word), word))
    if not words:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_declined, words))})(?!\w)", re.IGNORECASE)


def _declined(word: str) -> str:
    """Return the pattern of a word; of a Cyrillic one also in other cases, whose last letters differ."""
    if not re.fullmatch("[\u0400-\u04ff'\u2019]+", word):
        return rf"{re.escape(word)}(?:['\u2019]?s)?"
    if len(word) > _SHORT_CHARS:
        stem = word[:-1] if word[-1].lower() in _ENDINGS else word
        return rf"{re.escape(stem)}\w{{0,3}}"
    if word[-1].lower() in "ая":
        return rf"{re.escape(word[:-1])}(?:[аяуюиіїыеєй]|[оеє][йю])"
    return rf"{re.escape(word)}(?:[ауяюеєиіїы]|[оеє][мю]|[оеє]ві)?"


def _words_of(traits: Mapping[str, Any]) -> Iterator[str]:
    """Yield names of the player and of where they live, whole and in parts; also those in their e-mail address."""
    said = {re.sub(r"[\W_]", "", name).lower(): value for name, value in traits.items()}
    for name in sorted(said.keys() & _NAMES):
        yield from _parts(said[name], _NAME_CHARS_MIN)
    if isinstance(email := said.get("email"), str):
        yield from _parts(email.partition("@")[0], _PLACE_CHARS_MIN)
    for name in sorted(said.keys() & _PLACES):
        yield from _parts(said[name], _PLACE_CHARS_MIN)


def _parts(said: object, chars_min: int) -> Iterator[str]:
    """Yield every string of a trait and what it consists of: of ``Anna-Maria`` also ``Anna`` and ``Maria``."""
    for text in _strings(said, 0):
        whole = text.strip()[:_TRAIT_CHARS_MAX]
        parts = [whole, *re.split(r"[\s,]+", whole), *re.split(r"[\s,;/.@_+\u2010-\u2015-]+", whole)]
        yield from (part for part in parts if len(part) >= chars_min and _LETTER.search(part))


def _strings(said: object, depth: int) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping) and depth < _DEPTH_MAX:
        for name, part in said.items():
            if re.sub(r"[\W_]", "", str(name)).lower() not in _SAY_NOTHING:
                yield from _strings(part, depth + 1)
    elif isinstance(said, list | tuple) and depth < _DEPTH_MAX:
        for part in said:
            yield from _strings(part, depth + 1)
