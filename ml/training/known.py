"""What a model remembers of the players it was made of, for whoever watches them drift (``ml.watch.drift``)."""

from msgspec import UNSET, UnsetType, structs

from ml.features import NAMES
from ml.net import Artefact, Model
from ml.training.dataset import WEEK_MS, Floats, Rows
from ml.watch.drift import Reference, reference_of

KNOWN_WEEKS = 8  # of the log's end


def known_of(artefact: Artefact, rows: Rows, trust: float) -> Reference | UnsetType:
    """Return what the players of the log's last weeks looked like, and their scores.

    Of another platform's players it is left out: that one's own differ from them is no news.
    """
    if trust < 1:
        return UNSET
    last = _last(rows)
    columns = {name: last[:, at] for at, name in enumerate(NAMES)}
    return reference_of(int(rows.at[-1]), columns | _scores(artefact, last))


def rescored(artefact: Artefact, rows: Rows) -> Reference | UnsetType:
    """Return what a model remembers once it is calibrated again: the same features, scores of the newest rows."""
    if not artefact.known:
        return UNSET
    scores = reference_of(artefact.known.at, _scores(artefact, _last(rows)))
    return structs.replace(artefact.known, columns=artefact.known.columns | scores.columns)


def _last(rows: Rows) -> Floats:
    """Return the features (N, F) of the weekly rows of the last weeks."""
    last: Floats = rows.vector[rows.weekly & (rows.at > rows.at[-1] - KNOWN_WEEKS * WEEK_MS)]
    return last


def _scores(artefact: Artefact, vectors: Floats) -> dict[str, Floats]:
    told = Model(artefact).predict(vectors)  # (N, H)
    return {f"scores.{head.name}": told[:, at] for at, head in enumerate(artefact.heads)}
