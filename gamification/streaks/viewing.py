"""What a player is shown of streaks: lazily, so a streak that is over is shown so before any event has noticed."""

from typing import Any

from domain.player import Snapshot
from domain.streaks import Streak
from gamification.rewards import described
from gamification.rules import Rules
from gamification.streaks.rules import StreakRule
from gamification.streaks.walking import stands_at

_LOOKED_AHEAD = 1_000  # counts in which the next reward is looked for


def view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return ``{"streaks": [...]}``, those not begun too."""
    zone = snapshot.profile.timezone or rules.timezone
    streaks: dict[str, StreakRule] = rules.rooms.get("streaks", {})
    return {"streaks": [_shown(rule, snapshot.streaks.get(i, Streak()), now, zone) for i, rule in streaks.items()]}


def _shown(rule: StreakRule, held: Streak, now: int, zone: str) -> dict[str, Any]:
    stands = stands_at(rule, held, now, zone)
    cycle = rule.cycle_at(now, zone)
    # Every cycle that a freeze covers gives one more in which the streak can be kept.
    until = rule.ends_at(max(stands.seen, stands.last) + 1 + stands.freezes, zone) if stands.count else None
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "every": rule.every,
        "count": stands.count,
        "best": max(held.best, stands.high),
        "counted": stands.last >= cycle,
        "ends_at": until,
        "freezes": {
            "held": stands.freezes,
            "max": rule.freezes_max,
            "price": {"currency": rule.price[0], "amount": rule.price[1]} if rule.price else None,
        },
        "next": _next(rule, stands.count, held.best),
    }


def _next(rule: StreakRule, count: int, best: int) -> dict[str, Any] | None:
    """Return the next count that is rewarded, and with what."""
    for at in range(count + 1, count + 1 + _LOOKED_AHEAD):
        tiers = [tier for tier in rule.tiers if tier.pays(at) and not (tier.once and at <= best)]
        if rewards := tuple(reward for tier in tiers for reward in tier.rewards):
            said = zip(rewards, described(rewards), strict=True)
            return {"at": at, "rewards": [{"kind": reward.kind, **words} for reward, words in said]}
    return None
