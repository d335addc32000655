"""What a turn scores is what training learns from: the same vectors, to the bit."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from domain.entries import Event, LogEntry
from domain.player import Snapshot
from ml.config import ModelsConfig, compile_models
from ml.net import Model, Scores
from ml.training.dataset import rows_of
from ml.training.log import log_of
from ml.turn import take_turn
from tests.ml.made import model
from tests.ml.test_features import LAWS, MONDAY, WAITS

PLAN = compile_models(
    ModelsConfig.model_validate(
        {
            "session_gap": "20m",
            "signals": {
                "bet": {"event": "bet_placed", "amount": "properties.amount", "game": "properties.game"},
                "win": {"event": "bet_won", "amount": "properties.amount"},
                "deposit": {"event": "deposit_completed", "amount": "properties.amount"},
            },
        }
    )
)
MESSAGES = ("message_sent", "message_opened", "message_clicked", "message_bounced")
EVENTS = st.sampled_from(("bet_placed", "bet_won", "deposit_completed", "lobby_opened", *MESSAGES))


class Noted:
    """A model that remembers what it was asked."""

    def __init__(self) -> None:
        self._model = model()
        self.version = self._model.version
        self.asked: list[tuple[float, ...]] = []

    def score(self, vector: tuple[float, ...], horizon_days: int) -> Scores:
        self.asked.append(vector)
        return self._model.score(vector, horizon_days)


@LAWS
@given(history=st.lists(st.tuples(WAITS, EVENTS, st.integers(0, 10**7)), min_size=1, max_size=20))
def test_a_turn_scores_the_vectors_that_training_takes(history: list[tuple[int, str, int]]) -> None:
    assert PLAN is not None
    state, noted, at = Snapshot("ada"), Noted(), MONDAY
    events = []
    for number, (wait, name, amount) in enumerate(history):
        at += wait
        said = {"amount": amount, "game": f"game-{amount % 3}", "message_id": f"req-{amount % 2}"}
        event = Event("ada", f"m{number}", name, at, said, type="message" if name in MESSAGES else "track")
        state = take_turn(PLAN, cast(Model, noted), state, LogEntry(f"{number}-0", at, event)).state
        events.append(event)
    told = [(event.occurred_at, signal) for event in events if (signal := PLAN.signal(event)) is not None]
    log = log_of(
        ["ada"] * len(told),
        [at for at, _ in told],
        [signal.kind for _, signal in told],
        [signal.amount for _, signal in told],
        game=[signal.game for _, signal in told],
    )
    rows = rows_of(log, gap_ms=PLAN.session_gap_ms, moment_share=1.0)
    learnt = [tuple(vector) for vector, weekly in zip(rows.vector, rows.weekly, strict=True) if not weekly]
    assert set(learnt) <= set(noted.asked)
    assert learnt[:1] == noted.asked[:1]
