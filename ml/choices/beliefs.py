"""What is counted of choices that ended, and what of it is published: sums, as whole numbers.

Fixed point, ``ONE`` is 1.0: whole numbers add up to the same whatever the order and the partition, floats do not. Of
each arm there are the sufficient statistics of a linear regression of the reward on the player's context (n, sums of
r, r², x, x xᵀ, x r) and those of off-policy estimates (sums of w = 1 / propensity, w r, w r², w², w² r, w² r², w x).

A partition counts into a hash, one field a statistic: ``<choice>|<generation>|<arm>|<by>|<statistic>``. The largest
sum grows by at most 4 * 10¹² at an outcome in the worst case and by 10⁹ on average, of a counter of 9 * 10¹⁸.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct, structs

from domain.errors import Invalid
from ml.choices.plan import CONTEXT_MAX, ChoicePlan

ONE: Final = 1_000_000  # 1.0 of a reward, a propensity, a number of the context
X_MAX: Final = 64.0  # of a number of the context, either way; features are logarithms and shares

By = Literal["policy", "floor", "holdout", "only"]
How = Literal["rewarded", "missed", "void"]
LEARNT: Final[tuple[By, ...]] = ("policy", "floor")  # drawn by chance, with a propensity
BYS: Final[tuple[By, ...]] = get_args(By)

_HALF: Final = ONE // 2
_SINGLE: Final = ("n", "r", "rr", "w", "wr", "wrr", "ww", "wwr", "wwrr", "void")
_LISTED: Final = {"x": CONTEXT_MAX, "xx": CONTEXT_MAX * (CONTEXT_MAX + 1) // 2, "xr": CONTEXT_MAX, "wx": CONTEXT_MAX}


class Ended(Struct, frozen=True):
    """An open choice that came to its end.

    Args:
        generation: The plan's when the arm was drawn.
        propensity: Probability with which this arm was drawn, of ``ONE``.
        reward: 0 to ``ONE``; 0 unless ``rewarded``.
        x: The context when the arm was drawn, of ``ONE`` (``fixed``).
    """

    arm: str
    by: By
    how: How
    generation: str
    propensity: int = ONE
    reward: int = 0
    x: tuple[int, ...] = ()


class ArmSums(Struct, frozen=True, array_like=True, gc=False):
    """Of one arm. ``n`` and ``void`` are counts, all else is of ``ONE``.

    Lists of the context leave out the constant that a regression begins with. They may be shorter than the context:
    what is not there is 0.
    """

    n: int = 0  # outcomes known
    r: int = 0
    rr: int = 0
    x: tuple[int, ...] = ()
    xx: tuple[int, ...] = ()  # (0,0), (1,0), (1,1), (2,0) and so on: places do not depend on the context's length
    xr: tuple[int, ...] = ()
    w: int = 0  # of 1 / propensity
    wr: int = 0
    wrr: int = 0
    ww: int = 0
    wwr: int = 0
    wwrr: int = 0
    wx: tuple[int, ...] = ()
    void: int = 0  # ended without saying anything; in no other sum


NOTHING: Final = ArmSums()
Belief = Mapping[str, ArmSums]  # by arm; an arm that is not there has no outcome yet
_NO_BELIEF: Final[Belief] = {}
Counts = Mapping[str, Mapping[str, Mapping[By, ArmSums]]]  # by plan's key, arm, and by what it was drawn


class Beliefs(Struct, frozen=True):
    """What was learnt of all choices, as it is published: immutable, numbered from 1."""

    number: int = 0
    choices: dict[str, dict[str, ArmSums]] = {}  # by plan's key and arm

    def of(self, plan: ChoicePlan) -> Belief:
        """Return what was learnt of a choice; nothing, if it is new or means something else now."""
        return self.choices.get(plan.key, _NO_BELIEF)


def fixed(value: float) -> int:
    """Return a number of the context as a whole one of ``ONE``, within ``X_MAX``; 0 for what is no number."""
    return round(max(-X_MAX, min(X_MAX, value)) * ONE) if value == value else 0


def reward_of(value: float, most: float) -> int:
    """Return the reward, of ``ONE``, of an outcome that was worth ``value``, where ``most`` is the most that counts."""
    return round(max(0.0, min(1.0, value / most)) * ONE) if value == value else 0


def counted(plan: ChoicePlan, ended: Ended) -> list[tuple[str, int]]:
    """Return what an ended choice adds: fields of the hash, and whole numbers over or below 0.

    Void is counted and never learnt from. So is what was drawn under another generation: its context or its reward
    meant something else.
    """
    place = f"{plan.key}|{ended.arm}|{ended.by}|"
    if ended.how == "void" or ended.generation != plan.generation or len(ended.x) != len(plan.context):
        return [(place + "void", 1)]
    r = ended.reward
    rr = _times(r, r)
    stats = {"n": 1, "r": r, "rr": rr}
    if ended.by in LEARNT:
        w = (ONE * ONE + ended.propensity // 2) // ended.propensity
        ww = _times(w, w)
        stats |= {"w": w, "wr": _times(w, r), "wrr": _times(w, rr)}
        stats |= {"ww": ww, "wwr": _times(ww, r), "wwrr": _times(ww, rr)}
        for at, x in enumerate(ended.x):
            stats |= {f"x{at}": x, f"xr{at}": _times(x, r), f"wx{at}": _times(w, x)}
            below = at * (at + 1) // 2
            stats |= {f"xx{below + other}": _times(x, ended.x[other]) for other in range(at + 1)}
    return [(place + name, number) for name, number in stats.items() if number]


def summed(partitions: Iterable[Mapping[str, int]]) -> Counts:
    """Add up the hashes of partitions. Statistics that this release does not know are left out."""
    totals: dict[str, int] = {}
    for fields in partitions:
        for field, number in fields.items():
            totals[field] = totals.get(field, 0) + number
    found: dict[str, dict[str, dict[By, dict[str, int]]]] = {}
    for field, number in totals.items():
        match field.split("|"):
            case [choice, generation, arm, ("policy" | "floor" | "holdout" | "only") as by, stat]:
                arms = found.setdefault(f"{choice}|{generation}", {})
                arms.setdefault(arm, {}).setdefault(by, {})[stat] = number
            case _:
                raise ValueError(f"expected <choice>|<generation>|<arm>|<by>|<statistic>, got {field!r}")
    return {
        key: {arm: {by: _arm_sums(stats) for by, stats in bys.items()} for arm, bys in arms.items()}
        for key, arms in found.items()
    }


def learnt(counts: Counts, number: int, keys: Collection[str]) -> Beliefs:
    """Return what is to be published: of the choices of these plans (their ``key``), what chance drew."""
    return Beliefs(
        number,
        {
            key: {arm: of_chance(bys) for arm, bys in sorted(counts[key].items())}
            for key in sorted(keys)
            if key in counts
        },
    )


def of_chance(bys: Mapping[By, ArmSums]) -> ArmSums:
    """Return the sums of what chance drew, with a propensity."""
    return together(bys[by] for by in LEARNT if by in bys)


def together(several: Iterable[ArmSums]) -> ArmSums:
    """Add sums up."""
    total: list[Any] = list(structs.astuple(NOTHING))
    for one in several:
        for at, number in enumerate(structs.astuple(one)):
            total[at] = total[at] + number if isinstance(number, int) else _lists_added(total[at], number)
    return ArmSums(*total)


def encode_beliefs(beliefs: Beliefs) -> bytes:
    """Return beliefs as they are stored. The same beliefs, the same bytes."""
    return msgspec.json.encode(beliefs, order="deterministic")


def decode_beliefs(data: bytes) -> Beliefs:
    """Read beliefs.

    Raises:
        Invalid: the bytes are no beliefs.
    """
    try:
        return msgspec.json.decode(data, type=Beliefs)
    except msgspec.DecodeError as error:  # a ValidationError is one too
        raise Invalid(f"these are no beliefs: {error}") from error


def _times(one: int, other: int) -> int:
    """Multiply two numbers of ``ONE``; halves go up."""
    return (one * other + _HALF) // ONE


def _lists_added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if len(one) < len(other):
        one, other = other, one
    return (*(mine + theirs for mine, theirs in zip(one, other, strict=False)), *one[len(other) :])


def _arm_sums(stats: Mapping[str, int]) -> ArmSums:
    found: dict[str, Any] = {name: stats.get(name, 0) for name in _SINGLE}
    for name, most in _LISTED.items():
        numbers = [stats.get(f"{name}{at}", 0) for at in range(most)]
        while numbers and not numbers[-1]:
            numbers.pop()
        found[name] = tuple(numbers)
    return ArmSums(**found)
