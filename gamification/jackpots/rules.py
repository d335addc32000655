"""Jackpots, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.entries import Event
from domain.event_fields import Keys, field_value, keys_of
from gamification.compiling import holds_of, message_of
from gamification.fairness.proof import CHANCE_OF
from gamification.jackpots.config import MICROS, UNITS_MAX, JackpotConfig
from gamification.rules import Holds, Message, whole_amount


@dataclass(frozen=True, slots=True)
class JackpotRule:
    """One jackpot. Amounts of pots are in micros, millionths of a whole unit, so that no share is lost to rounding."""

    id: str
    version: int
    name: Mapping[str, str]
    event: str
    where: Holds
    audience: Holds
    fixed: int  # micros; 0: a share
    share: int  # millionths
    of: Keys
    currency: str
    personal: bool
    seed: int  # whole units
    chance: int  # of CHANCE_OF; 0: must_hit_by
    least: int  # whole units
    most: int  # whole units
    message: Message | None

    def contribution(self, event: Event) -> int:
        """Return what an event adds, in micros; an amount that is none, or absurd, adds nothing or the most."""
        if self.fixed:
            return self.fixed
        return min(whole_amount(field_value(event, self.of)), UNITS_MAX) * self.share


def compiled(doc_id: str, version: int, model: JackpotConfig) -> JackpotRule:
    """Return the rule of a document."""
    added, hit = model.contribute, model.hit
    return JackpotRule(
        doc_id,
        version,
        model.name,
        model.event,
        holds_of(model.where),
        holds_of(model.audience),
        (added.fixed or 0) * MICROS,
        int(Decimal(str(added.share or 0)) * MICROS),
        keys_of(added.of),
        model.currency,
        model.scope == "personal",
        model.seed,
        int(Decimal(str(hit.chance or 0)) * CHANCE_OF),
        hit.min,
        hit.must_hit_by or 0,
        message_of(model.message),
    )
