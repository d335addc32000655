"""Levels by the credits of a window: they rise at once, and fall when their period is over."""

from typing import Any

import pytest

from domain.effects import Effect, LevelChanged
from domain.entries import Command
from domain.player import Standing
from gamification.programme import InvalidProgramme
from gamification.rules import Rules
from gamification.view import player_view
from tests.gamification.playing import DAY, NOON, points, postings, programme
from tests.gamification.test_merge import ADA, GUEST, Two

LADDER = [
    {"id": "bronze", "at": 0},
    {"id": "silver", "at": 100, "rewards": [points(5, "gems")], "benefits": {"cashback_pct": 5}},
    {"id": "gold", "at": 200, "rewards": [points(10, "gems")]},
    {"id": "vip", "at": 300, "rewards": [points(20, "gems")]},
]


def rules(version: int = 1, **system: Any) -> Rules:
    club = {"by": "window", "window": "30d", "levels": LADDER, **system}
    return programme(version, currencies={"gems": {}}, levels={"club": club})


class Town(Two):
    def gets(self, amount: int, who: str = ADA) -> list[Effect]:
        self.count += 1
        return self.take(Command(who, f"cmd:{self.count}", "adjust", {"currency": "points", "amount": amount}))

    def level(self, who: str = ADA) -> str:
        return self.states[who].progress.levels.get("club", "")

    def shown(self) -> dict[str, Any]:
        view: dict[str, Any] = player_view(self.rules, self.states[ADA], self.now)["levels"][0]
        return view


def test_the_credits_of_a_window_raise_a_level_at_once() -> None:
    town = Town(rules())
    town.gets(60)
    town.passes(20 * DAY)
    town.gets(60)
    assert town.level() == "silver"
    town.passes(15 * DAY)  # the first are out of the window
    town.gets(60)
    assert (town.level(), town.shown()["window"]) == ("silver", 120)
    town.gets(80)
    assert town.level() == "gold"


def test_who_has_a_level_that_is_no_more_is_placed_by_the_window() -> None:
    town = Town(rules())
    town.gets(100)
    town.rules = rules(2, levels=[step for step in LADDER if step["id"] != "silver"])
    town.gets(1)
    assert town.level() == "bronze"


def test_only_the_window_counts_where_all_time_would_be_enough() -> None:
    town = Town(rules())
    town.gets(90)
    town.passes(40 * DAY)
    town.gets(90)
    assert (town.level(), town.shown()["window"]) == ("bronze", 90)
    town.gets(10)
    assert town.level() == "silver"


def test_without_a_downgrade_no_level_falls_and_nothing_is_kept() -> None:
    town = Town(rules())
    town.gets(100)
    town.passes(400 * DAY)
    assert (town.level(), town.states[ADA].progress.standings, town.timers) == ("silver", {}, set())


@pytest.mark.parametrize(
    ("downgrade", "levels"),
    [("one", ["vip", "gold", "silver", "bronze", "bronze"]), ("balance", ["vip", "bronze", "bronze", "bronze"])],
)
def test_at_the_end_of_each_period_a_level_that_is_not_reached_any_more_falls(
    downgrade: str, levels: list[str]
) -> None:
    town = Town(rules(downgrade=downgrade))
    town.gets(300)
    seen = []
    for _ in levels:
        seen.append(town.level())
        town.passes(30 * DAY)
    assert seen == levels
    assert not town.timers


def test_a_fall_is_told_and_rewards_nothing_when_risen_again() -> None:
    town = Town(rules(downgrade="balance", period="30d"))
    town.gets(200)
    town.passes(29 * DAY)
    town.gets(100)
    town.passes(DAY)
    assert town.level() == "vip", "a rise begins a new period"
    town.passes(27 * DAY)
    town.gets(150)
    (timer,) = town.timers
    town.timers.clear()
    town.now = timer.due
    assert town.take(timer) == [LevelChanged("club", "silver", "vip", down=True)]
    assert town.take(timer) == []
    effects = town.gets(150)
    assert [effect for effect in effects if isinstance(effect, LevelChanged)] == [
        LevelChanged("club", "gold", "silver"),
        LevelChanged("club", "vip", "gold"),
    ]
    assert not [posting for posting in postings(effects) if posting.currency == "gems"]
    assert town.balance(ADA, "gems").balance == 35


def test_a_level_that_is_still_reached_is_kept_for_another_period() -> None:
    town = Town(rules(downgrade="one", period="10d"))
    town.gets(100)
    assert town.shown()["until"] == NOON + 10 * DAY
    assert town.shown()["benefits"] == {"cashback_pct": 5}
    town.passes(10 * DAY)
    assert (town.level(), town.shown()["until"]) == ("silver", NOON + 20 * DAY)


def test_the_conditions_that_ask_for_a_level_hear_of_the_fall() -> None:
    segment = {"where": {"field": "player.level", "op": "eq", "value": "silver"}}
    mission = {"tasks": [{"id": "t", "event": "bet_placed", "count": 1}], "audience": {"segment": "silvers"}}
    club = {"by": "window", "window": "30d", "downgrade": "one", "levels": LADDER}
    kinds: dict[str, Any] = {"segments": {"silvers": segment}, "missions": {"m": mission}, "levels": {"club": club}}
    for wait, completed in ((0, 1), (30 * DAY, 0)):
        town = Town(programme(currencies={"gems": {}}, **kinds))
        town.gets(100)
        town.passes(wait)
        town.does(ADA)
        held = town.states[ADA].missions.get("m")
        assert (held.completed_count if held else 0) == completed


def test_levels_entered_before_they_could_be_lost_are_judged_and_not_paid_again() -> None:
    town = Town(rules())
    town.gets(200)
    town.rules = rules(2, downgrade="one")
    town.gets(1)
    assert [timer.due for timer in town.timers] == [town.now + 30 * DAY]
    town.passes(31 * DAY)
    assert town.level() == "silver"
    town.gets(200)
    assert (town.level(), town.balance(ADA, "gems").balance) == ("gold", 15)


def test_two_profiles_are_paid_for_a_level_once() -> None:
    town = Town(rules(downgrade="one"))
    for who in (ADA, GUEST):
        town.gets(110, who)
    _, joined = town.meets()
    gems = [p.amount for p in postings(joined) if p.currency == "gems" and p.account == "issued"]
    assert (town.level(), gems) == ("gold", [10])
    assert town.states[ADA].progress.standings == {"club": Standing(("bronze", "silver", "gold"), NOON + 30 * DAY)}
    assert town.states[GUEST].progress.standings == {}
    assert [timer.player for timer in town.timers] == [ADA]


def test_a_system_that_is_gone_leaves_its_timer_nothing_to_do() -> None:
    town = Town(rules(downgrade="one"))
    town.gets(100)
    town.rules = programme(2, currencies={"gems": {}})
    town.passes(30 * DAY)
    assert not town.timers


@pytest.mark.parametrize(
    ("system", "error"),
    [
        ({"by": "lifetime"}, "expected window with by: window, and only with it"),
        ({"window": None}, "expected window with by: window, and only with it"),
        (
            {"by": "lifetime", "window": None, "downgrade": "one"},
            "expected by: window with a downgrade: what was ever credited never falls",
        ),
        ({"period": "10d"}, "expected period only with a downgrade"),
    ],
)
def test_what_is_wrong_is_said(system: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidProgramme) as raised:
        rules(**system)
    assert raised.value.errors == [f"levels/club: {error}"]
