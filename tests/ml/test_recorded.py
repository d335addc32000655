"""A replay on another machine: what was recorded counts, as long as the model says as much."""

from collections.abc import Sequence
from typing import Any

import pytest

from actors.player import Player, Told
from domain.effects import Scored, decode_record
from domain.entries import Event, LogEntry
from domain.player import Scores as Held
from domain.player import Snapshot
from ml.features import NAMES
from ml.net import Scores
from ml.recorded import AsRecorded
from tests.actors.test_scoring import HOUR, programme
from tests.crm.town import NOON
from tests.ml.made import model


class Elsewhere:
    """The same model on a machine that adds in another order: values are off by so much."""

    version = 1

    def __init__(self, off: float) -> None:
        self._off = off

    def score(self, vector: Sequence[float], horizon_days: int = 14) -> Scores:
        told = model().score(vector, horizon_days)
        values = {name: round(value + self._off, 4) for name, value in told.values.items()}
        return Scores(values, told.confidence, tuple(reversed(told.drivers)))


def deposit(n: int, at: int) -> LogEntry:
    return LogEntry(f"{n}-0", at, Event("ann", f"e{n}", "deposit_completed", at, {"amount": 100}))


def taken(state: Snapshot, entry: LogEntry, scorer: Any) -> tuple[Snapshot, list[bytes]]:
    turns, after = Player(state).take([entry], Told(programme(), 0, "seed", scorer))
    return after, [data for _, data in turns.history]


def scored(history: list[bytes]) -> Scored | None:
    return next(
        (effect for data in history for effect in decode_record(data).effects if isinstance(effect, Scored)), None
    )


@pytest.mark.parametrize("off", [0.0, 0.0001, -0.0001])
def test_noise_changes_nothing_in_a_replay(off: float) -> None:
    live = again = Snapshot("ann")
    for n, at in enumerate((NOON, NOON + 1_000, NOON + 60 * HOUR), 1):
        live, history = taken(live, deposit(n, at), model())
        again, replayed = taken(again, deposit(n, at), AsRecorded(Elsewhere(off), again.scores, scored(history)))
        assert (again, replayed) == (live, history)


def test_a_score_that_nearly_moved_stays_where_it_stayed() -> None:
    """Live it moved by a hair less than what is told, here by a hair more."""
    live, history = taken(Snapshot("ann"), deposit(1, NOON), model())
    held = live.scores.held["churn"].value
    hair = Elsewhere(0.0051)
    assert hair.score((0.0,) * len(NAMES)).values["churn"] - held > 0.005
    assert scored(taken(live, deposit(2, NOON + 1), hair)[1]) is not None
    again, replayed = taken(live, deposit(2, NOON + 1), AsRecorded(hair, live.scores, None))
    assert scored(replayed) is None
    assert again.scores == live.scores
    assert history


@pytest.mark.parametrize("off", [0.01, -0.01])
def test_another_score_is_not_taken_for_noise(off: float) -> None:
    _, history = taken(Snapshot("ann"), deposit(1, NOON), model())
    _, replayed = taken(Snapshot("ann"), deposit(1, NOON), AsRecorded(Elsewhere(off), Held(), scored(history)))
    assert replayed != history


def test_a_score_that_was_never_recorded_shows() -> None:
    _, replayed = taken(Snapshot("ann"), deposit(1, NOON), AsRecorded(model(), Held(), None))
    assert scored(replayed) is not None
