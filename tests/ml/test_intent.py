"""What a player seems to be about in a session, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.entries import Event
from domain.habits import Habits
from ml.config import ModelPlan, ModelsConfig, compile_models
from ml.intent import BROWSING, CONFUSED, LABELS, LEAVING, READY, UNSURE, WEIGHTS, Intent, gesture, intent, signs
from ml.pattern_config import PatternPlan
from ml.patterns import watch

EVENING = 1_772_478_000_000
GAP_MS = 1_800_000


def plans() -> tuple[ModelPlan, PatternPlan]:
    signals = {
        "bet": {"event": "bet_placed", "amount": "properties.amount", "game": "properties.game"},
        "deposit": {"event": "deposit_completed", "amount": "properties.amount"},
        "withdrawal": {"event": "withdrawal_requested", "amount": "properties.amount"},
    }
    compiled = compile_models(ModelsConfig.model_validate({"signals": signals}))
    assert compiled is not None
    assert compiled.patterns is not None
    return compiled, compiled.patterns


PLAN, PATTERNS = plans()


def session(*steps: str, pace_s: int = 20) -> Habits:
    """Take ``event`` or ``event:place`` steps, one every ``pace_s``."""
    habits = Habits()
    for number, step in enumerate(steps):
        name, _, place = step.partition(":")
        key = "game" if name == "bet_placed" else "page"
        event = Event("ada", f"e{number}", name, EVENING + number * pace_s * 1000, {key: place} if place else {})
        signal = PLAN.signal(event)
        assert signal is not None
        habits, _ = watch(habits, signal, event.occurred_at, PATTERNS, event=event)
    return habits


def judged(*steps: str, pace_s: int = 20, silent_s: int = 1) -> Intent:
    habits = session(*steps, pace_s=pace_s)
    return intent(habits, habits.session.last_at + silent_s * 1000, GAP_MS)


LOOKS = [f"page_viewed:/games/{name}" for name in ("mud", "reef", "fox", "owl", "elk", "bee")]


@pytest.mark.parametrize(
    ("steps", "label", "reason"),
    [
        pytest.param(LOOKS, BROWSING, "looks at many different things", id="from game to game"),
        pytest.param(["bet_placed:mud"] * 6, READY, "is playing", id="bet after bet"),
        pytest.param(
            ["page_viewed:/", "page_viewed:/cashier", "deposit_started:/cashier"],
            READY,
            "has begun to pay",
            id="at the cashier",
        ),
        pytest.param(
            ["page_viewed:/", "deposit_started", "deposit_failed", "page_viewed:/help", "deposit_failed", "faq_viewed"],
            CONFUSED,
            "something went wrong",
            id="a deposit that fails twice, and the questions",
        ),
        pytest.param(
            ["page_viewed:/rules", "page_viewed:/bonus"] * 4,
            CONFUSED,
            "goes back and forth between two places",
            id="to and fro",
        ),
        pytest.param(
            ["bet_placed:mud", "bet_placed:mud", "page_viewed:/account", "withdrawal_requested"],
            LEAVING,
            "has taken a step out",
            id="takes the money and goes",
        ),
        pytest.param([*LOOKS[:3], "logged_out"], LEAVING, "has taken a step out", id="logs out"),
    ],
)
def test_sessions_tell_what_they_are_about(steps: list[str], label: str, reason: str) -> None:
    found = judged(*steps)
    assert found.label == label, found
    assert found.reasons[0] == reason
    assert UNSURE <= found.confidence < 1


def test_who_falls_silent_is_on_the_way_out() -> None:
    assert judged(*LOOKS).label == BROWSING
    silent = judged(*LOOKS, silent_s=600)
    assert silent.label == LEAVING
    assert "has been silent" in silent.reasons


def test_only_the_last_steps_count() -> None:
    troubled = ["deposit_failed", "deposit_failed", "faq_viewed"]
    assert judged(*troubled, *["bet_placed:mud"] * 8).label == READY


def test_a_new_session_starts_anew() -> None:
    habits = session("deposit_failed", "deposit_failed", "faq_viewed", "page_viewed:/help")
    event = Event("ada", "e9", "page_viewed", habits.session.last_at + GAP_MS + 1, {"page": "/"})
    signal = PLAN.signal(event)
    assert signal is not None
    habits, _ = watch(habits, signal, event.occurred_at, PATTERNS, event=event)
    assert len(habits.recent) == 3
    assert intent(habits, event.occurred_at, GAP_MS) == ("", 0.0, ("too little was seen of this session",))


def test_nothing_is_said_where_no_session_is() -> None:
    assert intent(Habits(), EVENING, GAP_MS).label == ""
    habits = session(*LOOKS)
    over = intent(habits, habits.session.last_at + GAP_MS + 1, GAP_MS)
    assert over == ("", 0.0, ("no session is going on",))


def test_more_of_the_same_makes_it_surer() -> None:
    assert judged(*LOOKS[:3]).confidence < judged(*LOOKS).confidence


def test_places_are_told_apart_and_not_kept() -> None:
    event = Event("ada", "e1", "page_viewed", EVENING, {"page": "/secret/amelia@example.com"})
    signal = PLAN.signal(event)
    assert signal is not None
    kind, place = gesture(signal, event, PATTERNS.intent)
    other = Event("ada", "e1", "page_viewed", EVENING, {"page": "/cashier"})
    assert gesture(signal, other, PATTERNS.intent) != (kind, place)
    assert 0 < place < 2**16


@pytest.mark.parametrize("place", ["", 7, None, ["x"], "x" * 10_000, "\ud800"])
def test_a_place_may_be_anything(place: object) -> None:
    event = Event("ada", "e1", "page_viewed", EVENING, {"page": place})
    signal = PLAN.signal(event)
    assert signal is not None
    assert 0 <= gesture(signal, event, PATTERNS.intent)[1] < 2**16


def test_names_are_the_operators_choice() -> None:
    document = {"patterns": {"intent": {"pay": ["wallet_opened"], "places": ["room"]}}}
    compiled = compile_models(ModelsConfig.model_validate(document))
    assert compiled is not None
    assert compiled.patterns is not None
    habits = Habits()
    for number, name in enumerate(["looked", "looked", "wallet_opened"]):
        event = Event("ada", f"e{number}", name, EVENING + number * 9_000, {"room": f"r{number}"})
        signal = compiled.signal(event)
        assert signal is not None
        habits, _ = watch(habits, signal, event.occurred_at, compiled.patterns, event=event)
    assert intent(habits, habits.session.last_at, GAP_MS).label == READY


STEPS = st.sampled_from(
    [*LOOKS, "bet_placed:mud", "bet_placed:", "deposit_started", "deposit_failed", "deposit_completed", "faq_viewed",
     "logged_out", "withdrawal_requested", "anything"]
)  # fmt: skip


@given(st.lists(STEPS, min_size=1, max_size=30), st.integers(0, 120), st.integers(-60, 1_700))
def test_signs_are_shares_and_confidence_is_one_too(steps: list[str], pace_s: int, silent_s: int) -> None:
    habits = session(*steps, pace_s=pace_s)
    at = habits.session.last_at + silent_s * 1000
    shares = signs(habits, at)
    assert shares.keys() == WEIGHTS.keys()
    assert all(0 <= share <= 1 for share in shares.values()), shares
    found = intent(habits, at, GAP_MS)
    assert found.label in (*LABELS, "")
    assert 0 <= found.confidence < 1
    assert (found.label == "") == (found.confidence < UNSURE)
