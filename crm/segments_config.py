"""``segments/<id>`` as operators write it (docs/segments.md): who, and for what reason."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from crm.fields import Document, Language
from crm.fields import language as check_language
from domain.conditions import validate_condition

REFUSED = {
    "event": "a segment knows the player, not the event; let a metric count the events",
    "journey": "a segment knows the player, not a journey",
}


def _where(value: dict[str, Any]) -> dict[str, Any]:
    validate_condition(value, "where", refused=REFUSED)
    return value


def _languages(value: dict[str, str]) -> dict[str, str]:
    return {check_language(language): text for language, text in value.items()}


class SegmentConfig(Document):
    """A segment. Only ``where`` decides; ``visible`` shows it to its members too (a VIP club, say)."""

    name: Annotated[dict[Language, Annotated[str, Field(max_length=1_000)]], AfterValidator(_languages)] = Field(
        default_factory=dict
    )
    description: Annotated[str, Field(max_length=2_000)] = ""
    visible: bool = False
    where: Annotated[dict[str, Any], AfterValidator(_where)]
