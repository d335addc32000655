"""The kinds of values that several of the CRM's documents hold: durations, clock times, languages, channels, purposes.

Apart from ``crm.config``, so that each document's module can use them and ``crm.config`` can list all documents.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from domain.conditions import validate_condition

Purpose = Literal["transactional", "service", "reward", "retention", "promo", "legal"]
Channel = Literal["in_app", "push", "email", "sms", "messenger", "webhook"]
Product = Literal["betting", "bingo", "casino", "other"]

_DURATION = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")


class Document(BaseModel):
    """What every document of the CRM is: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _seconds(value: object) -> object:
    """Read ``7d 12h 30m`` as seconds; everything else is left to the type."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def clock_time(value: object) -> object:
    """Read 1260 as 21:00: YAML takes an unquoted 21:00 for a number of base 60."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _condition(value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
    validate_condition(value, info.field_name or "where")
    return value


def language(value: str) -> str:
    """Return a language tag when it is spelled as one.

    Raises:
        ValueError: it is not.
    """
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"expected a language such as en or uk-UA, got {value[:40]!r}")
    return value


Seconds = Annotated[int, BeforeValidator(_seconds), Field(ge=0, le=366 * 86_400)]
ClockTime = Annotated[str, BeforeValidator(clock_time), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Where = Annotated[dict[str, Any] | None, AfterValidator(_condition)]
Language = Annotated[str, Field(max_length=35)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
EventName = Annotated[str, Field(min_length=1, max_length=200)]
