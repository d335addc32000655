"""Choices in a made-up world: nothing known at the start, outcomes that come days later, a few hundred players.

All of it is simulated, and labelled so wherever it is shown. What a log cannot tell is known here: what every arm is
worth to every player. So regret is exact, and it can be counted how often an interval holds the truth.
"""

import heapq
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from msgspec import Struct

from ml.choices.beliefs import ONE, Beliefs, By, Ended, counted, fixed, learnt, summed
from ml.choices.draw import draw
from ml.choices.estimates import ChoiceReport, Estimate, report
from ml.choices.plan import ChoicePlan
from ml.evaluation.bootstrap import Interval
from ml.evaluation.metrics import Floats

PLAYERS = 300
ROUNDS = 16  # choices a player is asked for
EVERY_D = 3.0  # days from one to the next
WITHIN_D = 3.0  # days until an outcome counts, whatever it is
REFRESH_D = 0.25  # days between publications
HELD_OUT = 0.05
TENTHS = 10
DRAWS_PER_WORLD = 25  # resamplings elsewhere for which one world of a kind passes here
SEED = 7


class World(Struct, frozen=True):
    """What the players of one world are like."""

    plan: ChoicePlan
    x: Floats  # (P, C)
    worth: Floats  # (P, K), probability of a reward


class Lived(Struct, frozen=True):
    """What one run came to. Worths are true means of what was drawn, not rewards."""

    drawn: Floats  # (10,) by tenths of the time, of players not held out
    uniform: float
    single: float  # the best arm for everybody, which nobody knew
    each: float  # every player's own best
    told: ChoiceReport
    arms: dict[str, float]  # the truth of what is told: of arms, had everybody got them,
    over_best: float  # of the draws less the arm that was told to be the best,
    over_holdout: float  # and of the draws less what those held out got


class WorldReport(Struct, frozen=True):
    """A kind of world, over several of them. Worths are shares of what the best single arm is worth to all."""

    name: str
    about: str
    worlds: int
    choices: int  # in one
    uniform: float
    first: float  # in the first tenth of the time
    drawn: float
    last: float  # in the last tenth
    around: Interval  # of ``drawn``, of the mean of the worlds
    each: float  # every player's own best
    arms_held: tuple[int, int]  # how many 95 % intervals of arms held the truth, of how many
    over_best_held: tuple[int, int]  # likewise of the difference to the best single arm
    over_holdout_held: tuple[int, int]
    proven: int  # worlds in which choosing was told to be worth more than the best single arm


def by_level(rng: np.random.Generator) -> World:
    """Make a world in which one arm is the best for everybody."""
    return _world(rng, 0, lambda _: np.tile([0.05, 0.10, 0.14], (PLAYERS, 1)))


def by_context(rng: np.random.Generator) -> World:
    """Make a world in which it depends on the player which arm is the best, and the context tells."""

    def worth(x: Floats) -> Floats:
        first = x[:, :1] > 0
        return np.hstack([np.full((PLAYERS, 1), 0.05), np.where(first, 0.18, 0.08), np.where(first, 0.06, 0.18)])

    return _world(rng, 2, worth)


def of_habit(rng: np.random.Generator) -> World:
    """Make a world in which every player has a time of day, and nothing but their own outcomes tells which."""

    def worth(_: Floats) -> Floats:
        own = rng.choice(4, PLAYERS, p=(0.4, 0.3, 0.2, 0.1))
        return np.where(np.arange(4) == own[:, None], 0.35, 0.10)

    return _world(rng, 0, worth, personal=True)


def all_alike(rng: np.random.Generator) -> World:
    """Make a world in which it does not matter what is chosen."""
    return _world(rng, 2, lambda _: np.full((PLAYERS, 3), 0.1))


def _world(rng: np.random.Generator, width: int, worth: Callable[[Floats], Floats], *, personal: bool = False) -> World:
    x = rng.normal(size=(PLAYERS, width))
    means = worth(x)
    plan = ChoicePlan(
        "simulated",
        tuple(f"arm-{at}" for at in range(means.shape[1])),
        tuple(f"number-{at}" for at in range(width)),
        personal=personal,
    )
    return World(plan, x, means)


KINDS: dict[str, tuple[str, Callable[[np.random.Generator], World]]] = {
    "one is best": ("an arm is best for everybody; worth .05, .10, .14", by_level),
    "it depends": ("which arm is best the context tells; worth .05, and .18 or .06", by_context),
    "habits": ("each has a time of their own, worth .35 against .10; learnt by player", of_habit),
    "all alike": ("every arm is worth .10 to everybody", all_alike),
}


def judge(draws: int) -> list[WorldReport]:
    """Let several worlds of each kind pass: more where other figures are resampled more often."""
    worlds = max(2, draws // DRAWS_PER_WORLD)
    found = []
    for name, (about, made) in KINDS.items():
        lived = [live(made(np.random.default_rng(SEED + n)), SEED + n) for n in range(worlds)]
        found.append(_summary(name, about, lived))
    return found


def _summary(name: str, about: str, lived: Sequence[Lived]) -> WorldReport:
    drawn = np.array([one.drawn / one.single for one in lived])  # (W, 10)
    means = drawn.mean(axis=1)
    half = 1.96 * float(means.std(ddof=1)) / len(means) ** 0.5
    middle = float(means.mean())
    return WorldReport(
        name,
        about,
        len(lived),
        ROUNDS * PLAYERS,
        float(np.mean([one.uniform / one.single for one in lived])),
        float(drawn[:, 0].mean()),
        middle,
        float(drawn[:, -1].mean()),
        Interval(middle - half, middle + half),
        float(np.mean([one.each / one.single for one in lived])),
        _held([(arm.everybody, one.arms[arm.arm]) for one in lived for arm in one.told.arms]),
        _held([(one.told.over_best, one.over_best) for one in lived]),
        _held([(one.told.over_holdout, one.over_holdout) for one in lived]),
        sum(one.told.over_best is not None and one.told.over_best.low > 0 for one in lived),
    )


def _held(pairs: Sequence[tuple[Estimate | None, float]]) -> tuple[int, int]:
    known = [(around, truth) for around, truth in pairs if around is not None]
    return sum(around.low <= truth <= around.high for around, truth in known), len(known)


def live(world: World, seed: int) -> Lived:
    """Let time pass: ask, draw, wait for outcomes, publish."""
    plan, rng = world.plan, Random(seed)
    asked = sorted((EVERY_D * (n + rng.random()), player) for n in range(ROUNDS) for player in range(PLAYERS))
    held_out = range(max(1, round(HELD_OUT * PLAYERS)))  # any will do: players are made alike
    own: list[dict[str, tuple[int, int]]] = [{} for _ in range(PLAYERS)]
    awaited: list[tuple[float, int, int, Ended]] = []
    fields: dict[str, int] = {}
    beliefs, published = Beliefs(), 0.0
    worths: list[list[float]] = [[] for _ in range(TENTHS)]
    places = {arm: at for at, arm in enumerate(plan.arms)}

    def end(player: int, ended: Ended) -> None:
        for field, number in counted(plan, ended):
            fields[field] = fields.get(field, 0) + number
        if plan.personal:
            n, total = own[player].get(ended.arm, (0, 0))
            own[player][ended.arm] = n + 1, total + ended.reward

    for number, (at, player) in enumerate(asked):
        while awaited and awaited[0][0] <= at:
            _, _, who, ended = heapq.heappop(awaited)
            end(who, ended)
        if at - published >= REFRESH_D:
            beliefs, published = learnt(summed([fields]), beliefs.number + 1, [plan.key]), at
        x: tuple[float, ...] = tuple(world.x[player].tolist())
        by: By = "holdout"
        arm, propensity = plan.arms[0], ONE
        if player not in held_out:
            drawn = draw(plan, beliefs.of(plan), x, own[player], plan.arms, rng)
            arm, propensity, by = drawn.arm, drawn.propensity, drawn.by
            worths[number * TENTHS // len(asked)].append(float(world.worth[player, places[arm]]))
        won = rng.random() < float(world.worth[player, places[arm]])
        due = at + WITHIN_D  # a success counts no sooner than a miss
        ended = Ended(
            arm, by, "rewarded" if won else "missed", plan.generation, propensity, won * ONE, tuple(map(fixed, x))
        )
        heapq.heappush(awaited, (due, number, player, ended))
    for _, _, who, ended in awaited:
        end(who, ended)

    chosen = world.worth[len(held_out) :]
    means = chosen.mean(axis=0)
    overall = float(np.mean([worth for tenth in worths for worth in tenth]))
    told = report(plan, summed([fields]))
    return Lived(
        np.array([np.mean(tenth) for tenth in worths]),
        float(means.mean()),
        float(means.max()),
        float(chosen.max(axis=1).mean()),
        told,
        dict(zip(plan.arms, means.tolist(), strict=True)),
        overall - float(means[places[told.best_arm]]),
        overall - float(world.worth[: len(held_out), 0].mean()),
    )
