"""A choice as the arithmetic needs it; ``crm.choices`` has the rest of its document (who may get what, and when)."""

import hashlib

from msgspec import Struct

ARMS_MAX = 12
CONTEXT_MAX = 6
EXPLORE_MIN = 0.01  # so that no arm's probability is ever below 1 in 1,200, and 1 / probability stays bounded
EXPLORE_MAX = 1.0


class ChoicePlan(Struct, frozen=True):
    """One choice.

    Args:
        id: Of the document ``choices/<id>``.
        arms: In order; the first is the default.
        context: Names of ``ml.features.NAMES`` that the player's ``x`` is made of, in this order.
        explore: Share of the draws that is uniform over the eligible arms, ``EXPLORE_MIN`` to 1.
        personal: The player's own outcomes count too.
        generation: ``generation_of`` what the sums mean; sums of another generation are kept apart.
    """

    id: str
    arms: tuple[str, ...]
    context: tuple[str, ...] = ()
    explore: float = 0.05
    personal: bool = False
    generation: str = ""

    @property
    def key(self) -> str:
        """Under which the choice's sums are published."""
        return f"{self.id}|{self.generation}"


def generation_of(*parts: str) -> str:
    """Return a short name of what a choice's sums mean: its context, its outcome, its value, as text.

    Arms do not belong to it: they are counted each on its own, so one may be added or taken out and the others keep
    what was learnt of them.
    """
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:8]
