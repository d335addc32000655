"""What is counted of a choice: whole numbers that add up to the same in any order and over any partitions."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from ml.choices.beliefs import (
    NOTHING,
    ONE,
    X_MAX,
    ArmSums,
    Beliefs,
    Ended,
    counted,
    decode_beliefs,
    encode_beliefs,
    fixed,
    learnt,
    reward_of,
    summed,
    together,
)
from ml.choices.plan import EXPLORE_MIN, generation_of
from tests.ml.choices.rows import GENERATION, LOOKING, PLAN, a_shop, counts_of, ended, hash_of

NUMBERS = st.floats(-70, 70) | st.just(float("nan"))
ROWS = st.lists(
    st.builds(
        ended,
        arm=st.sampled_from(PLAN.arms),
        reward=st.floats(0, 1),
        propensity=st.floats(EXPLORE_MIN / 12, 1),
        by=st.sampled_from(("policy", "floor", "holdout", "only")),
        x=st.tuples(NUMBERS, NUMBERS),
    ),
    max_size=25,
)


def test_an_outcome_counts_what_regressions_and_estimates_need() -> None:
    row = ended("cashback", 0.5, propensity=0.25, x=(2.0, -3.0))
    assert dict(counted(LOOKING, row)) == {
        f"winback|{GENERATION}|cashback|policy|{stat}": number
        for stat, number in {
            "n": 1, "r": 500_000, "rr": 250_000,
            "w": 4 * ONE, "wr": 2 * ONE, "wrr": ONE,
            "ww": 16 * ONE, "wwr": 8 * ONE, "wwrr": 4 * ONE,
            "x0": 2 * ONE, "x1": -3 * ONE, "xx0": 4 * ONE, "xx1": -6 * ONE, "xx2": 9 * ONE,
            "xr0": ONE, "xr1": -1_500_000, "wx0": 8 * ONE, "wx1": -12 * ONE,
        }.items()
    }  # fmt: skip


def test_who_is_held_out_or_had_no_choice_counts_without_weights() -> None:
    for by in ("holdout", "only"):
        stats = {field.rsplit("|", 1)[1] for field, _ in counted(LOOKING, ended("spins", 1, 1.0, by, (1, 2)))}
        assert stats == {"n", "r", "rr"}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(Ended("spins", "floor", "void", GENERATION, 20_000), id="it says nothing"),
        pytest.param(Ended("spins", "floor", "rewarded", "other", 20_000, ONE), id="another generation"),
        pytest.param(Ended("spins", "floor", "missed", GENERATION, 20_000, 0, (1,)), id="another context"),
    ],
)
def test_what_cannot_be_learnt_from_is_counted_apart(row: Ended) -> None:
    assert counted(PLAN, row) == [(f"winback|{GENERATION}|spins|floor|void", 1)]
    assert learnt(counts_of(PLAN, [row]), 1, [PLAN.key]).of(PLAN) == {"spins": ArmSums(void=1)}


@given(rows=ROWS, seed=st.integers(0, 99), partitions=st.integers(1, 5))
def test_the_order_and_the_partitions_do_not_matter(rows: list[Ended], seed: int, partitions: int) -> None:
    rng = Random(seed)
    shuffled = rng.sample(rows, len(rows))
    parts: list[list[Ended]] = [[] for _ in range(partitions)]
    for row in shuffled:
        rng.choice(parts).append(row)
    assert summed(hash_of(LOOKING, part) for part in parts) == counts_of(LOOKING, rows)


@given(rows=ROWS)
def test_whole_numbers_are_the_sums_but_for_half_a_millionth_a_row(rows: list[Ended]) -> None:
    for arm, bys in counts_of(LOOKING, rows).get(LOOKING.key, {}).items():
        for by, sums in bys.items():
            mine = [row for row in rows if (row.arm, row.by) == (arm, by)]
            assert sums.n == len(mine)
            assert sums.r == sum(row.reward for row in mine)
            if by in ("policy", "floor"):
                crossed = (*sums.xx, 0, 0, 0)[1] / ONE
                assert crossed == pytest.approx(sum(a / ONE * b / ONE for a, b in (row.x for row in mine)), abs=1e-4)
                weights = [ONE / row.propensity for row in mine]
                assert sums.w / ONE == pytest.approx(sum(weights), abs=1e-4)
                squares = sum(w * w * row.reward / ONE for w, row in zip(weights, mine, strict=True))
                assert sums.wwr / ONE == pytest.approx(squares, rel=1e-6, abs=0.1)


@given(rows=ROWS)
def test_beliefs_are_read_as_they_were_written(rows: list[Ended]) -> None:
    beliefs = learnt(counts_of(LOOKING, rows), 3, [LOOKING.key])
    assert decode_beliefs(encode_beliefs(beliefs)) == beliefs
    assert encode_beliefs(decode_beliefs(encode_beliefs(beliefs))) == encode_beliefs(beliefs)


def test_beliefs_that_were_stored_are_read_for_ever() -> None:
    """Kept bytes: a new statistic goes to the end."""
    kept = b'{"number":3,"choices":{"winback|1f":{"spins":[2,3,4,[5],[6],[7],8,9,10,11,12,13,[14],15]}}}'
    every = ArmSums(2, 3, 4, (5,), (6,), (7,), 8, 9, 10, 11, 12, 13, (14,), void=15)
    assert decode_beliefs(kept) == Beliefs(3, {"winback|1f": {"spins": every}})
    assert encode_beliefs(decode_beliefs(kept)) == kept


def test_only_what_chance_drew_is_published_and_only_of_choices_in_force() -> None:
    rows = [ended("spins", 1), ended("spins", 0, by="floor"), ended("spins", 1, 1.0, "holdout"), ended("nothing", 1)]
    counts = counts_of(PLAN, rows)
    beliefs = learnt(counts, 7, [PLAN.key, "another|00000000"])
    assert beliefs.number == 7
    assert list(beliefs.choices) == [PLAN.key]
    assert {arm: (sums.n, sums.r) for arm, sums in beliefs.of(PLAN).items()} == {
        "spins": (2, ONE), "nothing": (1, ONE)
    }  # fmt: skip
    assert learnt(counts, 8, []) == Beliefs(8)
    assert Beliefs().of(PLAN) == {}


def test_sums_add_up_whatever_the_length_of_their_lists() -> None:
    total = together([ArmSums(1, x=(5,)), ArmSums(2, x=(1, 2)), ArmSums(4, void=1)])
    assert total == ArmSums(7, x=(6, 2), void=1)
    assert together([]) == NOTHING


def test_the_context_and_the_reward_are_kept_within_bounds() -> None:
    assert [fixed(number) for number in (0.5, 1e9, -1e9, float("inf"), float("nan"))] == [
        500_000, int(X_MAX) * ONE, -int(X_MAX) * ONE, int(X_MAX) * ONE, 0
    ]  # fmt: skip
    assert [reward_of(value, 200.0) for value in (50.0, 1e9, -1.0, float("nan"))] == [250_000, ONE, 0, 0]


def test_the_largest_increment_leaves_room_for_two_million_of_the_worst() -> None:
    worst = ended("spins", 1, EXPLORE_MIN / 12, x=(64, -64))
    assert max(abs(number) for _, number in counted(LOOKING, worst)) * 2_000_000 < 2**63


def test_a_generation_is_of_what_the_sums_mean() -> None:
    assert generation_of("a", "b") == "f04cdced"  # for ever: sums are kept under it
    assert generation_of("a", "b") != generation_of("ab", "")


def test_what_is_no_count_and_no_belief_is_refused() -> None:
    with pytest.raises(ValueError, match="expected <choice>"):
        summed([{"winback|n": 1}])
    with pytest.raises(Invalid, match="no beliefs"):
        decode_beliefs(b"{")


def test_a_statistic_of_a_newer_release_is_left_out() -> None:
    fields = hash_of(PLAN, [ended("spins", 1)])
    assert summed([fields | {f"{PLAN.key}|spins|policy|skew": 5}]) == summed([fields])


def test_an_invented_shop_counts_every_row() -> None:
    beliefs = learnt(counts_of(LOOKING, a_shop(1, 300)), 1, [LOOKING.key])
    assert sum(sums.n for sums in beliefs.of(LOOKING).values()) == 300
