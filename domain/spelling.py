# ruff: noqa: RUF001 -- Cyrillic that looks Latin is what this file is about
"""Names as people and other systems spell them, and units: what two spellings must agree in to be one.

Here because the configuration (``crm.intake_config``) and the gateway (``api.normalise``) must agree.
"""

import re
from functools import lru_cache
from unicodedata import normalize

_APOSTROPHES = frozenset("'\u2018\u2019\u201b\u02bc\u02b9\u02bb\u2032`\u00b4\uff07")  # U+02BC and others are letters
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LOOKALIKES = str.maketrans("aceiopxy", "асеіорху")  # Latin typed for Cyrillic: «iм'я»

_UNIT_NAMES = {
    "ms": "ms msec millisecond milliseconds мс",
    "s": "s sec secs second seconds с сек секунд",
    "min": "min mins minute minutes мин хв хвилин минут",
    "h": "h hr hrs hour hours ч час часа часов год година години годин",
    "d": "d day days д дн день дня дней дні днів",
    "m": "m metre metres meter meters м",
    "km": "km kilometre kilometres kilometer kilometers км",
    "g": "g gram grams г",
    "kg": "kg kilogram kilograms кг",
}
UNITS: dict[str, tuple[str, int]] = {  # unit -> (what it measures, how many of the smallest)
    "ms": ("time", 1),
    "s": ("time", 1_000),
    "min": ("time", 60_000),
    "h": ("time", 3_600_000),
    "d": ("time", 86_400_000),
    "m": ("length", 1),
    "km": ("length", 1_000),
    "g": ("mass", 1),
    "kg": ("mass", 1_000),
}
_UNITS_BY_NAME = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}


@lru_cache(maxsize=8192)
def spelled(name: str) -> str:
    """Return what all spellings of a name share: ``First Name``, ``firstName`` and ``FIRST_NAME`` are ``firstname``.

    NFKC, case folded, apostrophes of any kind and everything else that is no letter or digit left out; Latin letters
    that look Cyrillic are so inside a Cyrillic name. "" when nothing is left.
    """
    kept = "".join(c for c in normalize("NFKC", name) if c.isalnum() and c not in _APOSTROPHES).casefold()
    return kept.translate(_LOOKALIKES) if _CYRILLIC.search(kept) else kept


def unit_of(name: str) -> str | None:
    """Return the unit that a word or abbreviation names, None when it names none that is known here."""
    return _UNITS_BY_NAME.get(name.strip().rstrip(".").casefold())
