"""What an ended choice adds to what is learnt, read off the effect alone: so the sums are what the history says."""

from typing import cast

from domain.effects import ChoiceCounted, ChoiceEnded
from ml.choices.beliefs import By, Ended, How
from ml.choices.beliefs import counted as counted_of
from ml.choices.plan import ChoicePlan


def counted(ended: ChoiceEnded | ChoiceCounted) -> list[tuple[str, int]]:
    """Return fields of the partition's sums (``store.keys.choice_sums``), and how much more."""
    if isinstance(ended, ChoiceEnded) and ended.outcome == "rewarded":
        return []  # it counts when its time is over, as what is missed does
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
