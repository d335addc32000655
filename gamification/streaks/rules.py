"""A streak, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from domain.calendar import day_starts_at, local_day, local_week
from gamification.rules import Holds, Message, Reward


@dataclass(frozen=True, slots=True)
class TierRule:
    starts: int
    until: int  # included
    every: int
    once: bool
    rewards: tuple[Reward, ...]

    def pays(self, count: int) -> bool:
        return self.starts <= count <= self.until and (count - self.starts) % self.every == 0


@dataclass(frozen=True, slots=True)
class StreakRule:
    id: str
    version: int  # of the programme
    name: Mapping[str, str]
    event: str
    where: Holds
    every: Literal["day", "week"]
    grace_ms: int
    freezes_max: int
    price: tuple[str, int] | None  # currency, amount; None: not for sale
    decay: int | None  # taken off for each missed cycle; None: a missed cycle ends it
    tiers: tuple[TierRule, ...]
    message: Message | None
    budget: str
    by: str  # what the walk goes by; see ``domain.streaks.Streak``

    def cycle_at(self, at: int, zone: str) -> int:
        """Return the number of the local day or week."""
        return local_day(at, zone) if self.every == "day" else local_week(at, zone)

    def ends_at(self, cycle: int, zone: str) -> int:
        """Return the first ms that is behind a cycle, its grace included."""
        day = cycle + 1 if self.every == "day" else (cycle + 1) * 7 - 3  # 1970-01-01 was a Thursday
        return day_starts_at(day, zone) + self.grace_ms
