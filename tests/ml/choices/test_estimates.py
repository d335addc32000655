"""The report: from sums the same figures as from the rows, intervals that hold, and words that claim no more."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from msgspec import structs

from ml.choices.beliefs import ONE, Ended
from ml.choices.estimates import ChoiceReport, Estimate, report
from ml.choices.posterior import fitted
from ml.choices.words import sentences
from tests.ml.choices.rows import LOOKING, PLAN, a_shop, counts_of, ended

ROWS = a_shop(3, 900)


def told(rows: Sequence[Ended]) -> ChoiceReport:
    return report(PLAN, counts_of(PLAN, [structs.replace(row, x=()) for row in rows]))


def test_figures_from_sums_are_those_from_rows() -> None:
    found = report(LOOKING, counts_of(LOOKING, ROWS))
    reward = np.array([row.reward / ONE for row in ROWS])
    w = np.array([ONE / row.propensity for row in ROWS])
    assert found.outcomes == 900
    assert found.policy is not None
    assert found.policy.value == pytest.approx(reward.mean())
    for arm in found.arms:
        mine = np.array([row.arm == arm.arm for row in ROWS])
        snipw = float((reward * w)[mine].sum() / w[mine].sum())
        assert arm.mean is not None
        assert arm.everybody is not None
        assert arm.outcomes == mine.sum()
        assert arm.mean.value == pytest.approx(reward[mine].mean())
        assert arm.everybody.value == pytest.approx(snipw, abs=1e-5)
    best = np.array([row.arm == found.best_arm for row in ROWS])
    assert found.best_single is not None
    assert found.over_best is not None
    single = found.best_single.value
    influence = (reward - reward.mean()) - best * w * (reward - single) * len(ROWS) / w[best].sum()
    half = 1.959964 * influence.std() / 30
    assert found.over_best.value == pytest.approx(reward.mean() - single, abs=1e-6)
    assert found.over_best.high - found.over_best.low == pytest.approx(2 * half, rel=1e-3)


def test_the_doubly_robust_figure_is_the_one_of_its_definition() -> None:
    counts = counts_of(LOOKING, ROWS)
    found = report(LOOKING, counts)
    fit = fitted(LOOKING, {arm: bys["policy"] for arm, bys in counts[LOOKING.key].items()})
    x = np.array([row.x for row in ROWS]) / ONE
    z = np.column_stack([np.ones(len(x)), (x - fit.middle) / fit.scale])
    w = np.array([ONE / row.propensity for row in ROWS])
    reward = np.array([row.reward / ONE for row in ROWS])
    for at, arm in enumerate(found.arms):
        q = z @ fit.theta[at]
        mine = np.array([row.arm == arm.arm for row in ROWS])
        assert arm.modelled == pytest.approx(q.mean() + (w * (reward - q))[mine].sum() / w[mine].sum(), abs=1e-4)


def test_had_everybody_got_it_undoes_who_got_it() -> None:
    """Spins went to those whom they please: their mean flatters them, and weighing undoes that."""
    spins = report(LOOKING, counts_of(LOOKING, a_shop(9, 6_000))).arms[0]
    assert spins.mean is not None
    assert spins.everybody is not None
    assert spins.mean.value > 0.23
    assert spins.everybody.low < 0.2 < spins.everybody.high
    assert spins.modelled == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(("n", "share"), [(40, 0.1), (60, 0.3), (150, 0.05), (400, 0.03)])
def test_intervals_hold_what_they_promise(n: int, share: float) -> None:
    """Of 300 made-up arms with unequal propensities; 95 % with three standard errors of room, and rather too wide."""
    held = {"mean": 0, "everybody": 0, "over_holdout": 0}
    for seed in range(300):
        rng = Random(seed)
        rows = []
        for _ in range(n):
            p = rng.choice((0.2, 0.5, 0.8))
            arm = "spins" if rng.random() < p else "nothing"
            rows.append(ended(arm, float(rng.random() < share), p if arm == "spins" else 1 - p))
        rows += [ended("nothing", float(rng.random() < share / 2), 1, "holdout") for _ in range(n // 2)]
        found = told(rows)
        arm = found.arms[0]
        for name, around, truth in (
            ("mean", arm.mean, share),
            ("everybody", arm.everybody, share),
            ("over_holdout", found.over_holdout, share / 2),
        ):
            assert around is not None
            held[name] += around.low <= truth <= around.high
    assert all(count / 300 >= 0.95 - 3 * 0.0126 for count in held.values()), held


def test_amounts_are_judged_like_shares() -> None:
    """Rewards of a hundredth: an interval as wide as for yes and no would say nothing."""
    rng = Random(5)
    found = told([ended("spins", 0.01 + 0.02 * rng.random(), 0.5) for _ in range(60)])
    assert found.policy is not None
    assert found.policy.low <= 0.02 <= found.policy.high
    assert found.policy.high - found.policy.low < 0.005


def test_nothing_known_is_said_so() -> None:
    found = told([])
    assert (found.outcomes, found.policy, found.best_single, found.uniform, found.over_holdout) == (0, *[None] * 4)
    assert [arm.share for arm in found.arms] == [0, 0, 0]
    assert [arm.best for arm in found.arms] == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert sentences(found) == ["Nothing is known yet: no choice's time is over."]


def test_one_outcome_breaks_nothing() -> None:
    found = told([ended("spins", 1)])
    assert found.policy == Estimate(1.0, pytest.approx(0.2, abs=0.1), 1.0)
    assert "not" in " ".join(sentences(found))


def test_what_is_not_drawn_by_chance_is_not_among_the_arms() -> None:
    found = told([
        ended("spins", 1), ended("spins", 0, 1, "only"), ended("nothing", 0, 1, "holdout"),
        Ended("cashback", "floor", "void", PLAN.generation),
    ])  # fmt: skip
    assert (found.outcomes, found.holdout_outcomes, found.void) == (1, 1, 1)
    assert [arm.void for arm in found.arms] == [0, 1, 0]
    assert found.others is not None
    assert found.others.value == 0.5  # who had one eligible arm is not held out


def campaign(spins: float, held: float, n: int) -> list[Ended]:
    """Rows without chance: of ``n`` outcomes of each arm, and held out, exactly these shares are rewarded."""

    def of(arm: str, share: float, **more: str) -> list[Ended]:
        p = 1.0 if more else 1 / 3
        return [ended(arm, float(at < round(share * n)), p, **more) for at in range(n)]  # type: ignore[arg-type]

    return [*of("spins", spins), *of("cashback", 0.1), *of("nothing", 0.05), *of("nothing", held, by="holdout")]


@pytest.mark.parametrize(
    ("rows", "begins"),
    [
        pytest.param(campaign(0.3, 0.02, 500), "Proven: choosing is worth more than holding out: 0.150", id="proven"),
        pytest.param(campaign(0.1, 0.3, 500), "Proven: choosing does harm", id="harm"),
        pytest.param(campaign(0.1, 0.06, 50), "What choosing is worth is not proven yet: 0.08", id="not yet"),
        pytest.param(
            campaign(0.3, 0.02, 20),
            "What choosing is worth is not proven yet: 20 outcomes of players held out are known",
            id="too few",
        ),
        pytest.param(campaign(0.3, 0.02, 500)[:-500], "What choosing is worth cannot be told", id="nobody held out"),
    ],
)
def test_it_says_no_more_than_is_proven(rows: list[Ended], begins: str) -> None:
    assert sentences(told(rows))[0].startswith(begins)


def test_how_many_more_are_needed_is_told_where_it_can_be() -> None:
    said = sentences(told(campaign(0.1, 0.06, 50)))[0]
    assert "times as many outcomes will prove it." in said


def test_a_choice_that_looks_at_players_is_held_against_its_best_arm() -> None:
    def said(rows: Sequence[Ended]) -> str:
        return sentences(report(LOOKING, counts_of(LOOKING, [structs.replace(row, x=(0, 0)) for row in rows])))[1]

    assert said(campaign(0.3, 0.02, 500)).startswith("spins for everybody would have been worth more than choosing")
    assert said(campaign(0.1, 0.02, 20)).startswith("That choosing by player is worth more than spins for everybody is")
    assert sentences(told(campaign(0.3, 0.02, 500)))[1].startswith("spins is the best arm with a probability of 100%")


def test_a_choice_that_loses_most_of_its_outcomes_is_told_of() -> None:
    lost = [Ended("spins", "policy", "void", PLAN.generation)] * 20
    assert "More choices ended without saying anything (20)" in sentences(told([*ROWS[:10], *lost]))[-1]
