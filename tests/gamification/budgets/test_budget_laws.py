"""Laws of a budget: never passed, nothing lost, whatever comes first."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effects import Posting
from domain.game_effects import RewardRefused
from gamification.budgets.keeper import WAITING_MAX, Kept, read
from tests.gamification.playing import DAY, points, programme
from tests.gamification.town import Town


def budget(town: Town, name: str) -> Kept:
    """Return what a budget's keeper keeps."""
    held = town.states.get(f"keeper:budget:{name}")
    return read(held.kept) if held else Kept()


def given_in(town: Town) -> int:
    """Return how many points were posted."""
    postings = [e for effects in town.effects.values() for e in effects if isinstance(e, Posting)]
    return sum(posting.amount for posting in postings)


@given(
    amount=st.integers(1, 30),
    over_all=st.integers(1, 30),
    do=st.sampled_from(["queue", "refuse"]),
    stages=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    acts=st.lists(st.one_of(st.sampled_from("abcdefg"), st.integers(1, 8)), max_size=60),
    seed=st.integers(0, 2**32),
)
def test_a_budget_is_never_passed_and_its_parts_add_up(
    amount: int, over_all: int, do: str, stages: list[int], acts: list[str | int], seed: int
) -> None:
    rules = programme(
        achievements={
            "own": {
                "event": "bet_placed",
                "stages": [{"at": i, "rewards": [points(n)]} for i, n in enumerate(stages, 1)],
                "budget": "own",
            }
        },
        budgets={
            "own": {"amount": amount, "when_spent": {"do": do}},
            "programme": {"amount": over_all, "when_spent": {"do": do}},
        },
    )
    town, rng = Town(rules), Random(seed)
    for act in acts:
        if isinstance(act, str):
            town.does(act, "bet_placed")
        else:
            for _ in range(act):
                town.deliver(rng)
        for name, most in (("own", amount), ("programme", over_all)):
            kept = budget(town, name)
            if kept.amount:
                assert kept.reserved >= 0
                assert kept.confirmed >= 0
                assert kept.reserved + kept.confirmed + kept.left == most
        assert given_in(town) <= min(amount, over_all)
    while town.deliver(rng):
        assert given_in(town) <= min(amount, over_all)
    own, every = budget(town, "own"), budget(town, "programme")
    assert own.confirmed == every.confirmed == given_in(town), "confirmed is what was given"
    assert every.reserved == 0
    assert own.reserved == sum(n for _, n in every.waiting), "only what waits for the other budget is reserved"
    asked = sum(sum(stages[: min(acts.count(player), len(stages))]) for player in "abcdefg")
    refused = sum(n for p in "abcdefg" for e in town.happened(p, RewardRefused) for _, _, n in e.rewards)
    waits = sum(n for _, n in own.waiting) + sum(n for _, n in every.waiting)
    assert asked == given_in(town) + refused + waits, "no reward is lost"


@pytest.mark.slow
def test_10_000_claims_at_once_against_1_000() -> None:
    claims, amount = 10_000, 1_000
    rules = programme(
        achievements={
            "first": {"event": "bet_placed", "stages": [{"at": 1, "rewards": [points(1)]}], "budget": "welcome"}
        },
        budgets={"welcome": {"amount": amount, "per": "day", "when_spent": {"do": "queue"}}},
    )
    town, rng = Town(rules, stores=False), Random(7)
    for number in range(claims):
        town.does(f"p{number}", "bet_placed")
    waiting = [entry for line in town.lines.values() for entry in line]
    assert len(waiting) == claims, "all are on their way at once"
    town.lines.clear()
    rng.shuffle(waiting)
    for entry in waiting:
        town.take(entry)
    town.settle()
    assert given_in(town) == amount
    kept = budget(town, "welcome")
    assert (kept.reserved, kept.confirmed, kept.left) == (0, amount, 0)
    refused = [e for effects in town.effects.values() for e in effects if isinstance(e, RewardRefused)]
    assert (len(kept.waiting), len(refused)) == (WAITING_MAX, claims - amount - WAITING_MAX), "nobody is forgotten"
    town.later(town.now + DAY)
    assert given_in(town) == 2 * amount, "the next day has room for as many, and no more"
