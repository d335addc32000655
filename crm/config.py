"""Configuration of the CRM as operators write it: ``policies``, ``templates``, ``settings`` (CONTRACT)."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from crm.templates import safe_url, syntax_error
from domain.calendar import known_zone

Purpose = Literal["transactional", "service", "reward", "retention", "promo", "legal"]
Channel = Literal["in_app", "push", "email", "sms", "messenger", "webhook"]

SENDS_MAX = 500  # sends remembered of one player; the caps together can need no more
_CAPS_MAX = 20
_DURATION = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")


def _seconds(value: object) -> object:
    """Read ``7d 12h 30m`` as seconds; everything else is left to the type."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _clock_time(value: object) -> object:
    """Read 1260 as 21:00: YAML takes an unquoted 21:00 for a number of base 60."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return f"{value // 60:02}:{value % 60:02}"
    return value


Seconds = Annotated[int, BeforeValidator(_seconds), Field(ge=0, le=366 * 86_400)]
ClockTime = Annotated[str, BeforeValidator(_clock_time), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CapConfig(_Document):
    """At most ``max`` sends per calendar days of the player, or per 24 or 168 hours when ``rolling``."""

    purpose: Purpose | None = None
    channel: Channel | Literal["any"] = "any"
    max: int = Field(ge=1, le=SENDS_MAX - 1)
    per: Literal["1d", "7d"]
    rolling: bool = False

    @field_validator("purpose")
    @classmethod
    def _not_exempt(cls, value: Purpose | None) -> Purpose | None:
        if value in ("legal", "transactional"):
            raise ValueError(f"expected a purpose that caps may stop; {value} messages are never capped")
        return value


class QuietHoursConfig(_Document):
    """A daily window in the player's zone in which some channels are silent; it may pass midnight."""

    from_: ClockTime = Field(alias="from")
    until: ClockTime
    channels: tuple[Channel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _not_empty(self) -> "QuietHoursConfig":
        if self.from_ == self.until:
            raise ValueError("expected `from` and `until` to differ")
        return self


class HoldConfig(_Document):
    """While a condition of the player holds, messages of some purposes wait, at most ``for_s`` after their request."""

    when: Literal["support_case_open", "round_in_play"]
    purposes: tuple[Purpose, ...] = Field(min_length=1)
    for_s: Seconds

    @field_validator("purposes")
    @classmethod
    def _legal_never_waits(cls, value: tuple[Purpose, ...]) -> tuple[Purpose, ...]:
        if "legal" in value:
            raise ValueError("expected purposes that may wait; legal messages are never held")
        return value


class ConsentConfig(_Document):
    """Purposes that need a consent given, not only one not withdrawn."""

    required_for: tuple[Purpose, ...] = ()


class PolicyConfig(_Document):
    """``policies/default``: what the control tower lets through, and when."""

    caps: tuple[CapConfig, ...] = Field(default=(), max_length=_CAPS_MAX)
    min_gap_s: Seconds = 0
    quiet_hours: QuietHoursConfig | None = None
    holds: tuple[HoldConfig, ...] = Field(default=(), max_length=20)
    priorities: dict[Purpose, Annotated[int, Field(ge=0, le=1000)]] = {}
    consent: ConsentConfig = ConsentConfig()

    @field_validator("caps")
    @classmethod
    def _countable(cls, value: tuple[CapConfig, ...]) -> tuple[CapConfig, ...]:
        total = sum(cap.max for cap in value)
        if total >= SENDS_MAX:
            raise ValueError(f"expected the caps' `max` to add up to less than {SENDS_MAX}, got {total}")
        return value


def _source(value: str, language: str = "") -> str:
    if problem := syntax_error(value):
        raise ValueError(f"{language}: {problem}" if language else problem)
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"expected a language such as en or uk-UA, got {value[:40]!r}")
    return value


Liquid = Annotated[str, Field(max_length=65_536)]
Language = Annotated[str, Field(max_length=35)]
Texts = Annotated[dict[Language, Liquid], Field(min_length=1, max_length=64)]


class ActionConfig(_Document):
    """The button of a message."""

    label: Texts
    url: Annotated[str, Field(max_length=2048)]

    @field_validator("label")
    @classmethod
    def _parses(cls, value: dict[str, str]) -> dict[str, str]:
        return {_language(language): _source(text, language) for language, text in value.items()}

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        # What a variable brings can only be judged when it is rendered; what stands before it, here.
        start = re.split(r"\{[{%]", value, maxsplit=1)[0]
        if (start or not value) and not safe_url(start):
            raise ValueError(f"expected a path, or an http or https address, got {value[:60]!r}")
        return _source(value)


class TemplateConfig(_Document):
    """A message in one or more languages; every text is Liquid, parsed here so that an error shows at once."""

    channel: Channel
    title: Texts
    body: Texts
    action: ActionConfig | None = None

    @field_validator("title", "body")
    @classmethod
    def _parses(cls, value: dict[str, str]) -> dict[str, str]:
        return {_language(language): _source(text, language) for language, text in value.items()}


class SettingsConfig(_Document):
    """``settings/main``: where the programme is at home, for players who have told nothing else."""

    timezone: str = "UTC"
    locale: Language = "en"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if known_zone(value) is None:
            raise ValueError(f"expected an IANA zone such as Europe/Kyiv, got {value[:60]!r}")
        return value

    @field_validator("locale")
    @classmethod
    def _spelled(cls, value: str) -> str:
        return _language(value)


KINDS: dict[str, type[BaseModel]] = {
    "policies": PolicyConfig,
    "templates": TemplateConfig,
    "settings": SettingsConfig,
}
