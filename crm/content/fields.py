"""The kinds of values that a template's sections hold: words by language, addresses, colours."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from crm.fields import Language
from crm.fields import language as check_language
from crm.sources import syntax_error
from crm.texts import safe_url


def _source(value: str) -> str:
    if problem := syntax_error(value):
        raise ValueError(problem)
    return value


def _sources(value: dict[str, str]) -> dict[str, str]:
    for language, source in value.items():
        check_language(language)
        if problem := syntax_error(source):
            raise ValueError(f"{language}: {problem}")
    return value


def _safe(value: str) -> str:
    # What a variable brings can only be judged when it is rendered; what stands before it, here.
    start = re.split(r"\{[{%]", value, maxsplit=1)[0]
    if (start or not value) and not safe_url(start):
        raise ValueError(f"expected a path, or an http or https address, got {value[:60]!r}")
    return _source(value)


Liquid = Annotated[str, Field(max_length=65_536)]
Words = Annotated[dict[Language, Liquid], Field(min_length=1, max_length=64), AfterValidator(_sources)]
SomeWords = Annotated[dict[Language, Liquid], Field(max_length=64), AfterValidator(_sources)]
Address = Annotated[str, Field(max_length=2048), AfterValidator(_safe)]
Tone = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

Source = tuple[str, str, str]  # path, language, text


def written(path: str, texts: Mapping[str, str]) -> list[Source]:
    """Return the texts of a part of a document, for those who read all of them."""
    return [(path, language, source) for language, source in texts.items()]
