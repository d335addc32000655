"""Draws as a turn recorded them, for whoever folds the log again (ADR 0011).

Beliefs are kept only until every partition has come to later ones, so an old draw cannot be made again. It is taken as
it was recorded, after a look at whether it could have been: the same guardrails, holdout and context, an arm that was
eligible, a propensity not below the floor. Where the beliefs are at hand the draw itself is compared too.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from crm.choices.drawing import Drawn
from crm.choices.rules import ChoiceRule
from domain.effects import Chose, Effect
from ml.choices.beliefs import LEARNT, ONE

NOISE = 2  # of a propensity, millionths: another processor may add in another order

Occasion = tuple[str, str, str]  # choice, key, what was asked


class Recorded(Struct, frozen=True):
    """The draws of one turn.

    Args:
        can_repeat: The beliefs that the turn drew with are at hand.
    """

    draws: Mapping[Occasion, Drawn]
    can_repeat: bool = False

    def instead_of(self, made: Drawn, choice: ChoiceRule, key: str, asks: str) -> Drawn:
        """Return the recorded draw where it may be true; the one that was made now where it cannot."""
        told = self.draws.get((choice.id, key, asks))
        if told is None or (told.eligible, told.context) != (made.eligible, made.context):
            return made
        if made.by not in LEARNT or told.by not in LEARNT:
            return made
        if self.can_repeat:
            is_same = (told.arm, told.by) == (made.arm, made.by) and abs(told.propensity - made.propensity) <= NOISE
            return told if is_same else made
        least = int(choice.plan.explore * ONE) // len(told.eligible) - NOISE
        return told if told.arm in told.eligible and least <= told.propensity <= ONE else made


def recorded(effects: Iterable[Effect], *, can_repeat: bool) -> Recorded:
    """Return the draws of a turn's record."""
    return Recorded(
        {
            (effect.choice, effect.key, effect.asks): Drawn(
                effect.arm, effect.propensity, effect.by, effect.eligible, effect.context
            )
            for effect in effects
            if isinstance(effect, Chose)
        },
        can_repeat,
    )
