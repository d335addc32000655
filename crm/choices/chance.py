"""What a turn's draws need beside the player: seeded randomness, and what was learnt so far."""

from msgspec import Struct

from domain.step import Draws
from ml.choices.beliefs import Beliefs


class Chance(Struct, frozen=True):
    """Of one turn. Everything in it follows from the log: the beliefs are those that the partition was told of."""

    draws: Draws = Draws("", 0, "0-0")
    beliefs: Beliefs = Beliefs()
    partition: int = 0
    is_harm: bool = False  # this very turn saw a marker of harm; the tower hears of it after the CRM


NO_CHANCE = Chance()
