"""Configuration of the CRM as operators write it: ``policies``, ``templates``, ``settings`` (CONTRACT).

``KINDS`` lists all kinds of the package; segments, journeys and campaigns have their documents in modules of their own.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from crm.campaigns import CampaignConfig
from crm.fields import Channel, ClockTime, Document, Language, Purpose, Seconds
from crm.fields import language as check_language
from crm.journeys.config import JourneyConfig
from crm.segments_config import SegmentConfig
from crm.templates import safe_url, syntax_error
from crm.vocabulary import taken
from domain.calendar import known_zone

SENDS_MAX = 500  # sends remembered of one player; the caps together can need no more
_CAPS_MAX = 20


class CapConfig(Document):
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


class QuietHoursConfig(Document):
    """A daily window in the player's zone in which some channels are silent; it may pass midnight."""

    from_: ClockTime = Field(alias="from")
    until: ClockTime
    channels: tuple[Channel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _not_empty(self) -> "QuietHoursConfig":
        if self.from_ == self.until:
            raise ValueError("expected `from` and `until` to differ")
        return self


class HoldConfig(Document):
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


class ConsentConfig(Document):
    """Purposes that need a consent given, not only one not withdrawn."""

    required_for: tuple[Purpose, ...] = ()


class PolicyConfig(Document):
    """``policies/default``: what the control tower lets through, and when."""

    caps: tuple[CapConfig, ...] = Field(default=(), max_length=_CAPS_MAX)
    min_gap_s: Seconds = 0
    quiet_hours: QuietHoursConfig | None = None
    holds: tuple[HoldConfig, ...] = Field(default=(), max_length=20)
    priorities: dict[Purpose, Annotated[int, Field(ge=0, le=1000)]] = Field(default_factory=dict)
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


def _sources(value: dict[str, str]) -> dict[str, str]:
    return {check_language(language): _source(text, language) for language, text in value.items()}


Liquid = Annotated[str, Field(max_length=65_536)]
Texts = Annotated[dict[Language, Liquid], Field(min_length=1, max_length=64)]
SomeTexts = Annotated[dict[Language, Liquid], Field(max_length=64)]
Tone = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class ActionConfig(Document):
    """The button of a message."""

    label: Texts
    url: Annotated[str, Field(max_length=2048)]

    @field_validator("label")
    @classmethod
    def _parses(cls, value: dict[str, str]) -> dict[str, str]:
        return _sources(value)

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        # What a variable brings can only be judged when it is rendered; what stands before it, here.
        start = re.split(r"\{[{%]", value, maxsplit=1)[0]
        if (start or not value) and not safe_url(start):
            raise ValueError(f"expected a path, or an http or https address, got {value[:60]!r}")
        return _source(value)


class ToneConfig(Document):
    """Another way to say it: texts that stand for the template's own; languages left out are said in those."""

    title: SomeTexts = Field(default_factory=dict)
    body: SomeTexts = Field(default_factory=dict)

    @field_validator("title", "body")
    @classmethod
    def _parses(cls, value: dict[str, str]) -> dict[str, str]:
        return _sources(value)


class TemplateConfig(Document):
    """A message in one or more languages; every text is Liquid, parsed here so that an error shows at once.

    ``variables`` declares what API callers and journeys bring beside what every template may name
    (``crm.vocabulary``).
    """

    channel: Channel
    title: Texts
    body: Texts
    action: ActionConfig | None = None
    tones: Annotated[dict[Tone, ToneConfig], Field(max_length=10)] = Field(default_factory=dict)
    variables: Annotated[tuple[Variable, ...], Field(max_length=50)] = ()

    @field_validator("title", "body")
    @classmethod
    def _parses(cls, value: dict[str, str]) -> dict[str, str]:
        return _sources(value)

    @field_validator("variables")
    @classmethod
    def _are_free(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if names := taken(value):
            raise ValueError(f"expected names of your own; every template has {' '.join(names)} already")
        return value


class SettingsConfig(Document):
    """``settings/main``: where the programme is at home, for players who have told nothing else."""

    timezone: str = "UTC"
    locale: Language = "en"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None  # phones without a country code are read by it

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if known_zone(value) is None:
            raise ValueError(f"expected an IANA zone such as Europe/Kyiv, got {value[:60]!r}")
        return value

    @field_validator("locale")
    @classmethod
    def _spelled(cls, value: str) -> str:
        return check_language(value)


KINDS: dict[str, type[BaseModel]] = {
    "policies": PolicyConfig,
    "templates": TemplateConfig,
    "settings": SettingsConfig,
    "campaigns": CampaignConfig,
    "journeys": JourneyConfig,
    "segments": SegmentConfig,
}
