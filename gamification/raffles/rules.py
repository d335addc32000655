"""Raffles, compiled; their runs by turn time, in the programme's zone."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.calendar import as_ms
from domain.event_fields import Keys, keys_of
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.periods import Period, number_of
from gamification.raffles import runs
from gamification.raffles.config import RaffleConfig, TicketSource
from gamification.rules import Holds, Message, Reward

FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class SourceRule:
    """Where tickets come from."""

    event: str
    where: Holds
    field: Keys  # empty: ``amount`` an event
    unit: int
    amount: int


@dataclass(frozen=True, slots=True)
class RafflePrizeRule:
    id: str
    name: Mapping[str, str]
    count: int
    rewards: tuple[Reward, ...]
    min_tickets: int


@dataclass(frozen=True, slots=True)
class RaffleRule:
    """One raffle. Its runs are named as ``runs`` says."""

    id: str
    version: int
    name: Mapping[str, str]
    sources: tuple[SourceRule, ...]
    max_per_player: int
    every: Period | None
    draw_at: int  # ms; without ``every``
    zone: str
    prizes: tuple[RafflePrizeRule, ...]
    multi: bool
    claim_ms: int  # 0: prizes are given at once
    audience: Holds
    starts_at: int  # ms
    until: int  # ms
    budget: str
    message: Message | None

    def run_at(self, at: int) -> str | None:
        """Return the run whose tickets are given at a moment; None: no run is open."""
        if not self.starts_at <= at < self.until:
            return None
        if self.every is None:
            return runs.name_of(None, self.draw_at // 1000) if at < self.draw_at else None
        return runs.name_of(self.every, number_of(at, self.zone, self.every))


def compiled(doc_id: str, version: int, model: RaffleConfig, zone: str) -> RaffleRule:
    """Return the rule of a document."""
    return RaffleRule(
        doc_id,
        version,
        model.name,
        tuple(_source(source) for source in model.tickets),
        model.max_per_player,
        model.draw.every,
        as_ms(model.draw.at) // 1000 * 1000 if model.draw.at else 0,
        zone,
        tuple(
            RafflePrizeRule(prize.id, prize.name, prize.count, rewards_of(prize.rewards), prize.min_tickets)
            for prize in model.prizes
        ),
        model.multi,
        (model.claim_within or 0) * 1000,
        holds_of(model.audience),
        as_ms(model.active.starts) if model.active.starts else 0,
        as_ms(model.active.until) if model.active.until else FOREVER,
        model.budget or "",
        message_of(model.message),
    )


def _source(model: TicketSource) -> SourceRule:
    return SourceRule(
        model.event,
        holds_of(model.where),
        keys_of(model.per.field) if model.per else (),
        model.per.unit if model.per else 1,
        model.amount,
    )
