"""From the draw to the outcome: what opens a choice, what ends it, and what of it is counted."""

from typing import Any

import pytest

from domain.effects import ChoiceCounted, ChoiceEnded, Chose
from domain.entries import Event
from tests.crm.choices.chooser import DAY, HOUR, NOON, WINBACK, Chooser


def field(chooser: Chooser, arm: str, by: str, name: str) -> int:
    generation = chooser.told.programme.crm.choices.choices["winback"].plan.generation
    return chooser.sums[f"winback|{generation}|{arm}|{by}|{name}"]


def test_a_draw_is_recorded_and_its_outcome_awaited() -> None:
    town = Chooser()
    chose = town.goes_quiet()
    assert chose.arm in WINBACK["arms"]
    assert (chose.choice, chose.key, chose.asks, chose.beliefs) == ("winback", "journeys/back/1/1", "node", 0)
    assert chose.eligible == ("cashback", "free-spins", "nothing")
    assert 300_000 < chose.propensity < 370_000, "nothing is known yet: every arm is as likely"
    (held,) = town.open()
    assert (held.at, held.due, held.arm) == (NOON, NOON + 3 * DAY, chose.arm)
    assert [(timer.kind, timer.due) for timer in town.armed("ann")] == [("choice", NOON + 3 * DAY)]


def test_the_outcome_in_time_rewards_it_and_counts_once() -> None:
    town = Chooser()
    chose = town.goes_quiet()
    town.now += DAY
    assert town.deposits() == [
        ChoiceEnded("winback", chose.arm, chose.key, "rewarded", 1_000_000, chose.by, chose.propensity, (),
                    chose.generation)
    ]  # fmt: skip
    assert town.deposits() == [], "the second deposit is nobody's outcome"
    assert town.sums == {}, "it counts when a miss would: else what was drawn lately looks too good"
    town.waits(2 * DAY - 1)
    assert town.sums == {}
    (counted,) = town.waits(1)
    assert counted == ChoiceCounted(
        "winback", chose.arm, chose.key, "rewarded", 1_000_000, chose.by, chose.propensity, (), chose.generation
    )
    assert (field(town, chose.arm, chose.by, "n"), field(town, chose.arm, chose.by, "r")) == (1, 1_000_000)
    assert town.open() == ()
    assert town.armed("ann") == [], "no timer is left behind"


def test_time_that_is_over_is_a_miss() -> None:
    town = Chooser()
    chose = town.goes_quiet()
    (ended,) = town.ended(town.waits(4 * DAY))
    assert (ended.outcome, ended.reward, ended.reason) == ("missed", 0, "")
    assert (field(town, chose.arm, chose.by, "n"), field(town, chose.arm, chose.by, "r")) == (1, 0)
    assert town.deposits() == []


def test_an_outcome_that_comes_when_time_is_over_is_late_though_the_timer_has_not_fired() -> None:
    town = Chooser()
    town.goes_quiet()
    town.now += 3 * DAY
    assert [ended.outcome for ended in town.deposits()] == ["missed"]


def test_an_event_that_begins_a_choice_is_not_its_outcome() -> None:
    town = Chooser({"outcome": {"event": "went_quiet", "within": "1d"}})
    first = town.goes_quiet()
    effects = town.does("ann", "went_quiet")
    assert [ended.key for ended in town.ended(effects)] == [first.key]
    assert [effect.key for effect in effects if isinstance(effect, Chose)] == ["journeys/back/2/1"]


def test_an_outcome_is_worth_its_value() -> None:
    town = Chooser({"value": {"from": "event.properties.amount", "most": 10_000}})
    for player, amount, worth in (("ann", 2_500, 250_000), ("bob", 99_999, 1_000_000), ("cleo", "much", 0)):
        town.goes_quiet(player)
        assert [ended.reward for ended in town.deposits(player, amount=amount)] == [worth]


def test_only_an_outcome_whose_condition_holds_counts() -> None:
    where = {"field": "event.properties.amount", "op": "gte", "value": 100}
    town = Chooser({"outcome": {"event": "deposit_completed", "where": where, "within": "1d"}})
    town.goes_quiet()
    assert town.deposits(amount=99) == []
    assert [ended.outcome for ended in town.deposits(amount=100)] == ["rewarded"]


def test_a_twenty_first_open_choice_pushes_out_the_oldest() -> None:
    town = Chooser()
    keys = [town.goes_quiet().key for _ in range(20)]
    (pushed,) = town.ended(town.does("ann", "went_quiet"))
    assert (pushed.key, pushed.outcome, pushed.reason) == (keys[0], "void", "pushed_out")
    assert len(town.open()) == 20
    assert {name.rpartition("|")[2] for name in town.sums} == {"void"}


def test_what_was_rewarded_gives_way_as_well_and_then_says_nothing() -> None:
    """Were only what still waits pushed out, a player with many draws would seem to be won over by all of them."""
    town = Chooser()
    town.goes_quiet()
    assert len(town.deposits()) == 1
    for _ in range(19):
        town.goes_quiet()
    (pushed,) = (effect for effect in town.does("ann", "went_quiet") if isinstance(effect, ChoiceCounted))
    assert (pushed.outcome, pushed.reward, pushed.reason) == ("void", 0, "pushed_out")
    assert {name.rpartition("|")[2] for name in town.sums} == {"void"}


def test_one_timer_looks_at_the_earliest_and_then_at_the_next() -> None:
    town = Chooser()
    town.goes_quiet()
    town.now += HOUR
    town.goes_quiet()
    assert [timer.due for timer in town.armed("ann")] == [NOON + 3 * DAY]
    assert len(town.ended(town.waits(3 * DAY - HOUR))) == 1
    assert [timer.due for timer in town.armed("ann")] == [NOON + 3 * DAY + HOUR]
    assert len(town.ended(town.waits(DAY))) == 1


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        pytest.param(None, "removed", id="the choice is gone"),
        pytest.param({"outcome": {"event": "deposit_completed", "within": "4d"}}, "changed", id="it means another"),
        pytest.param({"arms": {"other": {}, "another": {}}}, "changed", id="the arm is gone"),
    ],
)
def test_a_choice_that_means_something_else_now_says_nothing(choice: Any, reason: str) -> None:
    town = Chooser()
    chose = town.goes_quiet()
    town.publish(2, {"choices": {"winback": WINBACK | choice} if choice else {}})
    (ended,) = town.ended(town.waits(4 * DAY))
    assert (ended.outcome, ended.reason) == ("void", reason)
    assert town.sums == {f"winback|{chose.generation}|{chose.arm}|{chose.by}|void": 1}


def test_arms_that_come_and_go_leave_what_was_drawn_before_as_it_is() -> None:
    town = Chooser()
    chose = town.goes_quiet()
    more = {arm: {} for arm in (*WINBACK["arms"], "call")}
    town.publish(2, {"choices": {"winback": WINBACK | {"arms": more}}})
    assert [ended.outcome for ended in town.deposits()] == ["rewarded"]
    town.waits(3 * DAY)
    assert field(town, chose.arm, chose.by, "n") == 1


def test_what_was_rewarded_says_nothing_when_the_choice_means_another_by_then() -> None:
    town = Chooser()
    chose = town.goes_quiet()
    assert len(town.deposits()) == 1
    town.publish(2, {"choices": {"winback": WINBACK | {"outcome": {"event": "logged_in", "within": "3d"}}}})
    (counted,) = town.waits(3 * DAY)
    assert isinstance(counted, ChoiceCounted)
    assert (counted.outcome, counted.reason) == ("void", "changed")
    assert town.sums == {f"winback|{chose.generation}|{chose.arm}|{chose.by}|void": 1}


def test_the_player_s_own_outcomes_are_kept_when_the_choice_is_personal() -> None:
    town = Chooser({"personal": True})
    chose = town.goes_quiet()
    town.deposits()
    town.goes_quiet()
    town.waits(4 * DAY)
    own = town.of("ann").choices.own["winback"]
    assert sum(n for n, _ in own.arms.values()) == 2
    assert sum(total for _, total in own.arms.values()) == 1_000_000
    assert own.generation == chose.generation
    town = Chooser()
    town.goes_quiet()
    town.deposits()
    assert town.of("ann").choices.own == {}


def test_what_nobody_drew_is_no_outcome_of_the_player_s_own() -> None:
    town = Chooser({"personal": True})
    town.does("ann", "self_excluded")
    assert town.goes_quiet().by == "only"
    town.deposits()
    assert town.of("ann").choices.own == {}


# What a slot showed

SHOWN = {"id": "winback", "arm": "nothing", "key": "home:20000:0", "propensity": 250_000, "by": "floor", "x": []}


def shows(town: Chooser, id: str = "plc:x:shown", **choice: Any) -> list[Any]:
    told = {"slot": "home", "template": "nothing", "choice": SHOWN | choice}
    return town.take(Event("ann", id, "placement_shown", town.now, told))


def test_what_a_slot_drew_is_opened_when_it_was_seen() -> None:
    town = Chooser()
    (chose,) = shows(town)
    assert (chose.arm, chose.propensity, chose.by, chose.asks) == ("nothing", 250_000, "floor", "placement")
    assert shows(town) == [], "once a draw"
    assert [(ended.arm, ended.outcome) for ended in town.deposits()] == [("nothing", "rewarded")]
    assert shows(town) == [], "nor when it has ended"
    assert town.ended(town.waits(9 * DAY)) == []
    assert town.open() == ()


def test_a_click_on_what_another_draw_showed_is_no_outcome_of_this_one() -> None:
    town = Chooser({"outcome": {"event": "placement_clicked", "within": "1d"}})
    shows(town)
    other = {"choice": {"id": "winback", "key": "home:20001:0"}}
    assert town.ended(town.does("ann", "placement_clicked", properties=other)) == []
    mine = {"choice": {"id": "winback", "key": "home:20000:0"}}
    assert [ended.outcome for ended in town.ended(town.does("ann", "placement_clicked", properties=mine))] == [
        "rewarded"
    ]


@pytest.mark.parametrize(
    "told",
    [
        {"arm": "unheard-of"}, {"propensity": 0}, {"propensity": 1_000_001}, {"propensity": "0.5"}, {"by": "me"},
        {"x": [5]}, {"generation": "another"}, {"id": "another"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_opens_nothing(told: dict[str, Any]) -> None:
    assert shows(Chooser(), **told) == []


def test_only_the_engine_s_own_events_open_a_choice() -> None:
    assert shows(Chooser(), id="m1") == []


def test_when_two_profiles_had_the_same_draw_a_click_is_of_the_arm_that_was_shown() -> None:
    town = Chooser({"outcome": {"event": "placement_clicked", "within": "1d"}})
    shows(town)
    clicked = {"choice": {"id": "winback", "key": "home:20000:0", "arm": "cashback"}}
    assert town.ended(town.does("ann", "placement_clicked", properties=clicked)) == []
