"""The audit's recount agrees with every completion the turn makes, and objects to ones it did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.effects import MissionCompleted
from gamification.explain import explain_completion
from tests.gamification.playing import DAY, HOUR, MINUTE, NOON, Player, programme

BIG = {"field": "event.properties.amount", "op": "gte", "value": 10}
TASKS = [
    {"id": "big", "event": "bet_placed", "where": BIG, "count": 2},
    {"id": "sum", "event": "bet_placed", "sum": "properties.amount", "target": 30},
]


def completions(player: Player) -> list[MissionCompleted]:
    return [effect for effect in player.effects if isinstance(effect, MissionCompleted)]


@given(
    bets=st.lists(st.tuples(st.integers(0, 40 * 60), st.integers(0, 90), st.integers(-5, 25)), max_size=30),
    recurrence=st.sampled_from(["none", "daily", "weekly", "on_completion"]),
    limit=st.sampled_from([None, "3h"]),
    opt_in=st.booleans(),
)
def test_every_completion_of_a_turn_is_accounted_for(
    bets: list[tuple[int, int, int]], recurrence: str, limit: str | None, opt_in: bool
) -> None:
    rules = programme(
        missions={"m": {"tasks": TASKS, "recurrence": recurrence, "time_limit_s": limit, "opt_in": opt_in}}
    )
    player = Player(rules)
    now = NOON
    for gap, late, amount in bets:
        now += gap * MINUTE // 4
        if opt_in:
            player.asks("opt_in", now, mission="m")
        done = len(completions(player))
        player.does("bet_placed", now, at=now - late * MINUTE, amount=amount)
        for completion in completions(player)[done:]:
            cause = f"e{len(player.log)}"
            assert explain_completion(rules, "m", completion, player.log, cause=cause) is None


def test_an_unearned_completion_is_told_apart() -> None:
    tasks = [{"id": "bets", "event": "bet_placed", "where": BIG, "count": 3}]
    rules = programme(missions={"m": {"tasks": tasks}})
    player = Player(rules)
    for amount in (10, 11, 9, 12):
        player.does("bet_placed", now=player.now + HOUR, amount=amount)
    [completion] = completions(player)
    assert explain_completion(rules, "m", completion, player.log) is None
    short = explain_completion(rules, "m", completion, player.log[:-1])
    assert short == "m: task bets needs 3, the log accounts for 2"
    twice = [*player.log[:-1], player.log[0]]
    assert explain_completion(rules, "m", completion, twice) == short, "one event counted twice"
    later = replace(completion, window_from=completion.window_from + 1)
    assert explain_completion(rules, "m", later, player.log) == short
    assert "e9" in (explain_completion(rules, "m", completion, player.log, cause="e9") or "")
    assert "there is none" in (explain_completion(rules, "gone", completion, player.log) or "")


@pytest.mark.parametrize("field", ["player.traits.vip", "now.hour"])
def test_a_condition_about_the_player_has_the_benefit_of_the_doubt(field: str) -> None:
    where = {"field": field, "op": "eq", "value": -1}
    rules = programme(missions={"m": {"tasks": [{"id": "bets", "event": "bet_placed", "where": where, "count": 1}]}})
    player = Player(rules, NOON + DAY)
    player.does("bet_placed")
    claimed = MissionCompleted("m", "m.0", window_from=NOON)
    assert explain_completion(rules, "m", claimed, player.log) is None
