"""Scores as a turn recorded them, for whoever folds the log again (ADR 0010).

The same net on another machine may differ in the last bit: a matrix product adds in another order. Rounded to four
places that is hardly ever seen, and over millions of turns it is. So a score is recorded with the turn that used it,
and a replay takes the recorded one, after it has looked that the model says as much here.
"""

from collections.abc import Sequence

from domain.effects import Scored
from domain.player import Scores as Held
from ml.net import CHURN_DAYS, Scores
from ml.turn import MODEL, Scorer, is_same

NOISE = 0.0002  # of a value of four places: one step of rounding, and room for another


class AsRecorded:
    """A model that answers what was recorded, where that is what it would have said itself, but for noise.

    Args:
        held: The player's scores before the turn.
        recorded: What the turn recorded; None: nothing, the score had hardly moved.
    """

    def __init__(self, model: Scorer, held: Held, recorded: Scored | None) -> None:
        self.version = model.version
        self._model = model
        self._held = held.held
        self._recorded = recorded

    def score(self, vector: Sequence[float], horizon_days: int = CHURN_DAYS) -> Scores:
        """Score as the turn did; as this machine does, where the record says something else."""
        told = self._model.score(vector, horizon_days)
        if self._recorded is not None:
            as_told = Scores(self._recorded.scores, self._recorded.confidence, self._recorded.drivers)
            return as_told if _is_near(as_told, told) else told
        before = self._held.get(MODEL)
        if before is None or before.model != self.version or not is_same(self._held, told, leeway=NOISE):
            return told
        values = {name: score.value for name, score in self._held.items()}
        return Scores(values, before.confidence, before.drivers)


def _is_near(one: Scores, other: Scores) -> bool:
    if one.values.keys() != other.values.keys() or abs(one.confidence - other.confidence) > NOISE:
        return False
    return all(abs(value - other.values[name]) <= NOISE for name, value in one.values.items())
