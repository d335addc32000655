"""``models/tone`` as operators write it: a model that reads what players write, beside the one in the turn."""

from typing import Annotated, Literal

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

DOCUMENT = "tone"  # its id, of the kind ``models``
Language = Literal["en", "uk", "ru", "other"]


class ToneConfig(BaseModel):
    """Texts of these languages are read by the connector ``endpoint``, outside the turn; then that reading stands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]  # a connector that reads
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=4)] = ("en", "uk", "ru", "other")
    texts: Literal["all", "unclear"] = "all"  # unclear: those of which the reading in the turn says nothing


class TonePlan(Struct, frozen=True):
    """Compiled ``ToneConfig``."""

    connector: str
    languages: frozenset[str]  # "" stands for other
    unclear_only: bool = False


def compile_tone(config: ToneConfig) -> TonePlan | None:
    """Return the plan; None when it is switched off."""
    if not config.enabled:
        return None
    languages = frozenset("" if name == "other" else name for name in config.languages)
    return TonePlan(config.endpoint, languages, config.texts == "unclear")
