"""Mini-games, compiled, and what a moment makes of them: the day's table, the day's cell."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.calendar import LATEST_MS, as_ms, local_day
from gamification.compiling import holds_of, rewards_of
from gamification.minigames.config import WEEKDAYS, MinigameConfig
from gamification.rules import Holds, Reward

FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class PrizeRule:
    """A prize; ``stock`` and ``max_per_day`` are of all players together, -1: no limit."""

    id: str
    name: Mapping[str, str]
    weight: int
    rewards: tuple[Reward, ...]
    stock: int
    max_per_day: int
    weekdays: frozenset[int]  # Monday is 0; empty: every day
    lose: bool

    @property
    def is_limited(self) -> bool:
        """Tell whether its keeper must be asked."""
        return self.stock >= 0 or self.max_per_day >= 0


@dataclass(frozen=True, slots=True)
class MinigameRule:
    """One mini-game."""

    id: str
    version: int
    name: Mapping[str, str]
    type: str
    attempts: int  # in a period; 0: none without a spin, -1: no limit (they are paid)
    per: str  # day week ever last
    after_ms: int  # with ``last``
    own_zone: bool  # days are the player's, not the programme's
    price: tuple[str, int]  # currency, amount; 0: free
    prizes: Mapping[str, PrizeRule]  # in order
    by: str  # of a calendar: weekday, day
    acknowledge_ms: int
    audience: Holds
    starts_at: int  # ms
    until: int  # ms
    budget: str

    def table(self, at: int, zone: str) -> tuple[PrizeRule, ...]:
        """Return the prizes that can be drawn on the day of a moment."""
        weekday = (local_day(at, zone) + 3) % 7
        return tuple(p for p in self.prizes.values() if not p.weekdays or weekday in p.weekdays)

    def cell(self, at: int, zone: str) -> int:
        """Return which cell of a calendar a day opens, from 0; -1: none."""
        day = local_day(at, zone)
        number = (day + 3) % 7 if self.by == "weekday" else day - local_day(self.starts_at, zone)
        return number if 0 <= number < len(self.prizes) else -1


def _day_shown(at: int) -> int:
    """Return a moment (ms) that has a local day in every zone; the years 1 and 9999 do not have one everywhere."""
    return min(max(at, 0), LATEST_MS)


def compiled(doc_id: str, version: int, model: MinigameConfig) -> MinigameRule:
    """Return the rule of a document."""
    attempts, price = model.attempts, model.buy_in
    return MinigameRule(
        doc_id,
        version,
        model.name,
        model.type,
        attempts.max if attempts else -1 if price else 0,
        attempts.per if attempts else "ever",
        (attempts.after or 0) * 1000 if attempts else 0,
        attempts is None or attempts.zone == "player",
        (price.currency, price.amount) if price else ("", 0),
        {
            prize.id: PrizeRule(
                prize.id,
                prize.name,
                prize.weight,
                rewards_of(prize.rewards),
                -1 if prize.stock is None else prize.stock,
                -1 if prize.max_per_day is None else prize.max_per_day,
                frozenset(WEEKDAYS.index(day) for day in prize.weekdays or ()),
                prize.lose,
            )
            for prize in model.prizes
        },
        model.by or "",
        model.acknowledge_within * 1000,
        holds_of(model.audience),
        _day_shown(as_ms(model.active.starts)) if model.active.starts else 0,
        as_ms(model.active.until) if model.active.until else FOREVER,
        model.budget or "",
    )
