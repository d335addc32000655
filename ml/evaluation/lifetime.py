"""How well repeat payments and their value are foretold: fitted to what was known at a date, judged on what came after.

Value is judged beside three answers that need no model: a constant (what customers of a quarter earlier brought in the
quarter that has just ended), each player's own past at the same rate, and nothing at all. Where four of five never come
back, "nothing" has a small mean error and is of no use: so the sum and the order stand beside the error.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from domain.calendar import DAY_MS
from ml import data
from ml.evaluation.bootstrap import Interval, interval, weights
from ml.evaluation.metrics import Floats, spearman
from ml.lifetime import LTV_DAYS, WAIT_MAX_DAYS, Lifetime, median_wait, p_alive, value
from ml.training.lifetime import Buyers, buyers_of, fit, lacking
from ml.training.log import Log

MODEL, CONSTANT, OWN_PAST, NOTHING = "BG/NBD and gamma-gamma", "constant", "own past", "nothing"
DRAWS = 300
SEED = 7
TENTHS = 10


class ValueLine(Struct, frozen=True):
    """One answer's figures, in major units."""

    name: str
    mae: float
    mae_interval: Interval
    rmse: float
    total: float  # what was told of all, over what all paid
    total_interval: Interval
    rank: float  # Spearman's correlation; nan for a constant
    captured: float  # of all that was paid, by the tenth of the players that was told most of


class ValueReport(Struct, frozen=True):
    """Value and dates on one log."""

    name: str
    at: int  # ms
    players: int
    paying: float  # share that paid at all in the days after it
    parameters: Lifetime
    lines: tuple[ValueLine, ...]
    ahead: Interval  # squared error of the model less that of the best other line, over that one's; below 0: better
    best: str  # that line
    tenths: tuple[tuple[float, float, int], ...]  # of the model: (told, paid, players), those told least first
    dated: int  # players of whom a date was told
    seen: int  # of these, whose date lies within the log
    kept: float  # share of those who had paid by then; 0.5 is aimed at
    kept_interval: Interval


def judge(log: Log, at: int, draws: int = DRAWS, seed: int = SEED) -> ValueReport | str:
    """Fit to what was known at ``at`` and judge on the ``LTV_DAYS`` after it; a sentence when that cannot be done."""
    buyers = buyers_of(log, at)
    if reason := lacking(buyers):
        return f"{log.name}: {reason}"
    if not buyers.is_ripe:
        return f"{log.name}: the log ends within {LTV_DAYS} days of the date that is judged"
    if not buyers.paid.any():
        return f"{log.name}: nobody paid in the {LTV_DAYS} days after the date that is judged"
    model = fit(buyers)
    if model is None:
        return f"{log.name}: the fit found no parameters that can be computed with"
    return report(log.name, model, buyers, constant_of(log, at), draws, seed)


def report(
    name: str, model: Lifetime, buyers: Buyers, constant: float, draws: int = DRAWS, seed: int = SEED
) -> ValueReport:
    """Judge parameters on players, who need not be those that they were fitted to."""
    alive = [p_alive(model, one.x, one.t_x, one.age) for one in buyers.known]
    said = {
        MODEL: np.array([value(model, one, LTV_DAYS, p) for one, p in zip(buyers.known, alive, strict=True)]),
        CONSTANT: np.full(len(buyers), constant),
        OWN_PAST: np.array([one.mean * (one.x + 1) * LTV_DAYS / max(one.age, LTV_DAYS) for one in buyers.known]),
        NOTHING: np.zeros(len(buyers)),
    }
    drawn = list(weights(buyers.player, draws, seed))
    lines = tuple(_line(each, told, buyers.paid, drawn) for each, told in said.items())
    best = min(lines[1:], key=lambda line: line.rmse)
    errors = {each: (told - buyers.paid) ** 2 for each, told in said.items()}
    ahead = interval([float((w * errors[MODEL]).sum() / (w * errors[best.name]).sum()) - 1 for w in drawn])
    dates = [median_wait(model, one.x, one.age, p) for one, p in zip(buyers.known, alive, strict=True)]
    told = np.array([np.inf if date is None or date > WAIT_MAX_DAYS else date for date in dates])
    within = buyers.at + np.where(np.isfinite(told), told, 0) * DAY_MS <= buyers.end
    judged = np.isfinite(told) & within
    kept = (buyers.wait <= told)[judged].astype(float)
    return ValueReport(
        name=name,
        at=buyers.at,
        players=len(buyers),
        paying=float((buyers.days > 0).mean()),
        parameters=model,
        lines=lines,
        ahead=ahead,
        best=best.name,
        tenths=_tenths(said[MODEL], buyers.paid),
        dated=int(np.isfinite(told).sum()),
        seen=int(judged.sum()),
        kept=float(kept.mean()) if len(kept) else float("nan"),
        kept_interval=interval([float(np.average(kept, weights=w)) for w in _some(drawn, judged)]),
    )


def refusal(found: ValueReport) -> str:
    """Return why parameters that did so are not to be used, "" when they may be."""
    model, constant = (next(line for line in found.lines if line.name == name) for name in (MODEL, CONSTANT))
    if model.rmse < constant.rmse:
        return ""
    return f"its squared error is {model.rmse:,.1f}, not below the {constant.rmse:,.1f} of a constant"


def constant_of(log: Log, at: int) -> float:
    """Return what customers brought on average in the ``LTV_DAYS`` before ``at``, of those known when these began."""
    earlier = buyers_of(log.before(at), at - LTV_DAYS * DAY_MS)
    return float(earlier.paid.mean()) if len(earlier) else 0.0


def tasks(folder: Path | None, draws: int = DRAWS) -> list[Callable[[], ValueReport | str]]:
    """Return what there is to judge: the sets that ship, and all of CDNOW where a folder has it."""
    makers: list[Callable[[], ValueReport | str]] = [
        lambda: judge(data.cdnow_sample(), data.a_day("19971001"), draws),
        lambda: _shop(data.online_retail(), draws),
    ]
    if folder is not None:
        try:
            master = data.cdnow_master(folder)
            makers.append(lambda: judge(master, data.a_day("19971001"), draws))
        except data.NoData:
            pass  # the other tables say so
    return makers


def as_text(found: ValueReport) -> list[str]:
    """Return the report as lines of plain text."""
    lines = [
        f"{found.name}: {found.players:,} who had paid, {found.paying:.0%} of them paid in the next {LTV_DAYS} days",
        f"  {'':24}{'mean error':>22}{'squared':>9}{'told / paid':>22}{'rank':>7}{'top tenth':>11}",
    ]
    for line in found.lines:
        rank = "-" if np.isnan(line.rank) else f"{line.rank:.3f}"
        mae, total = _with(line.mae, line.mae_interval, 1), _with(line.total, line.total_interval, 2)
        lines.append(f"  {line.name:24}{mae:>22}{line.rmse:>9.1f}{total:>22}{rank:>7}{line.captured:>11.0%}")
    tenths = "  ".join(f"{told:.0f}/{was:.0f}" for told, was, _ in found.tenths)
    kept = _with(found.kept, found.kept_interval, 3)
    lines += [
        f"  squared error against {found.best}: {found.ahead.low:+.0%} to {found.ahead.high:+.0%}",
        f"  tenths, told/paid: {tenths}",
        f"  a date was told of {found.dated:,}; of {found.seen:,} it can be checked, and {kept} had paid by then (.5)",
    ]
    return lines


def _shop(log: Log, draws: int) -> ValueReport | str:
    return judge(log, log.at[-1] - LTV_DAYS * DAY_MS, draws)


def _line(name: str, told: Floats, paid: Floats, drawn: Sequence[Floats]) -> ValueLine:
    error, off = np.abs(told - paid), (told - paid) ** 2
    varies = bool(told.max() > told.min())
    top = np.argsort(-told, kind="stable")[: max(1, len(told) // TENTHS)]
    return ValueLine(
        name=name,
        mae=float(error.mean()),
        mae_interval=interval([float(np.average(error, weights=w)) for w in drawn]),
        rmse=float(np.sqrt(off.mean())),
        total=float(told.sum() / paid.sum()),
        total_interval=interval([float((w * told).sum() / (w * paid).sum()) for w in drawn]),
        rank=spearman(told, paid) if varies else float("nan"),
        captured=float(paid[top].sum() / paid.sum()) if varies else 1 / TENTHS,
    )


def _tenths(told: Floats, paid: Floats) -> tuple[tuple[float, float, int], ...]:
    parts = np.array_split(np.argsort(told, kind="stable"), TENTHS)
    return tuple((float(told[of].mean()), float(paid[of].mean()), len(of)) for of in parts if len(of))


def _some(drawn: Sequence[Floats], which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[Floats]:
    """Return the weights of some players, of the draws in which any of them was drawn."""
    return [w[which] for w in drawn if w[which].sum() > 0]


def _with(figure: float, around: Interval, places: int) -> str:
    return f"{figure:.{places}f} [{around.low:.{places}f}, {around.high:.{places}f}]"
