"""How well the draw of arms learns, on real logs whose arms were drawn by chance.

Two questions. By replay (Li, Chu, Langford and Wang 2011): a customer of the log is asked, and where the draw happens
to be what was logged, its outcome is learnt from; so it starts with nothing and pays for what it tries. And off-policy:
what is learnt from one half of the log is judged on the other, by SNIPW (Swaminathan and Joachims 2015) and doubly
robust (Dudik, Langford and Li 2011), beside the best single arm for everybody, which is chosen on that one half too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ml.choices.beliefs import ONE, Belief, Beliefs, Ended, counted, fixed, learnt, summed
from ml.choices.plan import ChoicePlan
from ml.choices.posterior import best_shares, fitted
from ml.data import NoData
from ml.evaluation.bandit_sets import CAMPAIGNS, Logged, hillstrom, open_bandit
from ml.evaluation.bootstrap import Interval, interval, weights
from ml.evaluation.metrics import Floats

SEED = 7
KEPT_PER_REFRESH = 100  # outcomes between two publications, about
DRAWS_PER_REPLAY = 25  # resamplings for which a log is played once over
PIECES = 8  # of a log that looks at customers: shops that start with nothing

_AT_ONCE = 500  # customers; of each K * 41 * K numbers are held

RANDOM = "all alike"
OURS = "choices (Playtower)"
OURS_DR = "choices, doubly robust"
BLIND = "choices, without the context"
SINGLE = "the best single arm for all"


class Line(Struct, frozen=True):
    """One way to choose. All figures are shares; ``over`` is the difference to the best single arm, same resamples."""

    name: str
    value: float
    around: Interval
    over: Interval | None


class Learning(Struct, frozen=True):
    """What it came to with nothing known at the start: means of 0 to 1 of what was drawn."""

    name: str
    runs: int
    outcomes: int  # of one run
    value: float
    around: Interval
    last: float  # in the last quarter
    alike: float  # had all arms been drawn alike
    hindsight: float  # the best single arm of the very log it was drawn from; flattered by chance


class BanditReport(Struct, frozen=True):
    """One table."""

    name: str
    about: str
    source: str
    licence: str
    reward_is: str
    rows: int
    rewarded: int
    best_arms: list[str]  # the best single arm by either half
    lines: list[Line]
    learning: list[Learning]
    check: Line | None  # another policy's value, estimated from this log
    checked: Line | None  # and what it really got


def judge_folder(data: Path | None, draws: int, told: Callable[[BanditReport], None]) -> tuple[list[BanditReport], str]:
    """Judge on the log that ships and on the one that a folder may hold, telling each as soon as it is there.

    Returns:
        The tables, and what was left out and why; "" if nothing was, or no folder was given.
    """
    reports = []
    for campaign in CAMPAIGNS:
        reports.append(judge_open_bandit(campaign, draws))
        told(reports[-1])
    if data is None:
        return reports, ""
    try:
        log = hillstrom(data)
    except NoData as error:
        return reports, f"choices: {error}"
    reports.append(judge_customers(log, draws))
    told(reports[-1])
    return reports, ""


def judge_open_bandit(campaign: str, draws: int) -> BanditReport:
    """Judge on one campaign, and hold the estimates against what the shop's own policy really got."""
    log, real = open_bandit(campaign, "random"), open_bandit(campaign, "bts")
    other = _as_drawn(real)[log.strata]  # (N, K)
    rng = np.random.default_rng(SEED)
    runs = [
        replayed(log.only(rng.integers(len(log), size=len(log) * len(log.arms))), plan_of(log), rng)
        for _ in range(max(2, draws // DRAWS_PER_REPLAY))
    ]
    (check,) = _judged({"the shop's own draws, estimated": _weighed(log, other)}, draws, len(log))
    (checked,) = _judged({"the shop's own draws, as they were": (real.reward, np.ones(len(real)))}, draws, len(real))
    return _report(log, draws, [_learning(OURS, log, runs, percentiles=True)], check, checked)


def judge_customers(log: Logged, draws: int) -> BanditReport:
    """Judge on a log that tells who the customers are: with the context and without."""
    rng = np.random.default_rng(SEED)
    pieces = np.array_split(rng.permutation(len(log)), PIECES)
    learning = [
        _learning(name, log, [replayed(log.only(rows), plan, np.random.default_rng(SEED)) for rows in pieces])
        for name, plan in ((OURS, plan_of(log)), (BLIND, plan_of(log, context=False)))
    ]
    return _report(log, draws, learning, None, None)


def plan_of(log: Logged, *, context: bool = True) -> ChoicePlan:
    """Return the choice that a log is of."""
    return ChoicePlan("evaluated", log.arms, log.context if context else (), generation="1")


def replayed(log: Logged, plan: ChoicePlan, rng: np.random.Generator) -> Floats:
    """Return the rewards of those rows, in order, whose logged arm was drawn; the draw learns from them alone."""
    beliefs, fields = Beliefs(), dict[str, int]()
    gained: list[Floats] = []
    step = round(KEPT_PER_REFRESH / float(log.propensity.mean()))
    for start in range(0, len(log), step):
        rows = log.only(np.arange(start, min(start + step, len(log))))
        shares = drawn_with(plan, beliefs.of(plan), rows.x)
        drawn = (rng.random((len(rows), 1)) < shares.cumsum(axis=1)).argmax(axis=1)
        kept = np.flatnonzero(drawn == rows.arm)
        for field, number in _counted(plan, rows.only(kept), shares[kept, rows.arm[kept]]):
            fields[field] = fields.get(field, 0) + number
        gained.append(rows.reward[kept])
        beliefs = learnt(summed([fields]), beliefs.number + 1, [plan.key])
    return np.concatenate(gained)


def learnt_from(log: Logged, plan: ChoicePlan) -> Belief:
    """Return what is believed once all of a log is known."""
    fields: dict[str, int] = {}
    for field, number in _counted(plan, log, log.propensity):
        fields[field] = fields.get(field, 0) + number
    return learnt(summed([fields]), 1, [plan.key]).of(plan)


def drawn_with(plan: ChoicePlan, belief: Belief, x: Floats) -> Floats:
    """Return the probabilities (N, K) with which arms are drawn for customers with these contexts (N, C)."""
    fit = fitted(plan, belief)
    rows = x[:, : len(plan.context)] if plan.context else x[:1, :0]  # without a context all are alike
    shares = np.vstack([best_shares(*fit.at(some)) for some in np.array_split(rows, -(-len(rows) // _AT_ONCE))])
    mixed: Floats = plan.explore / len(plan.arms) + (1 - plan.explore) * shares
    return np.broadcast_to(mixed, (len(x), len(plan.arms)))


def expected(plan: ChoicePlan, belief: Belief, x: Floats) -> Floats:
    """Return the rewards (N, K) that the regression expects."""
    return fitted(plan, belief).at(x[:, : len(plan.context)])[0]


def _report(
    log: Logged, draws: int, learning: list[Learning], check: Line | None, checked: Line | None
) -> BanditReport:
    pairs, best = _crossed(log)
    lines = _judged(pairs, draws, len(log))
    return BanditReport(
        log.name, log.about, log.source, log.licence, log.reward_is, len(log), int((log.reward > 0).sum()), best, lines,
        learning, check, checked,
    )  # fmt: skip


Pair = tuple[Floats, Floats]  # (N,) each; the sum of the first over the sum of the second is the estimate


def _crossed(log: Logged) -> tuple[dict[str, Pair], list[str]]:
    """Learn from either half and judge on the other; return the estimates of each way to choose, and the best arms."""
    halves = np.array_split(np.random.default_rng(SEED).permutation(len(log)), 2)
    parts: dict[str, list[Pair]] = {}
    best = []
    for mine, other in (halves, halves[::-1]):
        known, judged = log.only(mine), log.only(other)
        plans = {OURS: plan_of(log)} | ({BLIND: plan_of(log, context=False)} if log.context else {})
        values = [_share(known, known.arm == arm) for arm in range(len(log.arms))]
        best.append(log.arms[int(np.argmax(values))])
        single = np.tile(np.arange(len(log.arms)) == int(np.argmax(values)), (len(judged), 1)).astype(float)
        told = {RANDOM: (judged.reward, np.ones(len(judged))), SINGLE: _weighed(judged, single)}
        for name, plan in plans.items():
            belief = learnt_from(known, plan)
            shares = drawn_with(plan, belief, judged.x)
            told[name] = _weighed(judged, shares)
            if name == OURS:
                told[OURS_DR] = _robust(judged, shares, expected(plan, belief, judged.x))
        if log.context:
            told |= {f"{arm} to all": _weighed(judged, _always(log, judged, at)) for at, arm in enumerate(log.arms)}
        for name, pair in told.items():
            parts.setdefault(name, []).append(pair)
    return {
        name: (np.concatenate([one for one, _ in pairs]), np.concatenate([two for _, two in pairs]))
        for name, pairs in parts.items()
    }, best


def _judged(pairs: Mapping[str, Pair], draws: int, n: int) -> list[Line]:
    drawn: dict[str, list[float]] = {name: [] for name in pairs}
    for w in weights(range(n), draws, SEED):
        for name, (one, two) in pairs.items():
            drawn[name].append(float(w @ one) / float(w @ two))
    lines = []
    for name, (one, two) in pairs.items():
        over = None
        if SINGLE in pairs and name != SINGLE:
            over = interval(np.array(drawn[name]) - np.array(drawn[SINGLE]))
        lines.append(Line(name, float(one.sum() / two.sum()), interval(drawn[name]), over))
    return lines


def _learning(name: str, log: Logged, runs: Sequence[Floats], *, percentiles: bool = False) -> Learning:
    """Return what runs came to; the interval is of one run on another log of its kind, or of the mean of the runs."""
    means = np.array([run.mean() for run in runs])
    half = 2.36 * means.std(ddof=1) / len(means) ** 0.5  # Student's t of 7 degrees of freedom
    return Learning(
        name,
        len(runs),
        min(len(run) for run in runs),
        float(means.mean()),
        interval(means) if percentiles else Interval(float(means.mean() - half), float(means.mean() + half)),
        float(np.mean([run[-len(run) // 4 :].mean() for run in runs])),
        float(log.reward.mean()),
        max(_share(log, log.arm == arm) for arm in range(len(log.arms))),
    )


def _weighed(log: Logged, shares: Floats) -> Pair:
    """Return SNIPW: rewards weighed by how much more often the arm would have been drawn, over these weights."""
    w = shares[np.arange(len(log)), log.arm] / log.propensity
    return w * log.reward, w


def _robust(log: Logged, shares: Floats, q: Floats) -> Pair:
    at = np.arange(len(log))
    w = shares[at, log.arm] / log.propensity
    return (shares * q).sum(axis=1) + w * (log.reward - q[at, log.arm]), np.ones(len(log))


def _as_drawn(real: Logged) -> Floats:
    """Return how often each arm was drawn (S, K) by another policy, from its own log."""
    strata = int(real.strata.max()) + 1
    counts = np.zeros((strata, len(real.arms)))
    np.add.at(counts, (real.strata, real.arm), 1.0)
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _always(log: Logged, rows: Logged, arm: int) -> Floats:
    return np.tile(np.arange(len(log.arms)) == arm, (len(rows), 1)).astype(float)


def _share(log: Logged, rows: NDArray[np.bool_]) -> float:
    return float(log.reward[rows].mean()) if rows.any() else 0.0


def _counted(plan: ChoicePlan, rows: Logged, propensity: Floats) -> Iterator[tuple[str, int]]:
    for arm, reward, p, x in zip(rows.arm, rows.reward, propensity, rows.x[:, : len(plan.context)], strict=True):
        yield from counted(
            plan,
            Ended(
                plan.arms[arm],
                "policy",
                "rewarded" if reward else "missed",
                plan.generation,
                max(1, round(float(p) * ONE)),
                round(float(reward) * ONE),
                tuple(map(fixed, x.tolist())),
            ),
        )
