"""Configuration of quests, as written by people."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gamification.config import Active, Document, LocalText, Message, Name, Rewards, Where

MISSIONS_MAX = 50


class QuestConfig(Document):
    """Missions in a row (``chain``: each opens when the one before is done) or in any order (``bundle``)."""

    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    missions: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MISSIONS_MAX)]
    mode: Literal["chain", "bundle"] = "bundle"
    rewards: Rewards = ()
    budget: Name | None = None
    audience: Where = None
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    message: Message | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.missions)) < len(self.missions):
            raise ValueError("missions: expected each mission once")
        return self
