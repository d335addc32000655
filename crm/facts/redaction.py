"""What is taken out of a player's text before it leaves the engine: addresses, numbers, names.

A text is not sent where its author could be looked up. What is left says how it sounds, which is all that is asked.
Patterns err on the side of taking too much: an amount of nine digits goes as a phone number would.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

CHARS_MAX = 2_000  # of what is sent; of a longer text both ends
_NAME_CHARS_MIN = 3
_STEM_CHARS_MIN = 3
_ENDINGS = "\u0430\u044f\u043e\u0435\u0438\u0456\u0457\u0439\u044c"  # of names in Ukrainian and Russian
_NAMED = ("name", "first_name", "last_name", "full_name", "middle_name", "nickname", "username", "login", "company")
_ADDRESSED = ("email", "telegram", "telegram_chat_id", "street", "address", "city")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE), "[link]"),
    (re.compile(r"[\w.+'-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\s?\.\s?[\w-]+)+", re.IGNORECASE), "[email]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE), "[account]"),
    (re.compile(r"\b0x[0-9a-f]{16,}\b|\b(?:bc1|[13])[a-z0-9]{25,60}\b", re.IGNORECASE), "[account]"),
    (re.compile(r"(?<![\w.])@\w{3,}"), "[name]"),
    (re.compile(r"(?<!\d)(?:\d[ .-]?){12,18}\d(?!\d)"), "[card]"),
    (re.compile(r"(?<!\d)\+?\(?\d(?:[ ().\-/]{0,2}\d){6,}(?!\d)"), "[phone]"),
    (re.compile(r"(?<!\d)\d{5,}(?!\d)"), "[number]"),
)
_INTRODUCED = re.compile(
    r"(?P<before>\b(?:my name is|i am called|мене звати|мене звуть|моє ім['\u2019]я|меня зовут|мо[её] имя|моя фамилия"
    r"|моє прізвище)\s*[:-]?\s+)(?P<name>\w+(?:[ -][A-Z\u0400-\u042f\u0490]\w+){0,2})",
    re.IGNORECASE,
)


def redacted(text: str, traits: Mapping[str, Any]) -> str:
    """Return a text without what names its author or leads to them.

    Args:
        traits: The player's: what they say of name and address is taken out wherever it stands.
    """
    if len(text) > CHARS_MAX:
        text = f"{text[: CHARS_MAX // 2]} {text[-CHARS_MAX // 2 :]}"
    for pattern, sign in _RULES:
        text = pattern.sub(sign, text)
    text = _INTRODUCED.sub(lambda found: f"{found['before']}[name]", text)
    if words := sorted(set(_words_of(traits)), key=len, reverse=True):
        known = "|".join(map(_declined, words))
        text = re.sub(rf"(?<!\w)(?:{known})(?!\w)", "[name]", text, flags=re.IGNORECASE)
    return text


def _declined(word: str) -> str:
    """Return the pattern of a word; of a Cyrillic one also in other cases, whose last letters differ."""
    if not re.fullmatch("[\u0400-\u04ff'\u2019]+", word):
        return rf"{re.escape(word)}(?:['\u2019]?s)?"
    stem = word[:-1] if len(word) > _STEM_CHARS_MIN and word[-1].lower() in _ENDINGS else word
    return rf"{re.escape(stem)}\w{{0,3}}"


def _words_of(traits: Mapping[str, Any]) -> Iterator[str]:
    """Yield names of the player; also what stands before the ``@`` of their address, and its parts."""
    for name in _NAMED + _ADDRESSED:
        said = traits.get(name)
        if not isinstance(said, str):
            continue
        whole = said.strip()[:200]
        parts = [whole, *re.split(r"[\s,]+", whole)]
        if name == "email":
            local = whole.partition("@")[0]
            parts = [local, *re.split(r"[._+-]", local)]
        yield from (part for part in parts if len(part) >= _NAME_CHARS_MIN and not part.isdigit())
