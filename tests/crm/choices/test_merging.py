"""Two profiles become one: what each learnt adds up, what is open goes on, and nothing is counted twice."""

from typing import Any

import pytest
from msgspec import structs

from domain.choices import OwnSums
from domain.effects import Chose
from domain.entries import Landed, MergeAsked
from domain.player import with_parts
from tests.crm.choices.chooser import DAY, HOUR, WINBACK, Chooser, by_message

ANON = "anon:a"


def merged(town: Chooser) -> None:
    town.take(MergeAsked(ANON, "ann", "login"))
    assert town.of(ANON).choices == structs.replace(town.of(ANON).choices, open=(), own={}, armed=0)
    town.settle()


def test_what_is_open_goes_on_and_ends_once() -> None:
    town = Chooser()
    theirs = town.goes_quiet(ANON)
    town.now += HOUR
    mine = town.goes_quiet("ann")
    merged(town)
    assert town.armed(ANON) == []
    assert [(one.arm, one.key) for one in town.open()] == [
        (mine.arm, "journeys/back/1/1"), (theirs.arm, "journeys/back/2/1"),
    ]  # fmt: skip
    assert [timer.due for timer in town.armed("ann") if timer.kind == "choice"] == [town.now - HOUR + 3 * DAY]
    assert len(town.deposits()) == 2
    assert town.ended(town.waits(9 * DAY)) == []
    assert sum(count for name, count in town.sums.items() if name.endswith("|n")) == 2


def test_what_was_rewarded_is_counted_where_the_person_lives_on() -> None:
    town = Chooser()
    town.goes_quiet(ANON)
    assert len(town.deposits(ANON)) == 1
    merged(town)
    assert town.ended(town.waits(9 * DAY)) == []
    assert [count for name, count in town.sums.items() if name.endswith("|n")] == [1]


def test_a_merged_walk_that_leaves_ends_its_own_draw() -> None:
    hours = {"arms": {"09:00": {}, "18:00": {}}, "outcome": {"event": "deposit_completed", "within": "1d"}}
    journey: dict[str, Any] = {"entry": {"event": "went_quiet"}, "exit": {"goal": {"event": "came_back"}},
               "nodes": [{"id": "when", "kind": "delay", "choose": "winback"}]}  # fmt: skip
    town = Chooser(hours, journey)
    town.does("ann", "went_quiet")
    town.does("ann", "came_back")
    town.goes_quiet(ANON)
    merged(town)
    (ended,) = town.ended(town.does("ann", "came_back"))
    assert (ended.key, ended.reason) == ("journeys/back/2/1", "left")


def test_of_two_walks_that_wait_for_an_hour_the_one_that_ends_says_nothing() -> None:
    hours = {"arms": {"09:00": {}, "18:00": {}}, "outcome": {"event": "deposit_completed", "within": "1d"}}
    journey: dict[str, Any] = {"entry": {"event": "went_quiet"},
                               "nodes": [{"id": "when", "kind": "delay", "choose": "winback"}]}  # fmt: skip
    town = Chooser(hours, journey)
    town.goes_quiet("ann")
    town.goes_quiet(ANON)
    merged(town)
    assert [one.key for one in town.open()] == ["journeys/back/1/1"]
    assert [count for name, count in town.sums.items() if name.endswith("|void")] == [1]


@pytest.mark.parametrize("event", ["self_excluded", "harm_marker_raised"])
def test_a_profile_that_is_excluded_bars_the_person_in_the_turn_it_joins(event: str) -> None:
    journey = {"entry": {"segment": "known", "on": "entered"}, "nodes": [
        {"id": "best", "kind": "choose", "choice": "winback", "arms": dict.fromkeys(WINBACK["arms"])},
    ]}  # fmt: skip
    known = {"where": {"field": "player.traits.vip", "op": "eq", "value": True}}
    for n in range(8):
        town = Chooser(journey=journey, segments={"known": known})
        town.does("ann", f"seen-{n}")
        town.does(ANON, event)
        town.does(ANON, "identified", type="identify", traits={"vip": True})
        town.take(MergeAsked(ANON, "ann", f"login-{n}"))
        drawn: list[Chose] = []
        while town.on_the_way:
            drawn += [one for one in town.take(town.on_the_way.pop(0)) if isinstance(one, Chose)]
        assert [one.arm for one in drawn] == ["nothing"]


def test_what_the_old_id_s_tower_says_reaches_the_person() -> None:
    town = Chooser(journey=by_message())
    town.goes_quiet(ANON)
    request = town.request().id
    merged(town)
    town.take(Landed(ANON, request, "sent", "in_app", town.now))
    town.settle()
    assert town.open()[0].at == town.now


def test_the_players_own_outcomes_add_up() -> None:
    town = Chooser({"personal": True})
    generation = town.told.programme.crm.choices.choices["winback"].plan.generation
    for player, n, at in ((ANON, 3, 9), ("ann", 2, 5)):
        town.does(player, "page_seen")
        own = {"winback": OwnSums(generation, at, {"nothing": (n, n * 500_000)}), player: OwnSums("g", at)}
        held = town.of(player)
        town.states[player] = with_parts(held, choices=structs.replace(held.choices, own=own))
    merged(town)
    assert town.of("ann").choices.own == {
        ANON: OwnSums("g", 9), "ann": OwnSums("g", 5),
        "winback": OwnSums(generation, 9, {"nothing": (5, 2_500_000)}),
    }  # fmt: skip


@pytest.mark.parametrize("first", [0, 1])
def test_of_sums_that_mean_different_things_the_newer_stay(first: int) -> None:
    town = Chooser({"personal": True})
    sums = [OwnSums("old", 5, {"nothing": (9, 0)}), OwnSums("new", 9, {"nothing": (1, 0)})]
    for player, own in ((ANON, sums[first]), ("ann", sums[1 - first])):
        town.does(player, "page_seen")
        held = town.of(player)
        town.states[player] = with_parts(held, choices=structs.replace(held.choices, own={"winback": own}))
    merged(town)
    assert town.of("ann").choices.own == {"winback": sums[1]}


def test_more_open_ones_than_are_kept_end() -> None:
    town = Chooser()
    for _ in range(15):
        town.goes_quiet(ANON)
        town.goes_quiet("ann")
    merged(town)
    assert len(town.open()) == 20
    voids = [effect for effect in town.effects["ann"] if getattr(effect, "reason", "") == "pushed_out"]
    assert len(voids) == 10
