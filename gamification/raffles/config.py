"""``raffles/<id>`` as written by people."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from gamification.config import Active, Document, Duration, Few, LocalText, Message, Name, Per, Rewards, Where

PRIZES_MAX = 50
WINNERS_MAX = 500  # of one draw
SOURCES_MAX = 20


class TicketSource(Document):
    """``amount`` tickets an event, or for each whole ``unit`` of a field of it."""

    event: Name
    where: Where = None
    per: Per | None = None
    amount: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1


class DrawTime(Document):
    """At the end of each day, week or month of the programme's zone; or once."""

    every: Literal["day", "week", "month"] | None = None
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.every is None) == (self.at is None):
            raise ValueError("expected either every (day, week, month) or at")
        return self


class RafflePrize(Document):
    id: Name
    name: LocalText = Field(default_factory=dict)
    count: Annotated[int, Field(strict=True, ge=1, le=WINNERS_MAX)] = 1
    rewards: Rewards = ()
    min_tickets: Few = 1  # in the whole run; with fewer the prize is not drawn


class RaffleConfig(Document):
    name: LocalText = Field(default_factory=dict)
    description: LocalText = Field(default_factory=dict)
    tickets: Annotated[tuple[TicketSource, ...], Field(max_length=SOURCES_MAX)] = ()  # none: by rewards only
    max_per_player: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1_000  # in one run
    draw: DrawTime
    prizes: Annotated[tuple[RafflePrize, ...], Field(min_length=1, max_length=PRIZES_MAX)]
    multi: bool = False  # a ticket may win more than once
    claim_within: Annotated[Duration, Field(le=366 * 86_400)] | None = None  # null: prizes are given at once
    audience: Where = None
    active: Active = Field(default_factory=lambda: Active.model_validate({}))
    budget: Name | None = None
    message: Message | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if len({prize.id for prize in self.prizes}) < len(self.prizes):
            raise ValueError("prizes: expected distinct ids")
        if (total := sum(prize.count for prize in self.prizes)) > WINNERS_MAX:
            raise ValueError(f"prizes: expected at most {WINNERS_MAX} winners of one draw, got {total}")
        return self
