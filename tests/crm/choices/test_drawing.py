"""Who gets which arm: guardrails, the holdout, and what was learnt."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from crm.choices import eligible, is_held_out
from domain.choices import OwnSums
from domain.context import PlayerContext
from domain.effects import Chose, PatternChanged
from domain.player import Profile, Snapshot, with_parts
from tests.crm.choices.chooser import DAY, HOUR, NOON, WINBACK, Chooser

VIP = {"field": "player.traits.vip", "op": "eq", "value": True}


def test_what_was_learnt_is_what_is_drawn() -> None:
    town = Chooser({"explore": 0.04})
    town.believes(cashback=(1_000, 30), free_spins=(1_000, 90), nothing=(1_000, 20))
    drawn = Counter(town.goes_quiet(f"player-{n}").arm for n in range(200))
    assert drawn["free-spins"] > 180
    chose = town.goes_quiet("somebody")
    assert chose.beliefs == 1
    town.believes(cashback=(1_000, 90), free_spins=(1_000, 30), nothing=(1_000, 20))
    drawn = Counter(town.goes_quiet(f"other-{n}").arm for n in range(200))
    assert drawn["cashback"] > 180, "other beliefs, other draws"


def test_a_draw_is_the_same_whenever_it_is_made_again() -> None:
    assert [Chooser().goes_quiet(f"p{n}") for n in range(20)] == [Chooser().goes_quiet(f"p{n}") for n in range(20)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param("self_excluded", "self_exclusion", id="excluded"),
        pytest.param("harm_marker_raised", "harm", id="a marker of harm"),
    ],
)
def test_who_is_barred_is_offered_nothing_promotional(event: str, reason: str) -> None:
    town = Chooser()
    town.does("ann", event)
    assert reason in town.of("ann").air["exclusions"]
    chose = town.goes_quiet()
    assert (chose.arm, chose.by, chose.eligible, chose.propensity) == ("nothing", "only", ("nothing",), 1_000_000)
    town.deposits()
    town.waits(3 * DAY)
    assert {name.split("|")[3] for name in town.sums} == {"only"}, "counted apart: nothing was drawn"


def test_the_event_that_excludes_bars_in_its_own_turn() -> None:
    journey = {"entry": {"event": "self_excluded"}, "nodes": [{"id": "best", "kind": "choose", "choice": "winback",
               "arms": dict.fromkeys(WINBACK["arms"])}]}  # fmt: skip
    town = Chooser(journey=journey)
    for n in range(8):
        effects = town.does(f"p{n}", "self_excluded")
        assert [detail for _, outcome, _, detail in town.stepped(effects) if outcome == "chosen"] == ["nothing"]


def test_the_event_that_excludes_bars_in_what_follows_of_it_too() -> None:
    """A journey changes a trait, the trait a segment, the segment begins another journey: all in the one turn."""
    first = {"entry": {"event": "self_excluded"}, "nodes": [{"id": "mark", "kind": "profile", "set": {"left": True}}]}
    second = {"entry": {"segment": "leavers", "on": "entered"}, "nodes": [
        {"id": "best", "kind": "choose", "choice": "winback", "arms": dict.fromkeys(WINBACK["arms"])},
    ]}  # fmt: skip
    leavers = {"where": {"field": "player.traits.left", "op": "eq", "value": True}}
    town = Chooser(segments={"leavers": leavers}, journeys={"first": first, "second": second})
    for n in range(8):
        effects = town.does(f"p{n}", "self_excluded")
        assert [detail for _, outcome, _, detail in town.stepped(effects) if outcome == "chosen"] == ["nothing"]


def test_a_marker_of_harm_bars_in_the_turn_that_sees_it() -> None:
    patterns = {"markers": ["session_length.limit"], "session_limit": "1h"}
    town = Chooser(models={"churn": {"patterns": patterns}})
    players = [f"p{n}" for n in range(8)]
    for minutes in range(0, 51, 10):
        town.now = NOON + minutes * 60_000
        for player in players:
            town.does(player, "page_seen")
    town.now = NOON + HOUR + 60_000
    for player in players:  # the event itself makes the session too long
        effects = town.does(player, "went_quiet")
        assert any(isinstance(effect, PatternChanged) for effect in effects)
        (chose,) = (effect for effect in effects if isinstance(effect, Chose))
        assert chose.arm == "nothing"


def test_a_cool_off_that_is_over_bars_no_more() -> None:
    town = Chooser()
    town.does("ann", "cool_off_started", properties={"until": NOON + HOUR})
    assert town.goes_quiet().eligible == ("nothing",)
    town.now += HOUR
    assert len(town.goes_quiet().eligible) == 3


def test_an_arm_is_only_for_those_it_is_for() -> None:
    town = Chooser({"arms": WINBACK["arms"] | {"cashback": {"where": VIP}}})
    assert town.goes_quiet("bob").eligible == ("free-spins", "nothing")
    town.does("ann", "identified", traits={"vip": True}, type="identify")
    assert town.goes_quiet("ann").eligible == ("cashback", "free-spins", "nothing")


def test_only_outcomes_that_mean_the_same_are_the_player_s_own() -> None:
    town = Chooser({"personal": True, "explore": 0.01})
    generation = town.told.programme.crm.choices.choices["winback"].plan.generation
    town.believes(cashback=(50, 10), free_spins=(50, 10), nothing=(50, 10))
    town.does("ann", "page_seen")
    shares = {}
    for meant in (generation, "another"):
        own = {"winback": OwnSums(meant, NOON, {"nothing": (400, 400_000_000)})}
        held = town.of("ann")
        town.states["ann"] = with_parts(held, choices=structs.replace(held.choices, own=own))
        (chose,) = (effect for effect in town.does("ann", "went_quiet") if isinstance(effect, Chose))
        shares[meant] = chose.propensity if chose.arm == "nothing" else 1_000_000 - chose.propensity
    assert shares[generation] > 950_000
    assert shares["another"] < 950_000


def test_who_is_held_out_always_gets_the_same_and_is_counted_apart() -> None:
    town = Chooser({"holdout": {"share": 0.2, "arm": "nothing"}})
    rule = town.told.programme.crm.choices.choices["winback"]
    players = [f"player-{n}" for n in range(300)]
    held = [player for player in players if is_held_out(rule, player)]
    assert 40 <= len(held) <= 80
    town.believes(cashback=(1_000, 900), nothing=(1_000, 1))
    for player in held[:10]:
        chose = town.goes_quiet(player)
        assert (chose.arm, chose.by, chose.propensity) == ("nothing", "holdout", 1_000_000)
        town.deposits(player)
    town.waits(3 * DAY)
    assert {name.split("|")[3] for name in town.sums} == {"holdout"}


@given(
    share=st.floats(0.01, 1.0),
    wins=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_no_arm_is_ever_less_likely_than_the_floor_gives_it(share: float, wins: list[int], seed: int) -> None:
    town = Chooser({"explore": share})
    town.believes(cashback=(40, wins[0]), free_spins=(40, wins[1]), nothing=(40, wins[2]))
    chose = town.goes_quiet(f"player-{seed}")
    assert chose.propensity >= int(share / 3 * 1_000_000) - 1
    assert chose.by in ("policy", "floor")


def test_eligible_is_in_the_plan_s_order_and_bounded_by_what_can_be_had() -> None:
    rule = Chooser().told.programme.crm.choices.choices["winback"]
    asked = PlayerContext(Snapshot("ann", profile=Profile()), now=NOON)
    assert eligible(rule, asked, barred=False) == rule.plan.arms
    assert eligible(rule, asked, barred=False, only=["nothing", "cashback", "unknown"]) == ("cashback", "nothing")
    assert eligible(rule, asked, barred=True) == ("nothing",)


def test_the_context_is_the_player_s_features_at_the_moment() -> None:
    more: dict[str, Any] = {"models": {"churn": {"signals": {"deposit": {"event": "deposit_completed"}}}}}
    town = Chooser({"context": ["recency", "days_28"]}, **more)
    town.does("ann", "page_seen")
    town.now += 9 * HOUR
    chose = town.goes_quiet()
    assert len(chose.context) == 2
    assert chose.context[1] == 1_000_000, "one day"
    (ended,) = town.deposits()
    assert ended.context == chose.context
    town.waits(3 * DAY)
    assert any(name.endswith("|xx0") or name.endswith("|x1") for name in town.sums)
