"""What every kind compiles alike: a condition, rewards, a message."""

from typing import Any

from domain.conditions import compile_condition
from gamification import config
from gamification.rules import Holds, Message, Reward


def holds_of(tree: dict[str, Any] | None) -> Holds:
    return None if tree is None else compile_condition(tree).holds


def rewards_of(rewards: tuple[config.Reward, ...]) -> tuple[Reward, ...]:
    return tuple(
        Reward(reward.kind, getattr(reward, config.NAMED_BY[reward.kind][0]), reward.amount) for reward in rewards
    )


def message_of(model: config.Message | None) -> Message | None:
    return Message(model.template, model.purpose) if model else None
