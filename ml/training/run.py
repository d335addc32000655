"""One training: a log in, a judged model and its card out. No files, no clock."""

from collections.abc import Callable

from msgspec import UNSET, Struct, UnsetType, structs

from domain.calendar import DAY_MS
from ml.evaluation.lifetime import ValueReport, refusal
from ml.evaluation.lifetime import judge as judge_value
from ml.lifetime import NAMES_TOLD, Lifetime
from ml.net import Artefact, Model, Origin, dump, load
from ml.training import lifetime
from ml.training.card import card
from ml.training.contest import Contest, contest, metrics, seen_until
from ml.training.dataset import HEADS, Bools, Rows, rows_of
from ml.training.known import known_of
from ml.training.log import Log
from ml.training.outcome import Fitted, Part, Recipe, Task
from ml.training.runners import Runner, here
from ml.training.split import NotEnough, Split, lacking, split_of, whole

DECIDES = "churn_14d"  # the head by which a contest is decided, where it was learnt
Told = Callable[[str, float], None]  # what is being done, and the share of it that is


class Trained(Struct, frozen=True):
    """What came out."""

    artefact: Artefact
    contest: Contest
    card: str  # Markdown
    lacking: dict[str, str]  # heads that were left out, each with the reason
    split: Split
    rows: int
    losses: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...] = ()
    value: ValueReport | None = None  # of the lifetime; None: not told, or the log ends too early to judge it


def train(
    log: Log,
    *,
    champion: Model | None = None,
    gap_ms: int,
    trust: float = 1.0,
    fits: int = 3,
    seed: int = 0,
    draws: int = 300,
    refit: bool = True,
    runner: Runner = here,
    told: Told = lambda _what, _share: None,
) -> Trained:
    """Take rows, fit from several seeds, keep the fit with the best check, judge it, and if it won fit it to all.

    Args:
        champion: What it must beat; none: a simple rule.
        gap_ms: The silence that ends a session, as in the programme that will use the model.
        trust: Most confidence that a score of this model may have: less than 1 for players of another platform.
        refit: Fit a challenger that has won once more, to all rows, those that judged it among them.

    Raises:
        NotEnough: the log is too short, or too little happens in it.
    """
    rows = rows_of(log, gap_ms=gap_ms, progress=lambda share: told("replaying", share))
    split, warnings = _split(rows, champion, log.name)
    missing = lacking(rows, split)
    if not any(head.name.startswith("churn_") and head.name not in missing for head in HEADS):
        raise NotEnough("churn cannot be learnt from this log: " + "; ".join(f"{n}: {r}" for n, r in missing.items()))
    fitted = _best(rows, split, missing, range(seed, seed + fits), runner, told)
    told("judging", 0.0)
    found = contest(Model(structs.replace(fitted.artefact, trust=trust)), champion, rows, split, draws=draws, seed=seed)
    life, value = _lifetime(log, split, missing, draws, seed)
    told("judging", 1.0)
    kept, learnt = fitted.artefact, split
    if refit and found.won:
        again = _refitted(rows, log.at[-1], missing, fitted, runner, told)
        if again is None:
            warnings += ("it was not fitted again to all rows: too little ended in the newest of them",)
        else:
            kept, learnt = again.artefact, whole(rows, log.at[-1])
    origin = Origin(
        source=log.name, licence=log.licence, fingerprint=log.fingerprint(), first_at=log.at[0], last_at=log.at[-1],
        split_at=learnt.test_at, rows=len(rows), players=len(set(log.player)), seed=fitted.seed, metrics=metrics(found),
    )  # fmt: skip
    artefact = structs.replace(kept, trust=trust, origin=origin, lifetime=life, known=known_of(kept, rows, trust))
    artefact = load(dump(artefact)).artefact  # as it will be read, checksum and all
    text = card(artefact, found, rows, split, missing, value)
    return Trained(artefact, found, text, missing, split, len(rows), fitted.losses, warnings, value)


def _lifetime(
    log: Log, split: Split, missing: dict[str, str], draws: int, seed: int
) -> tuple[Lifetime | UnsetType, ValueReport | None]:
    """Fit when players pay again and how much, to the whole log, and judge a fit to what was known at the split.

    Where it cannot be told ``missing`` is given the reason.
    """
    all_of_it = lifetime.buyers_of(log, log.at[-1] + DAY_MS)
    reason, found, value = lifetime.lacking(all_of_it), None, None
    if not reason:
        found = lifetime.fit(all_of_it)
        reason = "" if found else "the fit found no parameters that can be computed with"
        judged = judge_value(log, split.test_at, draws, seed)
        if isinstance(judged, ValueReport):
            value = judged
            reason = reason or refusal(judged)
    if reason:
        missing[NAMES_TOLD[1]] = reason
    return found if found and not reason else UNSET, value


def _split(rows: Rows, champion: Model | None, source: str) -> tuple[Split, tuple[str, ...]]:
    """Return the spans, and what is to be said of them.

    A champion that was made of these players has seen all rows up to its own day, so only later ones can judge: on
    the others it would win whatever the challenger learnt.
    """
    split, seen = split_of(rows), seen_until(champion, source)
    if seen <= split.test_at:
        return split, ()
    later = split_of(rows, test_from=seen)
    if any(head.name == DECIDES and head.name not in lacking(rows, later) for head in HEADS):
        return later, ()
    return split, ("the champion was fitted on part of these test rows, so the contest favours it",)


def _best(
    rows: Rows, split: Split, missing: dict[str, str], seeds: range, runner: Runner, told: Told, what: str = "fitting"
) -> Fitted:
    """Fit from several seeds; the test rows are not looked at."""
    places = [place for place, head in enumerate(HEADS) if head.name not in missing]
    heads = tuple(HEADS[place] for place in places)
    fitting, checking = (_part(rows, mask, places) for mask in (split.fit(rows), split.check(rows)))
    tasks = [Task(fitting, checking, heads, Recipe(seed=seed)) for seed in seeds]
    return min(runner(tasks, lambda share: told(what, share)), key=lambda one: one.check_loss)


def _refitted(
    rows: Rows, end: int, missing: dict[str, str], fitted: Fitted, runner: Runner, told: Told
) -> Fitted | None:
    """Fit the same once more with nothing left out to judge; None where a head would lack labels."""
    split = whole(rows, end)
    if lacking(rows, split, judged=False).keys() - missing.keys():
        return None
    return _best(rows, split, missing, range(fitted.seed, fitted.seed + 1), runner, told, "refitting")


def _part(rows: Rows, mask: Bools, places: list[int]) -> Part:
    used = mask[:, places].any(axis=1)
    return Part(rows.vector[used], rows.label[used][:, places], mask[used][:, places])
