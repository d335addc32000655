"""Which arm a player gets: who may get which at all, the holdout, then the draw. Pure, for turns and for slots alike.

Guardrails come first and are no part of what is learnt: an arm whose ``where`` does not hold, or a promotional one for
a player who is barred, is not in the draw at all, whatever it would bring.
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from random import Random
from typing import Any

from msgspec import Struct

from crm.choices.rules import ChoiceRule
from crm.facts.exclusions import known
from domain.choices import Choices
from domain.context import Context
from domain.features import Features
from ml.choices.beliefs import ONE, Belief, fixed
from ml.choices.draw import draw
from ml.features import NAMES, vector

WHERE, BARRED = "where", "barred"
_PLACES = {name: place for place, name in enumerate(NAMES)}
_NO_OWN: Mapping[str, tuple[int, int]] = {}


class Drawn(Struct, frozen=True):
    """The arm, and all that learning must know of the moment. Numbers are millionths."""

    arm: str
    propensity: int
    by: str  # policy, floor, holdout, only
    eligible: tuple[str, ...]
    context: tuple[int, ...] = ()


def decided(
    choice: ChoiceRule,
    belief: Belief,
    asked: Context,
    *,
    player: str,
    features: Features,
    held: Choices,
    rng: Random,
    barred: bool,
    only: Collection[str] | None = None,
) -> Drawn | None:
    """Draw an arm for a player; None: no arm is eligible.

    In this order: guardrails, the holdout, the only arm that is left, the draw.

    Args:
        belief: What was learnt of the choice (``Beliefs.of``).
        asked: The player as conditions see them; its ``now`` is the moment.
        rng: Drawn from when there is something to draw.
        barred: The player is excluded or shows a marker of harm.
        only: Arms that can be had where it is asked; None: all.
    """
    open_ = eligible(choice, asked, barred=barred, only=only)
    if not open_:
        return None
    context = context_of(choice, features, asked.now)
    if choice.holdout_arm in open_ and is_held_out(choice, player):
        return Drawn(choice.holdout_arm, ONE, "holdout", open_, context)
    own = held.own.get(choice.id)
    mine = own.arms if own is not None and own.generation == choice.plan.generation else _NO_OWN
    drawn = draw(choice.plan, belief, [number / ONE for number in context], mine, open_, rng)
    return Drawn(drawn.arm, drawn.propensity, drawn.by, open_, context)


def eligible(
    choice: ChoiceRule, asked: Context, *, barred: bool, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the arms that the player may get, in the plan's order."""
    return tuple(
        arm
        for arm in choice.plan.arms
        if (only is None or arm in only) and not obstacle(choice, arm, asked, barred=barred)
    )


def obstacle(choice: ChoiceRule, arm: str, asked: Context, *, barred: bool) -> str:
    """Return the code of why the player may not get an arm, "" when nothing stands against it."""
    rule = choice.arms[arm]
    if barred and rule.promotional:
        return BARRED
    return "" if rule.where is None or rule.where.holds(asked) else WHERE


def context_of(choice: ChoiceRule, features: Features, at: int) -> tuple[int, ...]:
    """Return the numbers of the player that the choice looks at, millionths, in the plan's order."""
    if not choice.plan.context:
        return ()
    numbers = vector(features, at, gap_ms=choice.gap_ms)
    return tuple(fixed(numbers[_PLACES[name]]) for name in choice.plan.context)


def is_held_out(choice: ChoiceRule, player: str) -> bool:
    """Tell whether the player is one of those who always get the holdout's arm: the same for ever."""
    if not choice.holdout_share:
        return False
    digest = blake2b(f"holdout|{choice.id}|{player}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < choice.holdout_share * 2**64


def is_barred(air: Mapping[str, Any], at: int) -> bool:
    """Tell whether the player is excluded, by what was told of them; a marker of harm is an exclusion too.

    Args:
        air: The part ``air`` of the snapshot.
    """
    return any(not bar["ends_by_itself"] or bar["until"] > at for bar in known(air).values())
