"""Configuration of ``settings/main: rollback``, as written by people."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gamification.config import Document, Duration, FieldPath, Name

WITHIN_MAX_S = 7 * 86_400
Word = Annotated[str, Field(min_length=1, max_length=60)]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class RollbackConfig(Document):
    """Which events may be rolled back, how a rollback is told, and what becomes of what was gained.

    ``entries`` bounds what is kept of a player: at least so many of the last entries that the game took, at most
    twice as many.
    """

    events: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    status: FieldPath = "properties.status"
    words: Annotated[tuple[Word, ...], BeforeValidator(_several), Field(min_length=1, max_length=10)] = Field(
        ("rollback",), alias="is"
    )
    by: Annotated[tuple[FieldPath, ...], Field(min_length=1, max_length=5)] = ("properties.round_id",)
    within: Annotated[Duration, Field(le=WITHIN_MAX_S)] = 86_400
    points: Literal["debt", "floor"] = "debt"
    levels: Literal["kept", "lowered"] = "lowered"
    entries: Annotated[int, Field(strict=True, ge=16, le=512)] = 64
