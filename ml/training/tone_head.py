"""Trains the head that reads tone by sentence embeddings: two logistic regressions on 384 numbers.

``python -m ml.training.tone_head --data DIR`` writes ``ml/tone/shipped/embedded.json``, with the extras ``tone`` and
``train``. Of each public set it takes at most ``--most`` texts, those of the smallest hash: same data, same file.
"""

import argparse
import importlib
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ml.tone.embedded import PACKAGE, SHIPPED, SIZE, Embed, Head, shortened
from ml.training.tone_least import least
from ml.training.tone_sets import SOURCES, Line, fingerprint, path_of, read_sets

VERSION = 1
OWN_WEIGHT = 5.0  # as in ``ml.training.tone``
STRENGTH = 10.0
FOLDS = 5
MOST = 500

Floats = NDArray[np.float64]


def chosen(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the texts that are trained on: of ours all, of each other set at most so many."""
    kept: list[Line] = []
    for source in SOURCES:
        of_it = [line for line in lines if line.source == source.name and not line.held_out]
        of_it.sort(key=lambda line: (crc32(line.text.encode()), line.text))
        kept += of_it if source.name == "own lines" else of_it[:most]
    return kept


def train(lines: Sequence[Line], vectors: Floats, trained_on: dict[str, Any], network: str) -> Head:
    """Return the head learnt from texts and their embeddings.

    Args:
        vectors: (texts, SIZE), of the same order.
    """
    assert vectors.shape == (len(lines), SIZE), vectors.shape
    moods = np.array([line.mood for line in lines])
    shares = np.array([OWN_WEIGHT if line.source == "own lines" else 1.0 for line in lines])
    negative, positive = _model(vectors, moods == -1, shares), _model(vectors, moods == 1, shares)
    return Head(
        VERSION,
        network,
        _weights(negative),
        round(float(negative.intercept_[0]), 6),
        least(_model, vectors, moods == -1, shares, FOLDS),
        _weights(positive),
        round(float(positive.intercept_[0]), 6),
        least(_model, vectors, moods == 1, shares, FOLDS),
        trained_on,
    )


def embedded(lines: Sequence[Line], network: Embed) -> Floats:
    """Return (texts, SIZE) embeddings; some ten milliseconds a text."""
    return np.array([network.query(shortened(line.text)) for line in lines], dtype=np.float64)


def _model(x: Floats, is_so: NDArray[np.bool_], shares: Floats) -> LogisticRegression:
    model = LogisticRegression(C=STRENGTH, max_iter=2_000, random_state=0)
    return model.fit(x, is_so, sample_weight=shares)


def _weights(model: LogisticRegression) -> tuple[float, ...]:
    return tuple(round(float(weight), 5) for weight in model.coef_[0])


def main() -> None:
    """Train and write the shipped head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder that has the public sets")
    parser.add_argument("--most", type=int, default=MOST, help="texts of each public set")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    lines = chosen(read_sets(options.data), options.most)
    used = {line.source for line in lines}
    trained_on = {
        source.name: {
            "texts": sum(line.source == source.name for line in lines),
            "terms": source.terms,
            "fingerprint": fingerprint(path_of(source, options.data)),
        }
        for source in SOURCES
        if source.name in used
    }
    vectors = embedded(lines, importlib.import_module(PACKAGE))
    head = train(lines, vectors, trained_on, f"{PACKAGE} {version_of(PACKAGE)}")
    options.out.write_bytes(msgspec.json.encode(head, order="sorted") + b"\n")


if __name__ == "__main__":
    main()
