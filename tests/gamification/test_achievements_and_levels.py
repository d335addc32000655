"""Achievements count for ever; levels rise with the lifetime sum and are never taken back."""

from domain.effects import AchievementReached, LevelChanged, Posting
from gamification.view import player_view
from tests.gamification.playing import NOON, Player, kinds, mission, points, programme

ROLLER = {
    "name": {"en": "High roller"},
    "event": "bet_placed",
    "sum": "properties.amount",
    "stages": [{"at": 100, "rewards": [points(10)]}, {"at": 1000, "rewards": [points(20)]}],
}
LADDER = {
    "levels": [
        {"id": "bronze", "at": 0},
        {"id": "silver", "at": 10, "rewards": [points(5, "gems")]},
        {"id": "gold", "at": 20, "rewards": [points(10)], "message": {"template": "up"}},
        {"id": "vip", "at": 30},
    ]
}


def test_one_event_may_reach_several_stages_each_with_its_reward() -> None:
    player = Player(programme(achievements={"roller": {**ROLLER, "message": {"template": "t", "purpose": "service"}}}))
    assert player.does("bet_placed", amount=99) == []
    assert player.does("bet_placed", amount=5000) == [
        AchievementReached("roller", 1, 100),
        Posting("points", 10, 10, "achievements/roller", 1),
        AchievementReached("roller", 2, 1000),
        Posting("points", 20, 30, "achievements/roller", 1),
    ]
    assert [(request.id, request.purpose) for request in player.requests] == [
        ("achievements/roller/1", "service"),
        ("achievements/roller/2", "service"),
    ]
    assert player.does("bet_placed", amount=5000) == []


def test_the_count_goes_on_so_a_later_stage_counts_it() -> None:
    player = Player(programme(achievements={"roller": ROLLER}))
    player.does("bet_placed", amount=2000)
    later = {**ROLLER, "stages": [*ROLLER["stages"], {"at": 2001}]}
    player.rules = programme(2, achievements={"roller": later})
    assert player.does("bet_placed", amount=1) == [AchievementReached("roller", 3, 2001)]


def test_levels_follow_the_lifetime_sum_and_their_rewards_raise_further_ones() -> None:
    player = Player(
        programme(
            levels={"main": LADDER, "jewels": {"currency": "gems", "levels": [{"id": "ruby", "at": 5}]}},
            currencies={"gems": {}},
        )
    )
    assert player.does("visit") == [LevelChanged("main", "bronze")]
    effects = player.asks("adjust", currency="points", amount=20)
    assert effects[1:-1] == [
        LevelChanged("main", "silver", "bronze"),
        Posting("gems", 5, 5, "levels/main", 1),
        LevelChanged("main", "gold", "silver"),
        Posting("points", 10, 30, "levels/main", 1),
        LevelChanged("jewels", "ruby"),
        LevelChanged("main", "vip", "gold"),
    ]
    assert [request.id for request in player.requests] == ["levels/main/gold"]
    assert player.requests[0].content["level"] == {
        "id": "gold",
        "name": "gold",
        "system": "main",
        "rewards": [{"currency": "points", "amount": 10}],
    }


def test_spending_does_not_lower_a_level_nor_pay_it_again() -> None:
    player = Player(programme(levels={"main": LADDER}, currencies={"gems": {}}))
    player.asks("adjust", currency="points", amount=15)
    player.asks("adjust", currency="points", amount=-15)
    assert player.snapshot.progress.levels == {"main": "silver"}
    player.asks("adjust", currency="points", amount=4)
    assert player.balance("gems") == 5


def test_a_level_that_is_gone_places_the_player_anew_and_pays_nothing() -> None:
    player = Player(programme(levels={"main": LADDER}, currencies={"gems": {}}))
    player.asks("adjust", currency="points", amount=15)
    renamed = {
        "levels": [{"id": "start", "at": 0, "rewards": [points(9)]}, {"id": "tin", "at": 12, "rewards": [points(9)]}]
    }
    player.rules = programme(2, levels={"main": renamed})
    assert player.does("visit") == [LevelChanged("main", "tin", "silver")]
    assert player.does("visit") == []


def test_a_raised_threshold_does_not_take_a_level_back() -> None:
    player = Player(programme(levels={"main": LADDER}, currencies={"gems": {}}))
    player.asks("adjust", currency="points", amount=15)
    raised = {"levels": [{"id": "bronze", "at": 0}, {"id": "silver", "at": 1000}]}
    player.rules = programme(2, levels={"main": raised})
    assert player.does("visit") == []
    assert player.snapshot.progress.levels == {"main": "silver"}


def test_the_turn_goes_from_points_to_missions_to_achievements_to_levels() -> None:
    rules = programme(
        earn_rules={"e": {"event": "bet_placed", "amount": 1}},
        missions={"m": mission(1, rewards=[points(2)])},
        achievements={"a": {"event": "bet_placed", "stages": [{"at": 1, "rewards": [points(3)]}]}},
        levels={"main": {"levels": [{"id": "six", "at": 6}]}},
    )
    effects = Player(rules).does("bet_placed")
    assert kinds(effects) == [
        "points",
        "mission_status",
        "mission_progressed",
        "mission_completed",
        "points",
        "achievement_reached",
        "points",
        "level_changed",
    ]


def test_a_player_never_seen_is_shown_the_whole_programme() -> None:
    rules = programme(
        missions={"m": mission(2, name={"en": "M"})},
        achievements={"roller": ROLLER},
        levels={"main": LADDER},
        currencies={"gems": {}},
    )
    view = player_view(rules, Player(rules).snapshot, NOON)
    assert view["balances"] == {"points": {"balance": 0, "lifetime": 0}, "gems": {"balance": 0, "lifetime": 0}}
    assert view["level"] is None
    assert [(m["id"], m["status"], m["completed_count"], m["unclaimed"]) for m in view["missions"]] == [
        ("m", "available", 0, [])
    ]
    assert view["achievements"][0]["stages"][0] == {"stage": 1, "at": 100, "reached": False}
    assert view["levels"][0]["next"] == {"id": "bronze", "name": {}, "at": 0, "benefits": {}}


def test_an_achievement_may_be_a_badge() -> None:
    rules = programme(achievements={"roller": {**ROLLER, "badge": True, "icon": "star"}, "other": ROLLER})
    player = Player(rules)
    assert player_view(rules, player.snapshot, NOON)["badges"] == [
        {"id": "roller", "name": {"en": "High roller"}, "icon": "star", "earned": False, "stage": 0, "stages": 2}
    ]
    player.does("bet_placed", amount=100)
    badge = player_view(rules, player.snapshot, NOON)["badges"][0]
    assert (badge["earned"], badge["stage"]) == (True, 1)
