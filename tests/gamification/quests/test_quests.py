"""Several missions with a reward of their own: chains open one by one, bundles take any order."""

from typing import Any

import pytest

from domain.effects import MissionStatus, Posting
from domain.game_effects import QuestCompleted, QuestProgressed
from gamification.programme import InvalidProgramme
from gamification.rules import Rules
from gamification.view import player_view
from tests.gamification.playing import DAY, HOUR, MONDAY, NOON, Player, mission, points, postings, programme
from tests.gamification.test_merge import ADA, GUEST, Two

MISSIONS = {"a": mission(1, "did_a"), "b": mission(1, "did_b"), "c": mission(1, "did_c")}


def rules(version: int = 1, missions: dict[str, Any] = MISSIONS, **quest: Any) -> Rules:
    tour = {"missions": ["a", "b", "c"], "rewards": [points(100)], **quest}
    return programme(version, missions=missions, quests={"tour": tour})


def shown(player: Player, now: int | None = None) -> dict[str, Any]:
    at = player.now if now is None else now
    view: dict[str, Any] = player_view(player.rules, player.snapshot, at)["quests"][0]
    return view


def test_a_bundle_is_done_in_any_order_and_paid_once() -> None:
    player = Player(rules())
    assert player.does("did_b")[-1] == QuestProgressed("tour", "b", 1, 3)
    player.does("did_c")
    assert player.does("did_a")[-3:] == [
        QuestProgressed("tour", "a", 3, 3),
        QuestCompleted("tour"),
        Posting("points", 100, 100, "quests/tour", 1),
    ]
    assert player.does("did_a") == []
    assert shown(player) | {"rewards": 0} == {
        "id": "tour",
        "name": {},
        "mode": "bundle",
        "status": "completed",
        "missions": [{"id": name, "status": "completed"} for name in "abc"],
        "done": 3,
        "of": 3,
        "until": None,
        "completed_at": NOON,
        "rewards": 0,
    }


def test_a_chain_opens_each_mission_when_the_one_before_is_done() -> None:
    player = Player(rules(mode="chain"))
    assert player.does("did_b") == []
    assert [item["status"] for item in shown(player)["missions"]] == ["available", "locked", "locked"]
    assert MissionStatus("b", "available") in player.does("did_a")
    assert [item["status"] for item in shown(player)["missions"]] == ["completed", "available", "locked"]
    player.does("did_b")
    assert player.does("did_c")[-2] == QuestCompleted("tour")


def test_a_mission_completed_before_the_quest_was_published_counts_but_ends_nothing_by_itself() -> None:
    player = Player(programme(missions=MISSIONS))
    player.does("did_a")
    player.does("did_b")
    player.rules = rules(2)
    assert (shown(player)["status"], shown(player)["done"]) == ("in_progress", 2)
    assert player.does("did_c")[-2] == QuestCompleted("tour")


WINDOW = {"from": "2026-03-02T06:00:00Z", "until": "2026-03-04T00:00:00Z"}


def test_what_was_completed_outside_the_window_does_not_count() -> None:
    player = Player(rules(active=WINDOW))
    assert shown(player, MONDAY)["status"] == "locked"
    player.does("did_a", MONDAY)
    player.does("did_b", NOON)
    player.does("did_c", NOON)
    assert (shown(player)["status"], shown(player)["done"]) == ("in_progress", 2)
    assert shown(player, MONDAY + 2 * DAY)["status"] == "missed"


def test_event_time_decides_so_a_late_event_still_counts() -> None:
    player = Player(rules(active=WINDOW))
    for name in ("did_a", "did_b"):
        player.does(name, NOON)
    assert QuestCompleted("tour") in player.does("did_c", NOON + 3 * DAY, at=NOON + HOUR)


def test_a_recurring_mission_that_is_completed_again_after_the_window_has_still_been_done_in_it() -> None:
    again = MISSIONS | {"a": mission(1, "did_a", recurrence="on_completion")}
    player = Player(rules(missions=again, active=WINDOW))
    player.does("did_a", NOON)
    player.does("did_a", NOON + 3 * DAY)
    assert shown(player)["done"] == 1


def test_the_audience_is_asked_when_a_mission_is_completed() -> None:
    player = Player(rules(audience={"field": "player.traits.vip", "op": "eq", "value": True}))
    player.does("did_a")
    assert player.snapshot.quests == {}


def test_a_message_is_asked_for() -> None:
    player = Player(_single())
    player.does("did_a")
    assert [(request.id, request.content["quest"]["id"]) for request in player.requests] == [("quests/tour", "tour")]


def _single() -> Rules:
    tour = {"missions": ["a"], "message": {"template": "t"}}
    return programme(missions={"a": MISSIONS["a"]}, quests={"tour": tour})


def test_a_mission_that_is_taken_out_is_not_missed() -> None:
    player = Player(rules())
    player.does("did_a")
    player.rules = programme(2, missions=MISSIONS, quests={"tour": {"missions": ["a", "b"]}})
    assert QuestCompleted("tour") in player.does("did_b")


# two profiles


def test_what_both_have_done_is_done_together() -> None:
    two = Two(rules())
    two.does(GUEST, "did_a")
    two.does(ADA, "did_b")
    two.does(ADA, "did_c")
    _, joined = two.meets()
    assert QuestCompleted("tour") in joined
    assert [p.amount for p in postings(joined) if p.account == "issued"] == [100]


@pytest.mark.parametrize("first", [GUEST, ADA])
def test_a_quest_that_either_was_paid_for_is_not_paid_again(first: str) -> None:
    two = Two(rules())
    for name in ("did_a", "did_b", "did_c"):
        two.does(first, name)
    other = ADA if first == GUEST else GUEST
    two.does(other, "did_a")
    _, joined = two.meets()
    assert not [effect for effect in joined if isinstance(effect, QuestCompleted)]
    assert two.states[ADA].quests["tour"].completed_count == 1


# configuration


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InvalidProgramme) as raised:
        rules(missions={"a": MISSIONS["a"], "b": MISSIONS["b"]}, rewards=[points(1, "gold")])
    assert sorted(raised.value.errors) == [
        "quests/tour: missions[2]: expected a mission, got 'c'",
        "quests/tour: rewards[0].currency: expected a currency (points), got 'gold'",
    ]


def test_a_circle_of_chains_is_refused() -> None:
    quests = {"one": {"missions": ["a", "b"], "mode": "chain"}, "two": {"missions": ["b", "a"], "mode": "chain"}}
    with pytest.raises(InvalidProgramme) as raised:
        programme(missions=MISSIONS, quests=quests)
    assert raised.value.errors == [
        "missions/a: unlock_after: expected no circle, got a -> b -> a",
        "missions/b: unlock_after: expected no circle, got b -> a -> b",
    ]
