"""The room of streaks: how one is compiled, and what asks for it."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from domain.conditions import compile_condition
from domain.effects import Answered
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.ledger import post
from gamification.references import condition_errors, of_kind, reward_errors
from gamification.room import Compiled, Mover, Room, Sources
from gamification.rules import Reward
from gamification.streaks.config import COUNT_MAX, StreakConfig, Tier
from gamification.streaks.counting import NEW, count, gain
from gamification.streaks.joining import hand_over, join
from gamification.streaks.rules import StreakRule, TierRule
from gamification.streaks.viewing import view
from gamification.streaks.walking import stands_at
from gamification.working import Turn

KIND = "streaks"


def errors(sources: Sources) -> Iterable[str]:
    """Yield what names something that is not configured."""
    for doc_id, model in of_kind(sources.models, KIND, StreakConfig).items():
        name = f"{KIND}/{doc_id}"
        condition = compile_condition(model.where)
        yield from condition_errors(name, "where", condition, sources.models, sources.segments)
        for i, tier in enumerate(model.rewards):
            yield from reward_errors(name, f"rewards[{i}].rewards", tier.rewards, sources.models)
        if model.freezes.price and model.freezes.price.currency not in {"points", *sources.models["currencies"]}:
            yield f"{name}: freezes.price.currency: expected a currency, got {model.freezes.price.currency!r}"
        if (
            model.message
            and "templates" in sources.documents
            and model.message.template not in sources.documents["templates"]
        ):
            yield f"{name}: message.template: expected a template, got {model.message.template!r}"


def compile_streaks(sources: Sources) -> Compiled:
    """Compile every streak; an event's name finds those that it counts in."""
    rules = {i: _rule(i, model, sources.version) for i, model in of_kind(sources.models, KIND, StreakConfig).items()}
    movers: dict[str, tuple[Mover, ...]] = {}
    for rule in rules.values():
        movers[rule.event] = (*movers.get(rule.event, ()), partial(_count, rule))
    return Compiled(rules, movers)


def _count(rule: StreakRule, turn: Turn, event: Any) -> None:
    count(turn, rule, event)


def _rule(doc_id: str, model: StreakConfig, version: int) -> StreakRule:
    freezes = model.freezes
    return StreakRule(
        id=doc_id,
        version=version,
        name=model.name,
        event=model.event,
        where=holds_of(model.where),
        every=model.every,
        grace_ms=model.grace_s * 1000,
        freezes_max=freezes.max,
        price=(freezes.price.currency, freezes.price.amount) if freezes.price else None,
        decay=model.decay,
        tiers=tuple(_tier(tier) for tier in model.rewards),
        message=message_of(model.message),
        budget=model.budget or "",
        by=f"{model.every}/{freezes.max}/{model.decay}",
    )


def _tier(tier: Tier) -> TierRule:
    rewards = rewards_of(tier.rewards)
    if tier.at is not None:
        return TierRule(tier.at, tier.at, 1, tier.once, rewards)
    return TierRule(tier.starts or 1, tier.until or COUNT_MAX, tier.every, tier.once, rewards)


def buy_freeze(turn: Turn, args: dict[str, Any]) -> Answered:
    """Sell one freeze, for the price, to the account ``redeemed``."""
    rule = _rules(turn).get(str(args.get("streak")))
    if rule is None:
        return Answered("streak_not_found")
    if rule.price is None:
        return Answered("freeze_not_for_sale")
    held = stands_at(rule, turn.part("streaks").get(rule.id, NEW), turn.at, turn.zone).freezes
    if held >= rule.freezes_max:
        return Answered("freezes_full", f"{held} are held, at most {rule.freezes_max}")
    currency, amount = rule.price
    paid = post(turn, currency, -amount, f"streaks/{rule.id}", rule.version, "redeemed", "freeze")
    if paid != "ok":
        return Answered(paid, f"a freeze costs {amount} {currency}")
    return Answered("ok", data={"streak": rule.id, "freezes": gain(turn, rule, 1)})


def give_freezes(turn: Turn, reward: Reward, _rule: str, _version: int) -> None:
    """Give freezes as a reward; those beyond the most that may be held are lost."""
    rule = _rules(turn).get(reward.ref)
    if rule is not None:
        gain(turn, rule, reward.amount)


def _rules(turn: Turn) -> dict[str, StreakRule]:
    rules: dict[str, StreakRule] = turn.rules.rooms.get(KIND, {})
    return rules


ROOM = Room(
    name=KIND,
    kinds={KIND: StreakConfig},
    errors=errors,
    compile=compile_streaks,
    commands={"buy_freeze": buy_freeze},
    givers={"freezes": give_freezes},
    hand_over=hand_over,
    join=join,
    view=view,
)
