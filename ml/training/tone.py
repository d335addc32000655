"""Trains the tone of texts: logistic regression on hashed runs of characters, then one byte a weight.

``python -m ml.training.tone --data DIR`` writes the weights that ship with the package, and what they were made of. One
thread, fixed seeds and splits: the same data make the same bytes. Minutes on a laptop; nothing that serves imports it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from ml.tone.reading import BITS, FORMAT, LETTER_BITS, Buckets, buckets, letters, read, runs_of
from ml.tone.weights import SHIPPED, Head, Table, Weights, dump
from ml.training.tone_least import PRECISION_MIN, least
from ml.training.tone_sets import SOURCES, Line, fingerprint, path_of, read_sets

VERSION = 1
OWN_WEIGHT = 5.0  # of a line of ours against one of a public set: they are few, and the only ones about play and money
STRENGTH = 10.0  # inverse of the ridge; 3, 10 and 30 were tried, 10 reads support lines best
TEXTS_MIN = 2  # a bucket of fewer texts weighs nothing: the file is smaller and the scores are the same
FOLDS = 3
_PIECES = (0, 12, 30)  # characters of the beginnings of which languages are learnt too; 0: all

Floats = NDArray[np.float64]


def train(lines: Sequence[Line], trained_on: dict[str, Any], *, version: int = VERSION) -> Weights:
    """Return weights learnt from the texts that are not held out."""
    kept = [line for line in lines if not line.held_out]
    texts = [read(line.text) for line in kept]
    moods = np.array([line.mood for line in kept])
    shares = np.array([OWN_WEIGHT if line.source == "own lines" else 1.0 for line in kept])
    x = _matrix([buckets(text, runs_of(text)) for text in texts], BITS)
    x, importance = _weighted(x)
    columns = np.flatnonzero(importance)  # of 2 ** BITS most are of no text: a fit need not know of them
    x, importance = x[:, columns], importance[columns]
    negative, angry_table = _fit(x, moods == -1, shares, importance, columns)
    positive, pleased_table = _fit(x, moods == 1, shares, importance, columns)
    ukrainian, language_table = _fit_language(kept)
    head = Head(
        version=version,
        format=FORMAT,
        negative=angry_table,
        positive=pleased_table,
        ukrainian=language_table,
        negative_min=least(_model, x, moods == -1, shares, FOLDS),
        positive_min=least(_model, x, moods == 1, shares, FOLDS),
        trained_on=trained_on,
    )
    return Weights(head, np.concatenate([negative, positive, ukrainian]))


def _matrix(found: Sequence[Buckets], bits: int) -> csr_matrix:
    """Return (texts, 2 ** bits): 1 / sqrt(n) in each of a text's n buckets, so long texts weigh as short ones."""
    ends = np.cumsum([0, *map(len, found)])
    values = np.concatenate([np.full(len(one), 1 / np.sqrt(max(1, len(one)))) for one in found])
    return csr_matrix((values, np.concatenate(found), ends), shape=(len(found), 1 << bits))


def _weighted(x: csr_matrix) -> tuple[csr_matrix, Floats]:
    """Return the matrix and what each bucket counts in it: the root of its inverse document frequency.

    The root is baked into the weights, so a turn knows nothing of it. All of the frequency read support lines no better
    and named fewer angry texts; none of it named more that were not.
    """
    texts = np.bincount(x.indices, minlength=x.shape[1])
    rarity = np.log((1 + x.shape[0]) / (1 + texts))
    importance = np.where(texts >= TEXTS_MIN, np.sqrt(rarity / rarity[texts > 0].mean()), 0.0)
    return (x @ diags(importance)).tocsr(), importance


def _model(x: csr_matrix, is_so: NDArray[np.bool_], shares: Floats) -> LogisticRegression:
    model = LogisticRegression(C=STRENGTH, solver="liblinear", tol=1e-3, max_iter=200, random_state=0)
    return model.fit(x, is_so, sample_weight=shares)


def _fit(
    x: csr_matrix, is_so: NDArray[np.bool_], shares: Floats, importance: Floats, columns: NDArray[np.intp]
) -> tuple[NDArray[np.int8], Table]:
    model = _model(x, is_so, shares)
    weights = np.zeros(1 << BITS)
    weights[columns] = model.coef_[0] * importance
    return _in_bytes(weights, float(model.intercept_[0]))


def _in_bytes(weights: Floats, bias: float) -> tuple[NDArray[np.int8], Table]:
    """Return weights as whole numbers of -127..127 and the step between two of them."""
    step = float(np.abs(weights).max()) / 127 or 1.0
    return np.rint(weights / step).astype(np.int8), Table(step, bias)


def _fit_language(lines: Sequence[Line]) -> tuple[NDArray[np.int8], Table]:
    """Learn Ukrainian against Russian, of beginnings too: a message to support may be two words."""
    known = [line for line in lines if line.language in ("uk", "ru")]
    texts = [read(line.text[:piece] if piece else line.text) for piece in _PIECES for line in known]
    is_ukrainian = np.array([line.language == "uk" for line in known] * len(_PIECES))
    shares = np.where(is_ukrainian, 0.5 / is_ukrainian.mean(), 0.5 / (1 - is_ukrainian.mean()))  # neither is likelier
    model = _model(_matrix([letters(runs_of(text)) for text in texts], LETTER_BITS), is_ukrainian, shares)
    return _in_bytes(model.coef_[0], float(model.intercept_[0]))


def sources_of(lines: Sequence[Line], data: Path) -> dict[str, Any]:
    """Return what is to be kept with the weights of where they come from."""
    counts = {
        source.name: sum(line.source == source.name and not line.held_out for line in lines) for source in SOURCES
    }
    return {
        source.name: {
            "texts": counts[source.name],
            "about": source.about,
            "terms": source.terms,
            "sha256": fingerprint(path_of(source, data)),
        }
        for source in SOURCES
        if counts[source.name]
    }


def card(weights: Weights) -> str:
    """Return the page that lies beside the weights."""
    head = weights.head
    rows = [
        f"| {name} | {one['texts']:,} | {one['about']} | {one['terms']} | `{one['sha256']}` |"
        for name, one in head.trained_on.items()
    ]
    return "\n".join(
        (
            f"# Tone, weights {head.version}",
            "",
            "Made by `python -m ml.training.tone --data DIR` of the sets below; a quarter of each public one was held",
            "out by a hash of the text. The texts themselves are not in the file: it has one byte for each of 2^18",
            "hashed runs of characters.",
            "",
            "| set | texts | what | terms | SHA-256, first 16 |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Sentiment Labelled Sentences is CC BY 4.0 and asks that its authors are named: Kotzias, Denil, de",
            'Freitas, Smyth, "From Group to Individual Labels using Deep Features", KDD 2015. Nothing is share-alike.',
            "",
            f"It says negative from a probability of {head.negative_min} and positive from {head.positive_min}: there",
            f"{PRECISION_MIN:.0%} of what it said of texts left out of the fit was so. Between, it says nothing.",
            "",
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write weights and card."""
    parser = argparse.ArgumentParser(description="Train the tone of texts")
    parser.add_argument("--data", type=Path, required=True, help="folder with the public sets")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    asked = parser.parse_args(arguments)
    lines = read_sets(asked.data)
    weights = train(lines, sources_of(lines, asked.data))
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "tone.weights").write_bytes(dump(weights))
    (asked.out / "SOURCE.md").write_text(card(weights), encoding="utf-8")
    print(msgspec.json.format(msgspec.json.encode(weights.head)).decode())  # noqa: T201


if __name__ == "__main__":
    main()
