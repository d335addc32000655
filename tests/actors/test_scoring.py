"""Scores in the player's turn: what makes them move, what moves with them, and what costs nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.player import Player, Told
from actors.programme import Programme, compile_programme
from domain.effects import Effect, JourneyEntered, Scored, SegmentEntered, SegmentLeft, decode_record
from domain.entries import Entry, Event, LogEntry, MergeAsked, Merged, TimerFired, Visited, decode_entry
from domain.features import Features
from domain.player import PART_TYPES, Snapshot, all_parts, snapshot_from_parts
from ml.lifetime import Lifetime
from ml.net import Model
from tests.crm.town import NOON, Town
from tests.ml.made import model

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
GAP = 30 * MINUTE
AT_RISK = {"where": {"field": "player.scores.churn", "op": "gte", "value": 0.6}}
WIN_BACK = {
    "entry": {"segment": "at-risk"},
    "nodes": [{"id": "wait", "kind": "delay", "for": "9d"}],
}
SIGNALS = {
    "bet": {"event": "bet_placed", "amount": "properties.amount"},
    "deposit": {"event": "deposit_completed", "amount": "properties.amount"},
}
SCORING: dict[str, dict[str, Any]] = {
    "models": {"churn": {"signals": SIGNALS}},
    "segments": {"at-risk": AT_RISK},
    "journeys": {"win-back": WIN_BACK},
}


def programme(**more: Any) -> Programme:
    return compile_programme(1, SCORING | more)


class Ann:
    """One player; time passes as her timers fire."""

    def __init__(self, rules: Programme | None = None, scores_with: Model | None = None) -> None:
        self.told = Told(rules or programme(), 0, "seed", scores_with or model())
        self.state = Snapshot("ann")
        self.timers: dict[bytes, int] = {}
        self.log: list[LogEntry] = []
        self.written: set[str] = set()
        self.now = NOON

    def take(self, entry: Entry) -> tuple[Effect, ...]:
        self.log.append(LogEntry(f"{len(self.log) + 1}-0", self.now, entry))
        turns, self.state = Player(self.state).take(self.log[-1:], self.told)
        assert not turns.failed, turns.failed
        self.written = set(turns.fields)
        for is_set, due, member in turns.timers:
            if is_set:
                self.timers[member] = due
            else:
                assert self.timers.pop(member, None) is not None, "a timer that is not set was cleared"
        return tuple(effect for _, data in turns.history for effect in decode_record(data).effects)

    def does(self, name: str = "bet_placed", **properties: Any) -> tuple[Effect, ...]:
        return self.take(Event("ann", f"e{len(self.log)}", name, self.now, properties))

    def waits(self, ms: int) -> list[tuple[int, Effect]]:
        """Let time pass; what the timers brought, with how long after now."""
        began, seen = self.now, []
        while self.timers and min(self.timers.values()) <= began + ms:
            member = min(self.timers, key=lambda each: (self.timers[each], each))
            self.now = max(self.now, self.timers.pop(member))
            timer = decode_entry(member)
            seen += [(self.now - began, effect) for effect in self.take(timer)]
        self.now = began + ms
        return seen

    @property
    def looks(self) -> list[int]:
        """When the player will be looked at again."""
        timers = {due: decode_entry(member) for member, due in self.timers.items()}
        return [due for due, timer in timers.items() if isinstance(timer, TimerFired) and timer.kind == "rescore"]

    @property
    def churn(self) -> float:
        return self.state.scores.held["churn"].value


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def test_the_first_event_scores_the_player_in_its_own_turn() -> None:
    ann = Ann()
    (scored,) = [effect for effect in ann.does() if isinstance(effect, Scored)]
    assert (scored.model, scored.before, scored.version) == ("churn", None, 1)
    assert scored.value == ann.churn == 0.1192  # sigmoid(-2): she is here
    assert scored.confidence == 0.25  # one day of hers is known
    assert scored.scores.keys() == {"churn", "churn_7d", "churn_14d", "churn_28d", "purchase_7d", "engagement"}
    assert ann.state.scores.held["purchase_7d"].drivers == ()


def test_a_score_moves_the_segment_and_the_journey_in_the_same_turn() -> None:
    ann = Ann(scores_with=model(bias=2.0))
    assert kinds(ann.does())[:3] == ["Scored", "SegmentEntered", "JourneyEntered"]
    assert "at-risk" in ann.state.segments.member


def test_who_falls_silent_is_at_risk_without_any_event() -> None:
    ann = Ann()
    ann.does()
    seen = ann.waits(40 * DAY)
    entered = [(after, effect) for after, effect in seen if isinstance(effect, SegmentEntered)]
    assert [(after, effect.by) for after, effect in entered] == [(2 * DAY, "time")]  # sigmoid(2.5 log 3 - 2) is 0.68
    assert [after for after, effect in seen if isinstance(effect, JourneyEntered)] == [2 * DAY]
    assert [after for after, effect in seen if isinstance(effect, Scored)] == [
        GAP, DAY, 2 * DAY, 4 * DAY, 8 * DAY, 16 * DAY,
    ]  # fmt: skip
    assert not ann.timers, "who is silent that long is looked at no more"
    assert ann.state.scores.armed == 0


def test_who_comes_back_leaves_the_segment_with_the_first_event() -> None:
    ann = Ann()
    ann.does()
    ann.waits(3 * DAY)
    effects = ann.does()
    assert [effect.before for effect in effects if isinstance(effect, Scored)] == [0.6784]
    assert any(isinstance(effect, SegmentLeft) for effect in effects)
    assert [after for after, effect in ann.waits(DAY) if isinstance(effect, Scored)] == [GAP, DAY]


def test_an_event_within_a_session_only_moves_the_features() -> None:
    ann = Ann()
    ann.does()
    ann.now += MINUTE
    assert ann.does(amount=500) == ()
    assert ann.written == {"profile", "features", "habits"}
    assert list(ann.timers.values()) == [NOON + GAP], "the timer is lazy"


def test_money_is_looked_at_within_a_session_too() -> None:
    ann = Ann()
    ann.does()
    held = ann.state.scores
    ann.now += MINUTE
    ann.does("deposit_completed", amount=500)
    assert ann.state.scores is held, "it hardly moved: the same score, nothing written"
    ann.told = Told(ann.told.programme, 0, "seed", model(2, bias=0.0))
    effects = ann.does("deposit_completed", amount=500)
    assert [(effect.before, effect.value, effect.version) for effect in effects if isinstance(effect, Scored)] == [
        (0.1192, 0.5, 2)
    ]


def test_a_timer_that_comes_in_the_middle_of_a_session_is_set_again_and_scores_nothing() -> None:
    ann = Ann()
    ann.does()
    ann.now += 20 * MINUTE
    ann.does()
    seen = ann.waits(DAY)
    assert [after for after, effect in seen if isinstance(effect, Scored)] == [GAP, DAY]


def test_a_timer_that_is_not_the_armed_one_changes_nothing() -> None:
    ann = Ann()
    ann.does()
    ann.waits(2 * DAY)
    before = ann.state
    ann.now += DAY + HOUR  # the net would say something else by now
    assert ann.take(TimerFired("ann", "rescore", "", NOON + GAP)) == ()
    assert ann.state is before


def test_another_model_of_the_same_opinion_is_recorded_as_the_one_that_said_it() -> None:
    ann = Ann()
    ann.does()
    ann.told = Told(ann.told.programme, 0, "seed", model(2))
    (scored,) = [effect for effect in ann.does("deposit_completed") if isinstance(effect, Scored)]
    assert (scored.before, scored.value, scored.version) == (0.1192, 0.1192, 2)
    assert ann.state.scores.held["churn"].model == 2


def test_a_walk_brings_another_model_to_who_is_silent() -> None:
    ann = Ann()
    ann.does()
    ann.waits(60 * DAY)
    assert not ann.timers
    before = ann.state.scores.held["churn"]
    ann.told = Told(ann.told.programme, 0, "seed", model(2, bias=-8.0))
    effects = ann.take(Visited("ann", "rescore:1", "rescore"))
    (scored,) = [effect for effect in effects if isinstance(effect, Scored)]
    assert (scored.before, scored.version) == (before.value, 2)
    assert ann.churn == scored.value < before.value
    assert kinds(effects) == ["Scored"]
    assert not ann.timers, "she is looked at no more all the same"
    again = ann.state
    assert ann.take(Visited("ann", "rescore:1", "rescore")) == ()
    assert ann.state is again
    ann.told = Told(ann.told.programme, 0, "seed", model(3, bias=-14.0))
    assert "SegmentLeft" in kinds(ann.take(Visited("ann", "rescore:2", "rescore")))


@pytest.mark.parametrize("visit", ["rescore", "review"])
def test_a_visit_scores_nobody_of_whom_nothing_is_known_nor_for_another_reason(visit: str) -> None:
    ann = Ann()
    assert ann.take(Visited("ann", "w", visit)) == ()
    ann.does()
    held = ann.state.scores
    ann.told = Told(ann.told.programme, 0, "seed", model(2))
    ann.take(Visited("ann", "w", visit))
    assert (ann.state.scores is held) == (visit == "review")
    ann.told = Told(ann.told.programme, 0, "seed", None)
    assert ann.take(Visited("ann", "w", visit)) == (), "a model that cannot be used"


def test_an_event_pulls_a_late_timer_forward() -> None:
    ann = Ann()
    ann.does()
    ann.waits(9 * DAY)
    assert ann.looks == [NOON + 16 * DAY]
    ann.does()
    assert ann.looks == [ann.now + GAP]


def test_a_message_s_receipt_does_not_show_the_player_to_be_there() -> None:
    ann = Ann()
    ann.take(Event("ann", "msg:1", "message_delivered", NOON, type="message"))
    assert not ann.state.features.events
    assert "features" not in ann.written


def test_messages_and_what_is_done_with_them_move_the_features_and_nothing_else() -> None:
    ann = Ann()
    ann.does()
    before, scores = ann.state.features, ann.state.scores
    for outcome in ("sent", "opened", "clicked", "delivered"):
        ann.take(Event("ann", outcome, f"message_{outcome}", NOON + DAY, {"message_id": "req-1"}, type="message"))
        assert ann.written <= {"features", "profile"}
    assert (ann.state.features.events, ann.state.features.last_at) == (before.events, before.last_at)
    assert (ann.state.features.messages.received.month, ann.state.features.messages.responded.month) == (1, 1)
    assert ann.state.scores is scores


def test_who_pays_is_told_what_comes_of_it() -> None:
    ann = Ann(scores_with=model(lifetime=Lifetime(1.5, 10.0, 4.0, 8.0, 6.0, 3.5, 15.0)))
    ann.does()
    assert "ltv_90d" not in ann.state.scores.held
    for _ in range(4):
        ann.now += 6 * DAY
        (scored,) = [e for e in ann.does("deposit_completed", amount=5_000) if isinstance(e, Scored)]
    assert scored.scores["ltv_90d"] == ann.state.scores.held["ltv_90d"].value > 100
    assert 1 < scored.scores["next_purchase_days"] < 10
    held = ann.state.scores
    ann.does("deposit_completed", amount=10)
    assert ann.state.scores is held, "ten cents more: within 5 % it is the same"
    told = [e.scores for _, e in ann.waits(40 * DAY) if isinstance(e, Scored)]
    assert told[-1]["ltv_90d"] < scored.scores["ltv_90d"] * 0.6
    assert "next_purchase_days" in scored.scores
    assert "next_purchase_days" not in told[-1], "it is likelier that she never pays again"
    assert "next_purchase_days" not in ann.state.scores.held


def test_a_programme_without_models_computes_and_keeps_nothing() -> None:
    ann = Ann(compile_programme(1, {"segments": {"at-risk": AT_RISK}}))
    assert ann.does() == ()
    assert ann.written.isdisjoint({"features", "habits", "scores"})
    assert not ann.timers


def test_models_switched_off_compute_nothing_and_switched_on_look_again() -> None:
    ann = Ann()
    ann.does()
    ann.told = Told(programme(models={"churn": {"enabled": False}}), 0, "seed", model())
    ann.waits(2 * DAY)
    assert ann.does() == ()
    ann.told = Told(programme(), 0, "seed", model())
    ann.now += DAY
    ann.does()
    assert [after for after, effect in ann.waits(DAY) if isinstance(effect, Scored)] == [GAP, DAY]


def test_without_a_usable_model_features_are_kept_and_scores_stay() -> None:
    ann = Ann()
    ann.does()
    ann.told = Told(ann.told.programme, 0, "seed", None)
    ann.now += DAY
    assert ann.does() == ()
    assert (ann.state.features.events, ann.churn) == (2, 0.1192)


def test_the_game_s_conditions_see_the_score_of_the_turn() -> None:
    earn = {"keep": {"event": "bet_placed", "amount": 7, "where": AT_RISK["where"]}}
    ann = Ann(programme(**{"currencies": {"points": {}}, "earn-rules": earn}), model(bias=2.0))
    ann.does()
    assert ann.state.wallet["points"].balance == 7


def test_two_who_are_one_are_scored_by_what_both_did() -> None:
    town = Town(programme())
    town.told = Told(town.told.programme, 0, "seed", model())
    town.take(Event("anon:a", "a1", "bet_placed", NOON))
    town.now += 3 * DAY
    town.take(Event("ann", "b1", "bet_placed", town.now))
    town.take(MergeAsked("anon:a", "ann", "login"))
    (merged,) = [entry for entry in town.on_the_way if isinstance(entry, Merged)]
    gone = town.of("anon:a")
    assert (gone.features.events, gone.scores.held, gone.habits.session.events) == (0, {}, 0)
    assert not [member for member in town.timers if decode_entry(member).player == "anon:a"]
    town.take(merged)
    ann = town.of("ann")
    assert (ann.features.events, ann.features.first_at) == (2, NOON)
    assert ann.scores.held["churn"].confidence == 0.4  # two active days
    town.take(merged)
    assert town.of("ann") == ann, "once"


def test_who_has_no_past_takes_that_of_the_profile_that_joins() -> None:
    town = Town(programme())
    town.told = Told(town.told.programme, 0, "seed", model())
    town.take(Event("anon:a", "a1", "bet_placed", NOON))
    theirs = town.of("anon:a")
    town.take(MergeAsked("anon:a", "ann", "login"))
    (merged,) = [entry for entry in town.on_the_way if isinstance(entry, Merged)]
    town.take(merged)
    ann = town.of("ann")
    assert ann.features == theirs.features
    assert ann.habits == theirs.habits
    assert ann.scores == theirs.scores


def test_messages_of_a_profile_that_did_nothing_join_too() -> None:
    town = Town(programme())
    town.told = Told(town.told.programme, 0, "seed", model())
    town.take(Event("ann", "e", "bet_placed", NOON))
    town.take(Event("anon:a", "m", "message_sent", NOON, {"message_id": "req-1"}, type="message"))
    town.take(MergeAsked("anon:a", "ann", "login"))
    (merged,) = [entry for entry in town.on_the_way if isinstance(entry, Merged)]
    assert town.of("anon:a").features == Features()
    town.take(merged)
    assert (town.of("ann").features.events, town.of("ann").features.messages.received.month) == (1, 1)
    town.take(Event("anon:b", "m", "message_sent", NOON, {"message_id": "req-2"}, type="message"))
    town.take(MergeAsked("anon:b", "bob", "login"))
    town.take([entry for entry in town.on_the_way if isinstance(entry, Merged)][-1])
    assert town.of("bob").features.messages.received.month == 1
    assert not town.of("bob").scores.held, "of whom nothing is known nothing is told"


NAMES = st.sampled_from(("bet_placed", "deposit_completed", "page_viewed", "message_sent"))
MOMENTS = st.tuples(NAMES, st.integers(0, 30 * DAY), st.integers(-2 * DAY, 5 * MINUTE), st.integers(-(10**6), 10**6))


@settings(deadline=None)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=25), cuts=st.sets(st.integers(0, 200)))
def test_a_log_gives_the_same_bytes_whatever_the_batches(
    moments: list[tuple[str, int, int, int]], cuts: set[int]
) -> None:
    """Late events, events from the future, timers in between; states pass through their stored form at each cut."""
    ann = Ann()
    for name, later, skew, amount in moments:
        ann.waits(later)
        kind = "message" if name == "message_sent" else "track"
        event = Event(
            "ann", f"e{len(ann.log)}", name, ann.now + skew, {"amount": amount, "message_id": "req-1"}, type=kind
        )
        ann.take(event)
        ann.log[-1] = LogEntry(ann.log[-1].offset, ann.now, event)
    ann.waits(40 * DAY)
    again, batch, history = Snapshot("ann"), list[LogEntry](), list[bytes]()
    for n, entry in enumerate(ann.log):
        batch.append(entry)
        if n in cuts or entry is ann.log[-1]:
            turns, after = Player(again).take(batch, ann.told)
            history += [data for _, data in turns.history]
            again, batch = snapshot_from_parts("ann", after.version, all_parts(after)), []
    assert all_parts(again) == all_parts(ann.state)
    assert {name for name in PART_TYPES if getattr(again, name) != getattr(ann.state, name)} == set()
    assert history == _history_of(ann.log, ann.told)


def _history_of(log: list[LogEntry], told: Told) -> list[bytes]:
    turns, _ = Player(Snapshot("ann")).take(log, told)
    return [data for _, data in turns.history]


@pytest.mark.parametrize("last_at", [NOON, NOON + 5 * MINUTE])
def test_a_clock_that_runs_ahead_does_not_end_a_session_early(last_at: int) -> None:
    ann = Ann()
    ann.take(Event("ann", "e", "bet_placed", last_at))
    assert list(ann.timers.values()) == [last_at + GAP]
