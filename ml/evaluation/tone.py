"""How well tone is read, by set and language: texts that were held out, and sets that were never trained on.

Each row has the majority beside it. "Polar" asks of texts that are angry or pleased which of both they are, and it
must answer. "Three" lets it say neither, as it does in a turn, and judges all texts. "Said" is of what it said in a
turn: how much of it held, and how much there was to say.
"""

import importlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from msgspec import Struct, to_builtins
from numpy.typing import NDArray

from ml.evaluation.bootstrap import Interval, interval
from ml.tone import LANGUAGES, Tone, Weights, tone_of
from ml.tone.embedded import PACKAGE, shortened
from ml.tone.embedded import shipped as shipped_head
from ml.training.tone_sets import SOURCES, Line, read_sets

Ints = NDArray[np.int64]
MOODS = (-1, 0, 1)
DRAWS = 300
EMBEDDED_MOST = 450  # texts of a set: some ten milliseconds each
SEED = 7
_WIDTHS = (14, 5, 5, 18, 13, 18, 13, 5, 5, 12, 5, 8)
_NOWHERE = Path("/nonexistent")
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
    polar_f1_interval: Interval  # texts resampled
    majority: float
    accuracy: float  # of three, with the middle in which nothing is said
    f1: float  # macro, of those of the three that the set has
    f1_interval: Interval
    said: float  # share of the polar texts of which something was said
    said_right: float  # of what was said of any text; nan: nothing was
    angry_right: float  # of what was said to be angry, how much was; nan: nothing was
    angry_found: float  # of what was angry, how much was said to be
    language_right: float  # share whose language was found


Reader = Callable[[str], Tone]


def judge_folder(data: Path | None, draws: int = DRAWS, *, read: Reader = tone_of, most: int = 0) -> list[ToneRow]:
    """Return a row for each set that is there, then one for each language over all of them.

    Args:
        data: The folder that has the public sets; None: only the lines that are part of the package.
        most: Texts of each set, those of the smallest hash; 0: all.
    """
    lines = [line for line in read_sets(data or _NOWHERE) if line.held_out]
    return judge(_some(lines, most) if most else lines, draws, read=read)


def judge(
    lines: Sequence[Line], draws: int = DRAWS, *, weights: Weights | None = None, read: Reader = tone_of
) -> list[ToneRow]:
    """Return the rows of labelled texts, all of which must be held out."""
    assert all(line.held_out for line in lines), "judged on what it was trained on"
    tones = [read(line.text) if weights is None else tone_of(line.text, weights=weights) for line in lines]
    pairs = list(zip(lines, tones, strict=True))

    def row(name: str, language: str, external: bool) -> list[ToneRow]:
        kept = [pair for pair in pairs if pair[0].language == language and name in (pair[0].source, ALL)]
        return [_row(name, language, external, kept, draws)] if kept else []

    return [
        *(
            one
            for source in SOURCES
            for language in (*LANGUAGES, "uk+ru")
            for one in row(source.name, language, source.external)
        ),
        *(one for language in LANGUAGES for one in row(ALL, language, False)),
    ]


def embedded_reader() -> Reader | None:
    """Return what reads by sentence embeddings as ``ml.tone.worker`` does; None without the extra ``tone``."""
    if find_spec(PACKAGE) is None:
        return None
    network, head = importlib.import_module(PACKAGE), shipped_head()

    def read(text: str) -> Tone:
        vector = network.query(shortened(text))
        angry, pleased = head.chances(vector)
        said = head.judged(vector)
        clear = said.get("confidence", round(1 - max(angry, pleased), 4))
        return Tone(tone_of(text).language, said.get("mood", ""), clear, angry, pleased, head.version)

    return read


def _some(lines: Sequence[Line], most: int) -> list[Line]:
    by_hash = sorted(lines, key=lambda line: (crc32(line.text.encode()), line.text))
    kept: dict[str, list[Line]] = {}
    for line in by_hash:
        of_it = kept.setdefault(line.source, [])
        if len(of_it) < most:
            of_it.append(line)
    return [line for of_it in kept.values() for line in of_it]


def _row(name: str, language: str, external: bool, pairs: Sequence[tuple[Line, Tone]], draws: int) -> ToneRow:
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
        polar_f1_interval=_interval(truth[polar], forced[polar], draws),
        majority=_majority(truth),
        accuracy=float((told == truth).mean()),
        f1=macro_f1(truth, told),
        f1_interval=_interval(truth, told, draws),
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


def _interval(truth: Ints, told: Ints, draws: int) -> Interval:
    rng = np.random.default_rng(SEED)
    return interval(
        [macro_f1(truth[drawn], told[drawn]) for drawn in rng.integers(len(truth), size=(draws, len(truth)))]
    )


def _majority(truth: Ints) -> float:
    return max(float((truth == mood).mean()) for mood in MOODS)


def _share(held: NDArray[np.bool_]) -> float:
    return float(held.mean()) if len(held) else float("nan")


def as_json(rows: Sequence[ToneRow]) -> list[dict[str, Any]]:
    """Return the rows as plain values; None where there was nothing to count."""
    return [{name: None if value != value else value for name, value in to_builtins(row).items()} for row in rows]


def as_text(rows: Sequence[ToneRow]) -> list[str]:
    """Return the table, a line a row; accuracy only ever stands beside the constant's."""
    head = _cells(
        *("set", "lang", "texts", "polar: F1", "acc (const)", "three: F1", "acc (const)"),
        *("said", "right", "angry: right", "found", "language"),
    )
    legend = (
        "polar: of angry and pleased texts, which of both; three: or neither, as in a turn. F1 is the mean of the",
        "classes, with 95 % of resampled texts; const: what the commonest answer alone gets. said: of how many angry",
        "and pleased texts it said something, then how much of what it said was right. * never trained on that set",
    )
    return [head, *map(_line, rows), *legend]


def _line(row: ToneRow) -> str:
    return _cells(
        row.name + ("*" if row.external else ""),
        row.language,
        f"{row.texts:,}",
        _between(row.polar_f1, row.polar_f1_interval),
        f"{_f(row.polar_accuracy)} ({_f(row.polar_majority)})",
        _between(row.f1, row.f1_interval),
        f"{_f(row.accuracy)} ({_f(row.majority)})",
        *map(_f, (row.said, row.said_right, row.angry_right, row.angry_found, row.language_right)),
    )


def _cells(*cells: str) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _between(value: float, around: Interval) -> str:
    return f"{_f(value)} [{_f(around.low)} {_f(around.high)}]"


def _f(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}".replace("0.", ".", 1)
