"""What a turn's draws need beside the player: seeded randomness, and what was learnt so far."""

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from domain.step import Draws
from ml.choices.beliefs import Beliefs

if TYPE_CHECKING:
    from crm.choices.drawing import Drawn
    from crm.choices.rules import ChoiceRule


class Memory(Protocol):
    """Draws that were made before, of a turn that is folded again (``crm.choices.recorded``)."""

    def instead_of(self, made: "Drawn", choice: "ChoiceRule", key: str, asks: str) -> "Drawn":
        """Return the draw as it was."""


class Chance(Struct, frozen=True):
    """Of one turn. Everything in it follows from the log: the beliefs are those that the partition was told of."""

    draws: Draws = Draws("", 0, "0-0")
    beliefs: Beliefs = Beliefs()
    partition: int = 0
    memory: Memory | None = None
    is_barred: bool = False  # this very entry excludes the player, or shows harm; the tower hears of it after the CRM


NO_CHANCE = Chance()
