"""Achievements: a permanent mark of progress in stages. The count never resets and goes on past the last stage."""

from domain.effects import AchievementReached
from domain.entries import Event
from domain.event_fields import field_value
from gamification.rewards import ask_for_message, described, grant, local_text
from gamification.rules import AMOUNT_MAX, AchievementRule, whole_amount
from gamification.working import Turn


def advance_achievements(turn: Turn, rules: tuple[AchievementRule, ...], event: Event) -> None:
    """Count the event. A stage once reached stays reached, whatever a later programme asks."""
    for rule in rules:
        if rule.where is not None and not rule.where(turn):
            continue
        amount = whole_amount(field_value(event, rule.sum)) if rule.sum else 1
        if amount:
            actual, stages = turn.achievements.get(rule.id, (0, 0))
            reach(turn, rule, min(actual + amount, AMOUNT_MAX), stages)


def reach(turn: Turn, rule: AchievementRule, actual: int, reached: int) -> None:
    """Set the count and enter every stage beyond ``reached`` that it passes, each with its rewards."""
    while reached < len(rule.stages) and rule.stages[reached].at <= actual:
        stage = rule.stages[reached]
        reached += 1
        turn.effects.append(AchievementReached(rule.id, reached, stage.at))
        grant(turn, stage.rewards, "achievements/" + rule.id, turn.rules.version, rule.budget)
        if rule.message:
            content = {
                "achievement": {
                    "id": rule.id,
                    "name": local_text(rule.name, turn.profile.locale, rule.id),
                    "stage": reached,
                    "rewards": described(stage.rewards),
                }
            }
            ask_for_message(turn, rule.message, f"achievements/{rule.id}/{reached}", content)
    turn.set_achievement(rule.id, actual, reached)
