"""The model card: what a model was made of, what it can do, and what its data cannot say (Mitchell et al. 2019)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain

import numpy as np
from msgspec import structs

from ml.evaluation.bootstrap import Interval
from ml.evaluation.lifetime import ValueReport, as_text
from ml.features import NAMES
from ml.lifetime import LTV_DAYS
from ml.net import Artefact
from ml.training.contest import CHALLENGER, CHAMPION, Contest
from ml.training.dataset import MOMENT_SHARE, Rows
from ml.training.outcome import ignored
from ml.training.split import Split

_TOLD_AS = {
    "churn_7d": "no session begins within 7 days",
    "churn_14d": "no session begins within 14 days",
    "churn_28d": "no session begins within 28 days",
    "purchase_7d": "a deposit or a purchase within 7 days",
    "engagement": "days of the next 7 on which a session begins (expected number)",
}


_TOLD_OF_WHO_PAID = {
    "next_purchase_days": "of who has paid: in how many days the next payment is as likely as not to have come",
    "ltv_90d": "of who has paid: what the next 90 days are expected to bring, in major units",
}


def card(
    artefact: Artefact,
    contest: Contest,
    rows: Rows,
    split: Split,
    missing: dict[str, str],
    value: ValueReport | None = None,
) -> str:
    """Return the card as Markdown."""
    parts = (
        [f"# Model card: {artefact.name}", "", *_verdict(contest)],
        ["## What it tells", "", *_heads(artefact, missing)],
        ["## What it was made of", "", *_data(artefact, rows, split)],
        ["## How it does", "", *_figures(contest), *_kinds(contest)],
        ["## Calibration", "", *_calibration(contest)],
        *([["## Repeat payments and their value", "", *_value(artefact, value)]] if artefact.lifetime or value else []),
        ["## Confidence", "", *_confidence(artefact, contest)],
        ["## What moves the scores", "", *_drivers(contest)],
        ["## What the data cannot say", "", *_silences(artefact, contest, rows, split, missing)],
        ["## Bytes", "", f"SHA-256 of the content: `{artefact.checksum}`."],
    )
    return "\n".join(chain.from_iterable([*part, ""] for part in parts)).rstrip() + "\n"


def _verdict(contest: Contest) -> list[str]:
    brier = contest.brier_difference
    span = f"{brier.low:+.5f} to {brier.high:+.5f}"
    against = "the model in force" if contest.against == CHAMPION else 'the rule "how long ago were they last seen"'
    if contest.won:
        return [f"Better than {against}: its Brier score differs by {span} (95 %, players resampled)."]
    return [f"**Not to be published** against {against}:", "", *(f"- {reason}" for reason in contest.refusals)]


def _heads(artefact: Artefact, missing: dict[str, str]) -> list[str]:
    lines = [f"- `{head.name}`: {_TOLD_AS[head.name]}" for head in artefact.heads]
    lines += [f"- `{name}`: {text}" for name, text in _TOLD_OF_WHO_PAID.items() if artefact.lifetime]
    return lines + [f"- `{name}` is not told: {reason}" for name, reason in missing.items()]


def _data(artefact: Artefact, rows: Rows, split: Split) -> list[str]:
    origin = artefact.origin
    weekly = int(rows.weekly.sum())
    return [
        f"- Source: {origin.source or 'not named'}; terms: {origin.licence or 'not named'}",
        f"- Fingerprint (SHA-256 of all rows): `{origin.fingerprint}`",
        f"- {origin.players:,} players, {_day(origin.first_at)} to {_day(origin.last_at)}",
        f"- {len(rows):,} rows: {weekly:,} weekly cuts (players seen within 28 days) and {len(rows) - weekly:,} "
        f"moments right after a session began ({MOMENT_SHARE:.0%} of them, drawn by a hash)",
        f"- Fitted on what ended before {_day(split.check_at)}, stopped and calibrated on what ended before "
        f"{_day(split.test_at)}, judged on what came later. A label belongs to a span only with its whole horizon.",
        *_again(artefact, split),
        f"- Seed {origin.seed}, {' x '.join(str(len(layer.bias)) for layer in artefact.layers[:-1])} hidden units",
    ]


def _again(artefact: Artefact, split: Split) -> list[str]:
    if artefact.origin.split_at <= split.test_at:
        return []
    return [
        f"- It won, so the same was fitted once more to all rows, up to {_day(artefact.origin.last_at)}, and that is "
        "what is in the file. The figures below are those of the fit that was judged."
    ]


def _figures(contest: Contest) -> list[str]:
    lines = [
        f"`{contest.head}`, {contest.rows:,} rows of {contest.players:,} players after the split; brackets are 95 % "
        "intervals (players resampled). Accuracy stands beside what a constant gets.",
        "",
    ]
    table = []
    for name, line in contest.lines.items():
        f, i = line.figures, line.intervals
        table.append(
            (name if name != CHALLENGER else "**this model**", _with(f.roc_auc, i["roc_auc"]), f"{f.pr_auc_gone:.3f}",
             f"{f.pr_auc_stays:.3f}", _with(f.brier, i["brier"], 4), f"{f.brier_skill:+.3f}", f"{f.ece:.3f}",
             f"{f.lift:.2f}", f"{f.accuracy.model:.3f} ({f.accuracy.majority:.3f})")
        )  # fmt: skip
    heads = ("", "ROC-AUC", "PR-AUC gone", "PR-AUC stays", "Brier", "skill", "ECE", "lift 10 %", "accuracy (constant)")
    return [*lines, *_table(heads, table), ""]


def _kinds(contest: Contest) -> list[str]:
    table = [
        (kind.head, where, f"{kind.rows:,}", f"{kind.rate:.3f}", f"{kind.told:.3f}", _or_dash(kind.roc_auc),
         _or_dash(kind.brier_skill), _or_dash(kind.ece), _or_dash(kind.rank))
        for where, kinds in (("weekly cuts", contest.weekly), ("moments", contest.moments))
        for kind in kinds
    ]  # fmt: skip
    heads = ("head", "on", "rows", "was", "told", "ROC-AUC", "skill", "ECE", "Spearman")
    return ["Every head, on both kinds of rows:", "", *_table(heads, table)]


def _calibration(contest: Contest) -> list[str]:
    table = [(f"{said:.3f}", f"{came:.3f}", f"{rows:,}") for said, came, rows in contest.calibration]
    return [
        f"`{contest.head}`, tenths of the rows by what was said:",
        "",
        *_table(("said", "came true", "rows"), table),
    ]


def _value(artefact: Artefact, value: ValueReport | None) -> list[str]:
    lines = []
    if artefact.lifetime:
        numbers = ", ".join(f"{name} {number:.4g}" for name, number in structs.asdict(artefact.lifetime).items())
        lines.append(f"BG/NBD and gamma-gamma, fitted to all payments of the log (alpha in days): {numbers}.")
    if value is None:
        return [*lines, "The log ends too early to judge them on what came later."]
    about = f"The same fitted to what was known on {_day(value.at)}, judged on the {LTV_DAYS} days after it:"
    return [*lines, "", about, "", "```text", *as_text(value), "```"]


def _confidence(artefact: Artefact, contest: Contest) -> list[str]:
    table = [
        (f"{band.confidence:.2f}", f"{band.rows:,}", _or_dash(band.roc_auc), f"{band.brier:.4f}", _or_dash(band.ece))
        for band in contest.bands
    ]
    ceiling = f"No score of this model has more than {artefact.trust:.2f}."
    if artefact.trust < 1:
        ceiling += " It was not trained on the players of the platform that uses it."
    return [ceiling, "", *_table(("mean confidence", "rows", "ROC-AUC", "Brier", "ECE"), table)]


def _drivers(contest: Contest) -> list[str]:
    table = [(name, f"{share:.0%}", f"{effect:.2f}") for name, share, effect in contest.drivers]
    about = "How often a feature is among the three that a score names, and its mean effect there (log-odds)."
    return [about, "", *_table(("feature", "of scores", "effect"), table)]


def _silences(artefact: Artefact, contest: Contest, rows: Rows, split: Split, missing: dict[str, str]) -> list[str]:
    """Return the limits that can be read off the data, and those that every such log has."""
    silent = ignored(rows.vector[split.fit(rows).any(axis=1)])
    never = [name for name, same in zip(NAMES, silent, strict=True) if same]
    weekly = {kind.head: kind for kind in contest.weekly}
    lines = []
    if never:
        lines.append(
            f"- These never varied, so the model ignores them: {', '.join(never)}. A player in whom they do vary "
            "gets a lower confidence."
        )
    if "purchase_7d" in missing:
        lines.append("- Nothing was paid in this log: it says nothing of deposits or purchases.")
    if churn := weekly.get("churn_14d"):
        lines.append(
            f"- Of the weekly rows {churn.rate:.0%} were gone for 14 days. Where far fewer leave, or far more, the "
            "calibration does not hold, though the order of players may."
        )
    lines.append(f"- It is one population, of {_day(artefact.origin.first_at)} to {_day(artefact.origin.last_at)}.")
    lines.append(
        "- Who leaves was observed, not why: whatever was sent to these players is in their labels, and nothing here "
        "says that contacting a player with a high score keeps them."
    )
    lines.append("- Gone means gone from this log; a player who came back under another id counts as gone.")
    return lines


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    rule = "|" + "---|" * len(heads)
    return [_line(heads), rule, *(_line(line) for line in lines)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _with(value: float, interval: Interval, places: int = 3) -> str:
    return f"{value:.{places}f} [{interval.low:.{places}f}, {interval.high:.{places}f}]"


def _or_dash(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")
