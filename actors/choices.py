"""What an ended choice adds to what is learnt, read off the effect alone: so the sums are what the history says."""

from typing import cast

from domain.effects import ChoiceEnded
from ml.choices.beliefs import By, Ended, How
from ml.choices.beliefs import counted as counted_of
from ml.choices.plan import ChoicePlan


def counted(ended: ChoiceEnded) -> list[tuple[str, int]]:
    """Return fields of the partition's sums (``store.keys.choice_sums``), and how much more."""
    meant = ChoicePlan(ended.choice, (ended.arm,), ("",) * len(ended.context), generation=ended.generation)
    return counted_of(
        meant,
        Ended(
            ended.arm,
            cast("By", ended.by),
            cast("How", ended.outcome),
            ended.generation,
            ended.propensity,
            ended.reward,
            ended.context,
        ),
    )
