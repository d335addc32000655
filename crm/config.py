"""Configuration of the CRM as operators write it: ``policies``, ``templates``, ``settings`` (docs/programme.md).

``KINDS`` lists all kinds of the package; segments, journeys and campaigns have their documents in modules of their own.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from crm.campaigns import CampaignConfig
from crm.choices.config import ChoiceConfig
from crm.content.config import TemplateConfig as TemplateConfig
from crm.fields import Document, Language
from crm.fields import language as check_language
from crm.journeys.config import JourneyConfig
from crm.placements import PlacementConfig
from crm.segments_config import SegmentConfig
from crm.tower.config import SENDS_MAX as SENDS_MAX
from crm.tower.config import PolicyConfig as PolicyConfig
from domain.calendar import known_zone


class SettingsConfig(Document):
    """``settings/main``: where the programme is at home, for players who have told nothing else."""

    timezone: str = "UTC"
    locale: Language = "en"
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None  # phones without a country code are read by it
    site: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=200)] | None = None
    """Where a path such as /lobby leads when it stands in a mail; without it such a button is left out there."""
    rollback: Any = None  # the game's, which reads it (``gamification.rollback``)

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
    "placements": PlacementConfig,
    "choices": ChoiceConfig,
}
