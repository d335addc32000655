"""A reward that a budget counts: it is asked for, given on the answer, and confirmed.

Of several budgets (the document's own, then ``budgets/programme``) one after the other is asked; the last ``ok``
gives the reward, and one that has no room gives back what the others had reserved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.effects import Answered
from domain.entries import KeeperAnswered
from domain.game_effects import RewardRefused, RewardWaiting
from domain.ids import keeper_id
from domain.player import Ask
from gamification.asking import ask, may_ask, tell
from gamification.budgets.keeper import KIND, NO_BUDGET
from gamification.budgets.rules import BudgetRule
from gamification.rewards import ask_for_message, described, give, listed, rewards_from
from gamification.rules import Reward
from gamification.working import Turn

PROGRAMME = "programme"  # id of the budget that counts whatever is given
THEN = "budget_reserved"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of a version."""

    all: Mapping[str, BudgetRule]

    def holds(self, turn: Turn, rewards: tuple[Reward, ...], rule: str, version: int, budget: str) -> bool:
        """Take the rewards up, if a budget counts them; False: they may be given at once."""
        wanted = [
            [name, amount]
            for name in dict.fromkeys((budget, PROGRAMME))
            if (found := self.all.get(name)) is not None and (amount := found.needed(rewards))
        ]
        if not wanted:
            return False
        if not may_ask(turn):
            turn.effects.append(RewardRefused(rule, "too_many_asks", str(wanted[0][0]), listed(rewards)))
            return True
        _ask(
            turn,
            {
                "rewards": [list(row) for row in listed(rewards)],
                "rule": rule,
                "version": version,
                "wanted": wanted,
                "held": [],
            },
        )
        return True


def on_reserved(turn: Turn, asked: Ask, answer: KeeperAnswered) -> Answered | None:
    """Go on with what a budget answered."""
    data = asked.data
    (budget, amount), *wanted = data["wanted"]
    if answer.code != "ok":
        _settle(turn, "release", data["held"])
        _refuse(turn, str(budget), answer, data)
        return None
    data = data | {"wanted": wanted, "held": [*data["held"], [budget, amount, answer.data["period"]]]}
    if wanted:
        _ask(turn, data)
        return None
    give(turn, rewards_from(data["rewards"]), data["rule"], data["version"])
    _settle(turn, "confirm", data["held"])
    return None


def on_waiting(turn: Turn, told: KeeperAnswered) -> None:
    """Tell the player that a reward waits for its budget."""
    asked = turn.part("asks").open.get(told.data["ask"])
    if asked is not None and asked.then == THEN:
        budget = str(asked.data["wanted"][0][0])
        turn.effects.append(RewardWaiting(asked.data["rule"], budget, listed(rewards_from(asked.data["rewards"]))))


def _ask(turn: Turn, data: dict[str, Any]) -> None:
    budget, amount = data["wanted"][0]
    ask(turn, keeper_id(KIND, budget), "reserve", THEN, {"amount": amount}, data)


def _settle(turn: Turn, op: str, held: list[tuple[str, int, int]]) -> None:
    for budget, amount, period in held:
        if period != NO_BUDGET:
            tell(turn, keeper_id(KIND, budget), op, {"amount": amount, "period": period})


def _refuse(turn: Turn, budget: str, answer: KeeperAnswered, data: Mapping[str, Any]) -> None:
    """Say that the reward is not given, and give what the budget has in its place."""
    rewards = rewards_from(data["rewards"])
    found = turn.rules.rooms["budgets"] if turn.rules.rooms.get("budgets") else None
    rule: BudgetRule | None = found.all.get(budget) if found else None
    instead = rule.instead if rule else ()
    turn.effects.append(RewardRefused(data["rule"], answer.code, budget, listed(rewards), listed(instead)))
    give(turn, instead, f"budgets/{budget}", turn.rules.version)
    if rule is not None:
        said = {
            "reason": answer.code,
            "rule": data["rule"],
            "rewards": described(rewards),
            "instead": described(instead),
        }
        ask_for_message(turn, rule.message, f"budgets/{budget}/{answer.id}", {"reward": said})
