"""Missions: tasks, windows, cycles, opt-in, limits, chains, claims and versions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import (
    Answered,
    CompletionClaimed,
    CompletionExpired,
    MissionCompleted,
    MissionProgressed,
    MissionStatus,
    Posting,
)
from domain.entries import Event, TimerFired
from domain.step import TimerOp, UniqueKey
from gamification.view import player_view
from tests.gamification.playing import DAY, HOUR, MINUTE, NOON, Player, kinds, mission, points, programme

GIFT = [points(100)]


def answer(effects: list[Any]) -> str:
    assert isinstance(effects[-1], Answered)
    return effects[-1].code


def shown(player: Player, mission_id: str, now: int | None = None) -> dict[str, Any]:
    view = player_view(player.rules, player.snapshot, player.now if now is None else now)
    return next(item for item in view["missions"] if item["id"] == mission_id)


def test_a_mission_moves_completes_and_pays_in_the_order_it_happened() -> None:
    player = Player(programme(3, missions={"two-bets": mission(2, rewards=GIFT)}))
    assert player.does("bet_placed") == [
        MissionStatus("two-bets", "in_progress"),
        MissionProgressed("two-bets", "bets", 1, 2),
    ]
    assert player.does("bet_placed", NOON + MINUTE) == [
        MissionProgressed("two-bets", "bets", 2, 2),
        MissionCompleted("two-bets", "two-bets.0", window_from=NOON),
        Posting("points", 100, 100, "missions/two-bets", 3),
    ]
    assert player.does("bet_placed") == []
    assert player.keys == []


def test_a_mission_may_ask_for_several_tasks() -> None:
    tasks = [
        {"id": "spend", "event": "bet_placed", "sum": "properties.amount", "target": 500},
        {
            "id": "spins",
            "event": "bet_placed",
            "where": {"field": "event.properties.game", "op": "eq", "value": "slots"},
            "count": 1,
        },
        {"id": "deposit", "event": "deposit_completed", "count": 1},
    ]
    player = Player(programme(missions={"all-round": {"tasks": tasks}}))
    player.does("bet_placed", amount=400.9, game="slots")
    player.does("bet_placed", amount=-50)
    assert kinds(player.does("bet_placed", amount=300)) == ["mission_progressed"]
    assert shown(player, "all-round")["tasks"] == [
        {"id": "spend", "actual": 500, "expected": 500},
        {"id": "spins", "actual": 1, "expected": 1},
        {"id": "deposit", "actual": 0, "expected": 1},
    ]
    player.does("bet_placed", amount=300)
    player.does("deposit_completed")
    assert player.status("all-round") == "completed"


def test_the_active_window_is_of_the_events_own_time() -> None:
    active = {"from": "2026-03-02T12:00:00Z", "until": "2026-03-02T14:00:00+01:00"}
    player = Player(programme(missions={"lunch": mission(2, active=active)}))
    assert player.does("bet_placed", at=NOON - 1) == []
    assert player.does("bet_placed", at=NOON + HOUR) == []
    player.does("bet_placed", at=NOON)
    player.does("bet_placed", NOON + 5 * HOUR, at=NOON + HOUR - 1)  # late, but it occurred in time
    assert player.status("lunch") == "completed"


def test_only_the_audience_plays() -> None:
    audience = {"field": "player.traits.vip", "op": "eq", "value": True}
    player = Player(programme(missions={"vips": mission(1, audience=audience)}))
    player.does("bet_placed")
    assert player.status("vips") == "available"
    player.take(Event("ada", "i", "identify", NOON, traits={"vip": True}))
    player.does("bet_placed")
    assert player.status("vips") == "completed"


def test_a_mission_in_progress_is_still_bound_by_its_window_and_audience() -> None:
    audience = {"field": "player.traits.vip", "op": "exists"}
    until = {"until": "2026-03-02T13:00:00Z"}
    player = Player(programme(missions={"vips": mission(2, audience=audience), "lunch": mission(2, active=until)}))
    player.take(Event("ada", "e1", "bet_placed", NOON, traits={"vip": True}))
    assert (player.status("vips"), player.status("lunch")) == ("in_progress", "in_progress")
    assert player.take(Event("ada", "e2", "bet_placed", NOON + HOUR, traits={"vip": None})) == []


def test_a_segment_may_be_the_audience() -> None:
    rich = {"where": {"field": "player.balance.points", "op": "gte", "value": 10}}
    player = Player(
        programme(
            segments={"rich": rich},
            missions={"m": mission(1, audience={"segment": "rich"})},
            earn_rules={"e": {"event": "bet_placed", "amount": 5}},
        )
    )
    player.does("bet_placed")
    assert player.status("m") == "available"
    player.does("bet_placed")  # its own points count: earn rules come first
    assert player.status("m") == "completed"


# --- opt-in and time limit ---


def test_opt_in_is_not_retroactive() -> None:
    player = Player(programme(missions={"m": mission(2, opt_in=True)}))
    assert player.does("bet_placed") == []
    assert answer(player.asks("opt_in", NOON + HOUR, mission="m")) == "ok"
    assert player.does("bet_placed", at=NOON + HOUR - 1) == []
    player.does("bet_placed", at=NOON + HOUR)
    player.does("bet_placed")
    assert player.status("m") == "completed"
    [completed] = [effect for effect in player.effects if isinstance(effect, MissionCompleted)]
    assert completed.window_from == NOON + HOUR


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({}, "opt_in_not_needed", id="open to all"),
        pytest.param({"opt_in": True}, "ok", id="opt-in"),
        pytest.param({"opt_in": True, "unlock_after": ["other"]}, "mission_locked", id="locked"),
        pytest.param({"opt_in": True, "active": {"until": "2026-03-02T12:00:00Z"}}, "mission_not_active", id="over"),
        pytest.param({"opt_in": True, "audience": {"segment": "s"}}, "not_in_audience", id="not invited"),
    ],
)
def test_opting_in_is_answered(more: dict[str, Any], code: str) -> None:
    nobody = {"where": {"field": "player.traits.vip", "op": "exists"}}
    player = Player(programme(missions={"m": mission(2, **more), "other": mission(1)}, segments={"s": nobody}))
    assert answer(player.asks("opt_in", mission="m")) == code
    assert answer(player.asks("opt_in", mission="nothing")) == "mission_not_found"


def test_opting_in_twice_changes_nothing_and_completed_is_refused() -> None:
    player = Player(programme(missions={"m": mission(1, opt_in=True)}))
    player.asks("opt_in", mission="m")
    before = player.snapshot
    assert answer(player.asks("opt_in", NOON + HOUR, mission="m")) == "ok"
    assert player.snapshot == before
    player.does("bet_placed")
    assert answer(player.asks("opt_in", mission="m")) == "mission_completed"


def test_a_time_limit_sets_a_timer_and_completion_clears_it() -> None:
    player = Player(programme(missions={"fast": mission(2, time_limit_s="1h")}))
    timer = TimerFired("ada", "mission_expires", "fast", NOON + HOUR, 0)
    player.does("bet_placed")
    assert player.timers == [TimerOp(timer)]
    player.does("bet_placed", NOON + HOUR - 1)
    assert player.timers == [TimerOp(timer), TimerOp(timer, set=False)]
    assert player.hears(timer) == []


def test_an_event_at_the_limit_does_not_count() -> None:
    player = Player(programme(missions={"fast": mission(2, time_limit_s=3600)}))
    player.does("bet_placed")
    player.does("bet_placed", at=NOON + HOUR)  # its clock is ahead
    assert player.status("fast") == "in_progress"
    assert player.does("bet_placed", NOON + HOUR, at=NOON + 1) == [MissionStatus("fast", "expired")]
    assert player.does("bet_placed") == []
    assert answer(player.asks("opt_in", mission="fast")) == "opt_in_not_needed"


@given(
    gaps=st.lists(st.integers(0, 90), min_size=1, max_size=8),
    recurrence=st.sampled_from(["none", "daily", "on_completion"]),
    opt_in=st.booleans(),
)
def test_the_timer_and_the_next_event_leave_the_same_state(gaps: list[int], recurrence: str, opt_in: bool) -> None:
    rules = programme(missions={"m": mission(3, time_limit_s="2h", recurrence=recurrence, opt_in=opt_in)})
    lazy, timed = Player(rules), Player(rules)
    now = NOON + 9 * HOUR
    for gap in gaps:
        now += gap * MINUTE
        for op in list(timed.timers):
            cleared = TimerOp(op.timer, set=False) in timed.timers
            heard = any(entry.entry == op.timer for entry in timed.log)
            if op.set and op.timer.due <= now and not cleared and not heard:
                timed.hears(op.timer)
        for player in (lazy, timed):
            player.does("bet_placed", now) if not opt_in or gap % 3 else player.asks("opt_in", now, mission="m")
        assert lazy.snapshot == timed.snapshot
        assert player_view(rules, lazy.snapshot, now) == player_view(rules, timed.snapshot, now)


def test_a_timer_heard_twice_or_of_an_older_cycle_changes_nothing() -> None:
    player = Player(programme(missions={"m": mission(2, time_limit_s="1h", recurrence="daily")}))
    player.does("bet_placed")
    [op] = player.timers
    player.does("bet_placed", NOON + DAY)
    before = player.snapshot
    assert player.hears(op.timer, NOON + DAY + 2 * HOUR) == []
    assert player.snapshot == before
    current = player.timers[-1].timer
    assert player.hears(current) == [MissionStatus("m", "expired", current.generation)]
    assert player.hears(current) == []


# --- cycles ---


def test_a_daily_mission_begins_again_each_local_day_and_takes_its_key() -> None:
    player = Player(
        programme(timezone="America/Sao_Paulo", missions={"m": mission(2, recurrence="daily", rewards=GIFT)})
    )
    player.does("bet_placed", NOON)
    player.does("bet_placed", NOON + 14 * HOUR)  # 23:00 the same day
    player.does("bet_placed", NOON + 14 * HOUR)
    assert player.balance() == 100
    player.does("bet_placed", NOON + 15 * HOUR)  # midnight
    player.does("bet_placed", NOON + 15 * HOUR)
    assert player.balance() == 200
    day = NOON // DAY
    assert player.keys == [UniqueKey(f"ada|missions/m|{day}|1", "e2"), UniqueKey(f"ada|missions/m|{day + 1}|1", "e5")]


def test_a_new_day_forgets_what_was_begun_and_a_late_event_does_not_rewind() -> None:
    player = Player(programme(missions={"m": mission(2, recurrence="daily")}))
    player.does("bet_placed")
    player.does("bet_placed", NOON + DAY)
    assert player.does("bet_placed", at=NOON) == []
    assert player.snapshot.missions["m"].actual == {"bets": 1}
    assert shown(player, "m", NOON + 2 * DAY)["tasks"][0]["actual"] == 0


def test_a_weekly_mission_begins_again_on_monday() -> None:
    player = Player(programme(missions={"m": mission(1, recurrence="weekly", rewards=GIFT)}))
    for day in (0, 6, 7):
        player.does("bet_placed", NOON + day * DAY)
    assert player.balance() == 200


def test_a_mission_may_begin_again_upon_completion() -> None:
    player = Player(programme(missions={"m": mission(2, recurrence="on_completion", rewards=GIFT)}))
    for _ in range(5):
        player.does("bet_placed")
    held = player.snapshot.missions["m"]
    assert (held.status, held.cycle, held.completed_count, held.actual) == ("in_progress", 2, 2, {"bets": 1})
    assert [key.key for key in player.keys] == ["ada|missions/m|0|1", "ada|missions/m|1|1"]


def test_a_mission_that_is_daily_again_the_same_day_takes_another_key() -> None:
    player = Player(programme(1, missions={"m": mission(1, recurrence="daily", rewards=GIFT)}))
    player.does("bet_placed")
    for version, recurrence in ((2, "weekly"), (3, "daily")):
        player.rules = programme(version, missions={"m": mission(1, recurrence=recurrence, rewards=GIFT)})
        player.does("bet_placed")
        assert player.does("bet_placed") == []
    assert len({key.key for key in player.keys}) == len(player.keys) == 3


# --- chains ---


def test_a_chained_mission_is_locked_until_all_before_it_are_completed() -> None:
    chain = {"a": mission(1), "b": mission(1, "deposit_completed"), "c": mission(1, unlock_after=["a", "b"])}
    player = Player(programme(missions=chain))
    player.does("bet_placed")
    player.does("bet_placed")
    assert shown(player, "c")["status"] == "locked"
    assert player.does("deposit_completed")[-1] == MissionStatus("c", "available")
    assert shown(player, "c")["status"] == "available"
    player.does("bet_placed")
    assert player.status("c") == "completed"


def test_the_event_that_unlocks_a_mission_does_not_count_for_it() -> None:
    player = Player(programme(missions={"a": mission(1), "b": mission(1, unlock_after=["a"])}))
    player.does("bet_placed")
    assert (player.status("a"), player.status("b")) == ("completed", "available")


# --- claims ---

CLAIMED = mission(1, claim="manual", claim_within_s="1d", recurrence="on_completion", rewards=GIFT)


def test_a_manual_reward_waits_for_its_claim() -> None:
    player = Player(programme(missions={"m": CLAIMED}))
    effects = player.does("bet_placed", at=NOON - HOUR)
    until = NOON + DAY
    assert effects[-1] == MissionCompleted("m", "m.0", 0, "manual", until, NOON - HOUR)
    assert shown(player, "m")["unclaimed"] == [{"completion_id": "m.0", "until": until}]
    timer = TimerFired("ada", "claim_expires", "m.0", until)
    claimed = player.asks("claim", until - 1, completion_id="m.0")
    assert claimed[:-1] == [CompletionClaimed("m", "m.0"), Posting("points", 100, 100, "missions/m", 1)]
    assert answer(claimed) == "ok"
    assert player.timers == [TimerOp(timer), TimerOp(timer, set=False)]
    assert answer(player.asks("claim", completion_id="m.0")) == "completion_not_found"
    assert player.balance() == 100


def test_an_old_cycle_can_still_be_claimed() -> None:
    player = Player(programme(missions={"m": {**CLAIMED, "claim_within_s": None}}))
    for _ in range(3):
        player.does("bet_placed")
    player.asks("claim", NOON + 300 * DAY, completion_id="m.1")
    assert [waiting[0] for waiting in player.snapshot.missions["m"].unclaimed] == ["m.0", "m.2"]


def test_a_claim_too_late_and_its_timer_leave_the_same_state() -> None:
    rules = programme(missions={"m": CLAIMED})
    late, timed = Player(rules), Player(rules)
    for player in (late, timed):
        player.does("bet_placed")
    assert timed.hears(TimerFired("ada", "claim_expires", "m.0", NOON + DAY)) == [CompletionExpired("m", "m.0")]
    assert shown(late, "m", NOON + DAY)["unclaimed"] == []
    assert answer(late.asks("claim", NOON + DAY, completion_id="m.0")) == "claim_expired"
    assert late.snapshot.missions == timed.snapshot.missions
    assert late.balance() == 0
    assert late.hears(TimerFired("ada", "claim_expires", "m.0", NOON + DAY)) == []


def test_unclaimed_completions_are_bounded() -> None:
    player = Player(programme(missions={"m": {**CLAIMED, "claim_within_s": None}}))
    for _ in range(101):
        player.does("bet_placed")
    assert len(player.snapshot.missions["m"].unclaimed) == 100
    assert CompletionExpired("m", "m.0") in player.effects


# --- messages ---


def test_a_completion_asks_for_its_message() -> None:
    told = mission(1, name={"en": "First bet", "pt": "Aposta"}, message={"template": "well-done"}, rewards=GIFT)
    player = Player(programme(missions={"first": told}))
    player.take(Event("ada", "e1", "bet_placed", NOON, context={"locale": "pt-BR"}))
    [request] = player.requests
    assert (request.id, request.template, request.purpose) == ("missions/first/0", "well-done", "reward")
    assert (request.channels, request.requested_at, request.expires_at) == (("in_app",), NOON, NOON + DAY)
    assert request.content["mission"]["name"] == "Aposta"
    assert request.content["mission"]["rewards"] == [{"currency": "points", "amount": 100}]
    assert request.cause == "e1"


# --- versions ---


def test_a_mission_in_progress_keeps_the_version_it_began_with() -> None:
    first = programme(1, missions={"m": mission(2, rewards=GIFT)})
    second = programme(2, missions={"m": mission(9, "deposit_completed")}, older={1: first})
    player = Player(first)
    player.does("bet_placed")
    player.rules = second
    assert player.does("deposit_completed") == []
    assert shown(player, "m")["tasks"] == [{"id": "bets", "actual": 1, "expected": 2}]
    assert kinds(player.does("bet_placed")) == ["mission_progressed", "mission_completed", "points"]
    assert player.effects[-1] == Posting("points", 100, 100, "missions/m", 1)


def test_without_the_older_version_the_current_one_counts() -> None:
    player = Player(programme(1, missions={"m": mission(2)}))
    player.does("bet_placed")
    player.rules = programme(2, missions={"m": mission(3)})
    player.does("bet_placed")
    assert player.status("m") == "in_progress"


def test_the_next_cycle_follows_the_current_version() -> None:
    first = programme(1, missions={"m": mission(1, recurrence="on_completion", rewards=[points(1)])})
    second = programme(2, missions={"m": mission(1, recurrence="on_completion", rewards=[points(5)])}, older={1: first})
    player = Player(first)
    player.does("bet_placed")
    player.rules = second
    player.does("bet_placed")
    assert player.balance() == 6


def test_a_claim_pays_what_was_promised() -> None:
    first = programme(1, missions={"m": CLAIMED})
    player = Player(first)
    player.does("bet_placed")
    player.rules = programme(2, missions={"m": {**CLAIMED, "rewards": [points(1)]}}, older={1: first})
    player.asks("claim", completion_id="m.0")
    assert player.balance() == 100


def test_a_deleted_mission_no_longer_moves_and_its_timer_does_nothing() -> None:
    player = Player(programme(1, missions={"m": mission(2, time_limit_s="1h")}))
    player.does("bet_placed")
    player.rules = programme(2)
    before = player.snapshot.missions
    assert player.does("bet_placed") == []
    assert player.hears(player.timers[0].timer) == []
    assert player.snapshot.missions == before


@pytest.mark.parametrize(("before", "after"), [("none", "on_completion"), ("daily", "weekly"), ("weekly", "daily")])
def test_a_mission_whose_recurrence_changes_goes_on(before: str, after: str) -> None:
    player = Player(programme(1, missions={"m": mission(1, recurrence=before)}))
    player.does("bet_placed")
    player.rules = programme(2, missions={"m": mission(1, recurrence=after)})
    player.does("bet_placed", NOON + 7 * DAY)
    assert player.snapshot.missions["m"].completed_count == 2


# --- order ---


@given(shuffle=st.permutations(list(range(6))))
def test_the_order_of_arrival_does_not_matter_without_a_limit(shuffle: list[int]) -> None:
    player = Player(programme(missions={"m": mission(6)}), now=NOON + HOUR)
    for minute in shuffle:
        player.does("bet_placed", at=NOON + minute * MINUTE)
    [completed] = [effect for effect in player.effects if isinstance(effect, MissionCompleted)]
    assert completed.window_from == NOON


def test_a_missed_mission_is_shown_as_missed() -> None:
    player = Player(programme(missions={"m": mission(2, active={"until": "2026-03-02T13:00:00Z"})}))
    player.does("bet_placed")
    assert shown(player, "m")["status"] == "in_progress"
    assert shown(player, "m", NOON + HOUR)["status"] == "missed"
