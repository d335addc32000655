"""Several messages at once: the best set goes, where the first come would have been wrong."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.tower.airspace import Airspace, Facts
from crm.tower.arbitration import TRIES_MAX, Candidate, best_set, in_turn
from crm.tower.judgement import Case
from crm.tower.limits import Room
from domain.entries import MessageRequest

from .airport import ALL_CHANNELS, DAY, HOUR, REACH, Airport, at, request, rules

CLASSES = {"reward": 60, "retention": 40, "promo": 20}


def one_of(name: str, *, age: int = 0, **changes: Any) -> MessageRequest:
    """Make a request that is ``age`` minutes old at noon."""
    return request(name, **{"requested_at": at("12:00") - age * 60_000, **changes})


def went(tower: Airport) -> dict[str, str]:
    """Return what was cleared, and by which channel."""
    return {d.request_id: d.channel for d in tower.decisions if d.outcome in ("cleared", "rerouted")}


def test_the_most_important_takes_the_last_place_whoever_came_first() -> None:
    tower = Airport(rules(caps=[{"max": 1, "per": "1d"}], priorities=CLASSES))
    became = tower.ask_together(
        one_of("promo", age=50), one_of("retention", purpose="retention"), one_of("reward", purpose="reward")
    )
    assert became == {"promo": "held", "retention": "held", "reward": "cleared"}
    assert tower.last("promo").reasons == ("outranked", "cap_reached") or tower.last("promo").reasons == (
        "cap_reached",
    )


def test_what_lost_its_place_says_so_and_when_the_next_is_free() -> None:
    tower = Airport(rules(caps=[{"max": 1, "per": "1d"}]))
    tower.ask_together(one_of("older", age=5), one_of("younger"))
    assert (tower.last("younger").reasons, tower.last("younger").until) == (
        ("outranked", "cap_reached"),
        at("00:00") + DAY,
    )


def test_no_number_of_less_important_ones_weighs_against_a_more_important_one() -> None:
    """The reward by sms would leave three promos no place: they still wait."""
    caps = [{"channel": "sms", "max": 1, "per": "1d"}, {"max": 1, "per": "1d"}]
    tower = Airport(rules(caps=caps, priorities=CLASSES))
    promos = [one_of(f"promo {n}", channels=("in_app", "email"), age=9) for n in range(3)]
    tower.ask_together(*promos, one_of("reward", purpose="reward", channels=("sms",)))
    assert went(tower) == {"reward": "sms"}


def test_a_more_important_one_keeps_the_channel_it_prefers() -> None:
    caps = [{"channel": "sms", "max": 1, "per": "1d"}]
    tower = Airport(rules(caps=caps, priorities=CLASSES))
    tower.ask_together(
        one_of("promo", channels=("sms",), age=9), one_of("reward", purpose="reward", channels=("sms", "in_app"))
    )
    assert went(tower) == {"reward": "sms"}


def test_equals_share_the_channels_so_that_as_many_as_possible_go() -> None:
    """First come, the older one would take sms, and the younger one could not go at all."""
    caps = [{"channel": "sms", "max": 1, "per": "1d"}]
    tower = Airport(rules(caps=caps))
    tower.ask_together(one_of("either", channels=("sms", "in_app"), age=9), one_of("only sms", channels=("sms",)))
    assert went(tower) == {"either": "in_app", "only sms": "sms"}
    assert tower.last("either").reasons == ("outranked",)


def test_three_channels_for_three_messages() -> None:
    caps = [{"channel": channel, "max": 1, "per": "1d"} for channel in ("in_app", "sms", "email")]
    tower = Airport(rules(caps=caps))
    tower.ask_together(
        one_of("a", channels=("in_app", "sms"), age=9),
        one_of("b", channels=("in_app", "email"), age=8),
        one_of("c", channels=("in_app",), age=7),
    )
    assert went(tower) == {"a": "sms", "b": "email", "c": "in_app"}


def test_two_that_go_are_better_than_one_that_came_first() -> None:
    """The oldest counts against both caps."""
    caps = [{"purpose": "promo", "max": 1, "per": "1d"}, {"channel": "sms", "max": 1, "per": "1d"}]
    tower = Airport(rules(caps=caps))
    tower.ask_together(
        one_of("both", channels=("sms",), age=9),
        one_of("in-app promo", age=8),
        one_of("reward by sms", purpose="reward", channels=("sms",), age=7),
    )
    assert went(tower) == {"in-app promo": "in_app", "reward by sms": "sms"}


def test_within_a_class_the_source_that_was_served_least_goes_next() -> None:
    tower = Airport(rules(caps=[{"max": 3, "per": "1d"}]))
    tower.ask("earlier", source="campaigns/loud#1")
    tower.ask_together(
        one_of("loud 1", source="campaigns/loud#2", age=9),
        one_of("loud 2", source="campaigns/loud#3", age=8),
        one_of("quiet", source="journeys/quiet#1"),
    )
    assert went(tower).keys() == {"earlier", "quiet", "loud 1"}


def test_of_one_source_the_oldest_goes_first() -> None:
    tower = Airport(rules(caps=[{"max": 1, "per": "1d"}]))
    tower.ask_together(one_of("a", age=1), one_of("b", age=5), one_of("c", age=3))
    assert went(tower).keys() == {"b"}


def test_sources_take_turns() -> None:
    cases = [Case(one_of(f"x{n}", source="x#1", age=20 - n)) for n in range(3)]
    cases += [Case(one_of(f"y{n}", source="y", age=10 - n)) for n in range(2)]
    assert [case.request.id for case in in_turn(cases, ())] == ["x0", "y0", "x1", "y1", "x2"]


class TestConflictGroups:
    def test_of_a_group_the_most_important_goes(self) -> None:
        tower = Airport(rules(priorities=CLASSES))
        tower.ask_together(
            one_of("promo", conflict_group="spring", age=9),
            one_of("reward", purpose="reward", conflict_group="spring"),
            one_of("other group", conflict_group="summer"),
        )
        assert went(tower).keys() == {"reward", "other group"}
        assert (tower.last("promo").reasons, tower.last("promo").until) == (("conflict_group",), tower.now + DAY)

    def test_the_next_goes_when_the_group_s_gap_is_over(self) -> None:
        tower = Airport(rules(conflicts={"gap_s": "2d", "groups": {"spring": "1h"}}))
        tower.ask("first", conflict_group="spring")
        tower.ask("second", conflict_group="spring")
        tower.wait_until(tower.now + HOUR)
        assert tower.sent() == [("first", at("12:00")), ("second", at("13:00"))]

    def test_a_less_important_one_does_not_go_before_one_that_waits(self) -> None:
        quiet = {"from": "11:00", "until": "14:00", "channels": ["sms"]}
        tower = Airport(rules(quiet_hours=quiet, priorities=CLASSES))
        tower.ask("reward", purpose="reward", channels=("sms",), conflict_group="spring")
        assert tower.ask("promo", conflict_group="spring") == "held"
        tower.wait_until(at("14:00"))
        assert went(tower) == {"reward": "sms"}

    def test_an_equal_that_waits_holds_up_nobody(self) -> None:
        tower = Airport(rules(quiet_hours={"from": "11:00", "until": "14:00", "channels": ["sms"]}))
        tower.ask("waits", channels=("sms",), conflict_group="spring")
        assert tower.ask("goes", conflict_group="spring") == "cleared"

    @pytest.mark.parametrize("purpose", ["legal", "transactional"])
    def test_what_must_reach_the_player_is_in_no_group(self, purpose: str) -> None:
        tower = Airport(rules())
        for name in ("a", "b"):
            assert tower.ask(name, purpose=purpose, template="notice", conflict_group="spring") == "cleared"


class TestWhatWaits:
    def test_an_arriving_one_takes_no_place_of_one_whose_time_has_come(self) -> None:
        """The day's place is free from midnight; the timer fires a moment late, and a promo comes before it."""
        tower = Airport(rules(caps=[{"max": 1, "per": "1d"}], priorities=CLASSES), now=at("23:00"))
        tower.ask("sent")
        tower.ask("reward", purpose="reward", channels=("email",))
        tower.now = at("00:00") + DAY + 300
        tower.ask("promo")
        assert went(tower) == {"sent": "in_app", "reward": "email"}

    def test_a_more_important_arrival_goes_before_what_waits(self) -> None:
        tower = Airport(rules(caps=[{"max": 1, "per": "1d"}], priorities=CLASSES), now=at("23:00"))
        tower.ask("sent")
        tower.ask("promo")
        tower.now = at("00:00") + DAY
        tower.ask("reward", purpose="reward")
        assert went(tower).keys() == {"sent", "reward"}

    def test_nothing_takes_the_place_of_what_was_sent(self) -> None:
        tower = Airport(rules(caps=[{"max": 1, "per": "1d"}], priorities=CLASSES))
        tower.ask("promo", channels=("email",))
        assert tower.ask("reward", purpose="reward") == "held"
        assert tower.voids == []

    def test_the_day_s_places_at_midnight_go_by_class_then_turn(self) -> None:
        tower = Airport(rules(caps=[{"max": 2, "per": "1d"}], priorities=CLASSES))
        tower.ask("a")
        tower.ask("b")
        tower.ask("old promo")
        tower.now += 1
        tower.ask("new promo")
        tower.ask("retention", purpose="retention", expires_at=tower.now + DAY)
        tower.wait_until(at("00:00") + DAY)
        assert went(tower).keys() == {"a", "b", "retention", "old promo"}


class TestScores:
    def test_what_was_not_taken_has_its_score(self) -> None:
        tower = Airport(rules(priorities=CLASSES, quiet_hours={"from": "11:00", "until": "13:00", "channels": ["sms"]}))
        tower.ask(channels=("sms", "in_app"))
        (sms,) = tower.last().alternatives
        assert (sms.channel, sms.reasons, sms.score) == ("sms", ("quiet_hours",), 2_000)
        assert tower.last().score == 1_600  # the second that was asked for: 4/5

    def test_the_player_s_answers_choose_among_the_best(self) -> None:
        tower = Airport(rules(priorities=CLASSES))
        for n in range(4):
            tower.ask(f"mail {n}", channels=("email",))
            tower.land(f"mail {n}")
            tower.land(f"mail {n}", "clicked")
            tower.ask(f"app {n}")
        assert tower.ask(channels=("best",)) == "cleared"
        assert tower.last().channel == "email"

    def test_without_answers_the_tower_s_own_order_stands(self) -> None:
        tower = Airport(rules(priorities=CLASSES))
        tower.ask("app")
        tower.ask(channels=("best",))
        assert tower.last().channel == "in_app"

    def test_a_tired_player_is_worth_less(self) -> None:
        tower = Airport(rules(priorities=CLASSES, fatigue={"limit": 4, "half_life_s": "1d"}))
        tower.ask("a")
        tower.ask("b")
        assert (tower.last("a").score, tower.last("b").score) == (2_000, round(2_000 * (1 - 1 / 8) * (0.5 + 1 / 3)))


def test_fatigue_counts_what_goes_at_once() -> None:
    tower = Airport(rules(fatigue={"limit": 2, "half_life_s": "1d"}))
    became = tower.ask_together(*(one_of(f"r{n}", age=9 - n) for n in range(4)))
    assert list(became.values()) == ["cleared", "cleared", "held", "held"]
    assert tower.last("r2").reasons == ("outranked", "fatigue")


def test_the_minimum_gap_lets_one_go_at_a_time() -> None:
    tower = Airport(rules(min_gap_s=600))
    tower.ask_together(*(one_of(f"r{n}", age=9 - n) for n in range(3)))
    tower.wait_until(tower.now + HOUR)
    assert tower.sent() == [("r0", at("12:00")), ("r1", at("12:10")), ("r2", at("12:20"))]


def test_a_search_that_would_take_too_long_keeps_the_best_it_found() -> None:
    """Forty messages, five channels, caps on each: what one after the other gives is the least."""
    policy = rules(caps=[{"channel": channel, "max": 3, "per": "1d"} for channel in ALL_CHANNELS]).policy
    wanted = [one_of(f"r{n:02}", channels=ALL_CHANNELS[n % 3 : n % 3 + 3], age=60 - n) for n in range(40)]
    chosen = best_set([_candidate(policy, asked) for asked in wanted], AIR, policy, at("12:00"), "UTC")
    assert len(chosen) >= 15
    assert TRIES_MAX <= 1_000


AIR = Airspace("ann", facts=Facts(reach=REACH))


def _candidate(policy: Any, asked: MessageRequest) -> Candidate:
    return Candidate(Case(asked), policy.plan(asked.purpose), asked.channels)


WISHES = st.lists(
    st.tuples(
        st.sampled_from(["promo", "reward"]),
        st.lists(st.sampled_from(["in_app", "sms", "email"]), min_size=1, max_size=3, unique=True).map(tuple),
        st.sampled_from(["", "", "spring"]),
    ),
    min_size=1,
    max_size=5,
)
SOME_CAPS = st.lists(
    st.fixed_dictionaries(
        {"max": st.integers(1, 2), "per": st.just("1d")},
        optional={"purpose": st.sampled_from(["promo", "reward"]), "channel": st.sampled_from(["in_app", "sms"])},
    ),
    max_size=3,
)


@settings(deadline=None)
@given(wishes=WISHES, caps=SOME_CAPS)
def test_within_a_class_no_other_choice_lets_more_go(wishes: list[Any], caps: list[dict[str, Any]]) -> None:
    """Against every assignment there is."""
    policy = rules(caps=caps).policy
    wanted = [
        one_of(f"r{n}", purpose=purpose, channels=channels, conflict_group=group, age=9 - n)
        for n, (purpose, channels, group) in enumerate(wishes)
    ]
    candidates = [_candidate(policy, asked) for asked in wanted]
    chosen = best_set(candidates, AIR, policy, at("12:00"), "UTC")
    every = product(*[(*asked.channels, "") for asked in wanted])
    most = max(len([c for c in choice if c]) for choice in every if _is_allowed(candidates, policy, choice))
    assert len(chosen) == most
    assert _is_allowed(candidates, policy, [chosen.get(asked.id, "") for asked in wanted])


def _is_allowed(candidates: Sequence[Candidate], policy: Any, choice: Sequence[str]) -> bool:
    room = Room(AIR, policy, at("12:00"), "UTC")
    for candidate, channel in zip(candidates, choice, strict=True):
        if channel:
            if not room.has(candidate.case.request, candidate.plan, channel):
                return False
            room.take(candidate.case.request, candidate.plan, channel)
    return True
