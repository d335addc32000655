"""How well tone is read, by set and language: texts that were held out, and sets that were never trained on.

Each row has the majority beside it. "Polar" asks of texts that are angry or pleased which of both they are, and it
must answer. "Three" lets it say neither, as it does in a turn, and judges all texts. "Said" is of what it said in a
turn: how much of it held, and how much there was to say.
"""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from numpy.typing import NDArray

from ml.tone import LANGUAGES, Tone, Weights, tone_of
from ml.training.tone_sets import SOURCES, Line, read_sets

Ints = NDArray[np.int64]
MOODS = (-1, 0, 1)
ALL = "all"  # sets, by language
_AS_NUMBER = {"negative": -1, "": 0, "positive": 1}


class ToneRow(Struct, frozen=True):
    """One set in one language, or a language over its sets."""

    name: str
    language: str
    external: bool  # never trained on, by any of its texts
    texts: int
    polar_texts: int
    polar_majority: float  # accuracy of the constant
    polar_accuracy: float
    polar_f1: float  # macro, of two
    majority: float
    accuracy: float  # of three, with the middle in which nothing is said
    f1: float  # macro, of those of the three that the set has
    said: float  # share of the polar texts of which something was said
    said_right: float  # of what was said of any text; nan: nothing was
    angry_right: float  # of what was said to be angry, how much was; nan: nothing was
    angry_found: float  # of what was angry, how much was said to be
    language_right: float  # share whose language was found


def judge_folder(data: Path, weights: Weights | None = None) -> list[ToneRow]:
    """Return a row for each set that is there, then one for each language over all of them."""
    return judge([line for line in read_sets(data) if line.held_out], weights)


def judge(lines: Sequence[Line], weights: Weights | None = None) -> list[ToneRow]:
    """Return the rows of labelled texts, all of which must be held out."""
    assert all(line.held_out for line in lines), "judged on what it was trained on"
    tones = [tone_of(line.text, weights=weights) for line in lines]
    pairs = list(zip(lines, tones, strict=True))

    def row(name: str, language: str, external: bool) -> list[ToneRow]:
        kept = [pair for pair in pairs if pair[0].language == language and name in (pair[0].source, ALL)]
        return [_row(name, language, external, kept)] if kept else []

    return [
        *(
            one
            for source in SOURCES
            for language in (*LANGUAGES, "uk+ru")
            for one in row(source.name, language, source.external)
        ),
        *(one for language in LANGUAGES for one in row(ALL, language, False)),
    ]


def _row(name: str, language: str, external: bool, pairs: Sequence[tuple[Line, Tone]]) -> ToneRow:
    truth = np.array([line.mood for line, _ in pairs])
    told = np.array([_AS_NUMBER[tone.mood] for _, tone in pairs])
    forced = np.array([1 if tone.pleased > tone.angry else -1 for _, tone in pairs])
    polar = truth != 0
    spoken = told != 0
    found = [tone.language in line.language.split("+") for line, tone in pairs]
    return ToneRow(
        name=name,
        language=language,
        external=external,
        texts=len(pairs),
        polar_texts=int(polar.sum()),
        polar_majority=_majority(truth[polar]),
        polar_accuracy=float((forced == truth)[polar].mean()),
        polar_f1=macro_f1(truth[polar], forced[polar]),
        majority=_majority(truth),
        accuracy=float((told == truth).mean()),
        f1=macro_f1(truth, told),
        said=float(spoken[polar].mean()),
        said_right=_share((told == truth)[spoken]),
        angry_right=_share((truth == -1)[told == -1]),
        angry_found=_share((told == -1)[truth == -1]),
        language_right=float(np.mean(found)),
    )


def macro_f1(truth: Ints, told: Ints) -> float:
    """Return the mean F1 of the classes that are in the truth; what is said of a class that is not costs the others."""
    scores = []
    for mood in MOODS:
        if not (there := truth == mood).any():
            continue
        said = told == mood
        scores.append(2 * float((there & said).sum()) / float(there.sum() + said.sum()))
    return float(np.mean(scores))


def _majority(truth: Ints) -> float:
    return max(float((truth == mood).mean()) for mood in MOODS)


def _share(held: NDArray[np.bool_]) -> float:
    return float(held.mean()) if len(held) else float("nan")


def as_text(rows: Sequence[ToneRow]) -> list[str]:
    """Return the table, a line a row."""
    head = (
        f"{'set':14s} {'lang':6s} {'texts':>6s} | {'polar: maj':>10s} {'acc':>5s} {'F1':>5s} | {'three: maj':>10s} "
        f"{'acc':>5s} {'F1':>5s} | {'said':>5s} {'right':>5s} {'angry: right':>12s} {'found':>5s} | {'language':>8s}"
    )
    return [head, *map(_line, rows), "* never trained on any text of the set; said: of angry and pleased texts"]


def as_json(rows: Sequence[ToneRow]) -> list[dict[str, Any]]:
    """Return the rows as plain values; None where there was nothing to count."""
    return [{name: None if _is_none(value) else value for name, value in to_builtins(row).items()} for row in rows]


def _is_none(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def _line(row: ToneRow) -> str:
    name = row.name + ("*" if row.external else "")
    polar = f"{_f(row.polar_majority):>10s} {_f(row.polar_accuracy):>5s} {_f(row.polar_f1):>5s}"
    three = f"{_f(row.majority):>10s} {_f(row.accuracy):>5s} {_f(row.f1):>5s}"
    said = f"{_f(row.said):>5s} {_f(row.said_right):>5s} {_f(row.angry_right):>12s} {_f(row.angry_found):>5s}"
    return f"{name:14s} {row.language:6s} {row.texts:6,d} | {polar} | {three} | {said} | {_f(row.language_right):>8s}"


def _f(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}".replace("0.", ".", 1)
