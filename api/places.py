# ruff: noqa: RUF001 -- Cyrillic that looks Latin is what this file is about
"""Countries and languages by any of their names: ISO codes, and what CLDR calls them in three languages.

CLDR's names are read (by babel, which the templates need anyway) at the first name that is no code: 8 MB, once.
"""

import re
from functools import lru_cache

from babel import Locale, localedata
from babel.core import get_global
from phonenumbers import SUPPORTED_REGIONS

from domain.spelling import spelled

NAMED_IN = ("en", "uk", "ru")
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")
_ALPHA_2 = re.compile(r"[A-Z]{2}")
_ALPHA_3 = re.compile(r"[A-Za-z]{3}")
_ALIASES = {"usa": "US", "uk": "GB", "uae": "AE", "england": "GB", "сша": "US", "оае": "AE"}


@lru_cache(maxsize=2048)
def country(name: str) -> str:
    """Return the ISO 3166 alpha-2 code of a country's code or name, "" when there is no such country."""
    text = name.strip()
    if (alias := _ALIASES.get(spelled(text))) is not None:
        return alias
    if text.upper() in SUPPORTED_REGIONS:
        return text.upper()
    if _ALPHA_3.fullmatch(text) and (codes := get_global("territory_aliases").get(text.upper())):
        return str(codes[0])
    return _territories().get(spelled(text), "")


@lru_cache(maxsize=2048)
def locale(name: str) -> str:
    """Return ``uk`` or ``uk-UA`` for a language tag in any spelling or a language's name, "" when it is neither."""
    text = name.strip().partition(".")[0]  # uk_UA.UTF-8
    if (found := _TAG.fullmatch(text)) and localedata.exists(found[1].lower()):
        script, region = found[2] or "", found[3] or ""
        return "-".join(part for part in (found[1].lower(), script.title(), region.upper()) if part)
    return _languages().get(spelled(text), "")


def region_of(tag: object) -> str:
    """Return the country that a locale names (``uk-UA``: UA), "" when it names none."""
    found = _TAG.fullmatch(tag.partition(".")[0]) if isinstance(tag, str) and len(tag) <= 40 else None
    region = (found[3] or "").upper() if found else ""
    return region if region in SUPPORTED_REGIONS else ""


@lru_cache(maxsize=1)
def _territories() -> dict[str, str]:
    names: dict[str, str] = {}
    for language in NAMED_IN:
        known = {str(code): str(name) for code, name in Locale.parse(language).territories.items()}
        names |= {spelled(name): code for code, name in known.items() if _ALPHA_2.fullmatch(code)}
        names |= {code.lower(): code for code in known if _ALPHA_2.fullmatch(code)}
    return names


@lru_cache(maxsize=1)
def _languages() -> dict[str, str]:
    names: dict[str, str] = {}
    for language in NAMED_IN:
        known = Locale.parse(language).languages
        names |= {spelled(str(name)): str(code) for code, name in known.items() if len(code) == 2}
    return names
