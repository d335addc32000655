"""Rows to be judged: what was known of a player at a moment, and whether he came back after it.

A vector is folded from the signals strictly before the moment by the product's own ``ml.features``; the outcome is read
from the signals at and after it. Nothing else crosses the line, in either direction (``tests/ml`` shuffles the
future and looks for a change).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from domain.features import Features
from ml.evaluation.metrics import Floats, Ints
from ml.features import Signal, update, vector
from ml.training.log import Log

DAY_MS = 86_400_000

Moments = Callable[[int], Sequence[int]]  # a player's first ms -> the moments at which he is looked at, ascending


class Question(Struct, frozen=True):
    """What is asked at every moment, and of whom."""

    horizon_d: int  # gone: no signal in so many days
    active_d: int = 0  # asked only of who was there within so many days before; 0: of all
    signals_min: int = 1  # asked only of who left so many signals before


class Rows(Struct, frozen=True):
    """n moments of players."""

    player: Ints  # (n,) number of the player within the log
    at: Ints  # (n,) ms, the moment
    vector: Floats  # (n, F) as ``ml.features.NAMES``
    gone: Floats  # (n,) 1.0: no signal within the horizon
    recency_d: Floats  # (n,) days since the last signal
    history: Floats  # (n, 3) for BG/NBD: days with a signal after the first, age at the last one, age; in days

    def __len__(self) -> int:
        """How many."""
        return len(self.at)

    def where(self, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> "Rows":
        """Return the rows of a mask (n,)."""
        return Rows(*(getattr(self, name)[mask] for name in self.__struct_fields__))


def rows_of(log: Log, moments: Moments, question: Question) -> Rows:
    """Look at every player of a log at the moments given, in order of players, then of moments."""
    horizon_ms, active_ms = question.horizon_d * DAY_MS, question.active_d * DAY_MS
    found: list[tuple[int, int, tuple[float, ...], float, float, tuple[float, float, float]]] = []
    for number, (times, signals) in enumerate(_players(log)):
        state, folded = Features(), 0
        for at in moments(times[0]):
            known = bisect_left(times, at)
            if known < question.signals_min or (active_ms and times[known - 1] < at - active_ms):
                continue
            for i in range(folded, known):
                state = update(state, signals[i], times[i])
            folded = known
            gone = bisect_left(times, at + horizon_ms, known) == known
            since = (at - times[known - 1]) / DAY_MS
            found.append((number, at, vector(state, at), float(gone), since, _history(times[:known], at)))
    if not found:
        raise ValueError("nobody was there at these moments")
    player, moment, seen, gone_, recency, history = zip(*found, strict=True)
    return Rows(
        player=np.array(player, np.int64),
        at=np.array(moment, np.int64),
        vector=np.array(seen, np.float64),
        gone=np.array(gone_, np.float64),
        recency_d=np.array(recency, np.float64),
        history=np.array(history, np.float64),
    )


def _players(log: Log) -> Iterator[tuple[list[int], list[Signal]]]:
    """Yield each player's times and signals, in order of the first signal."""
    of: dict[int | str, tuple[list[int], list[Signal]]] = {}
    for player, at, kind, amount, game in log.rows():
        times, signals = of.setdefault(player, ([], []))
        times.append(at)
        signals.append(Signal(kind, amount, game))  # type: ignore[arg-type]  # ``log_of`` knows the kinds
    return iter(of.values())


def _history(times: Sequence[int], at: int) -> tuple[float, float, float]:
    """Count days, not signals: two invoices of one afternoon are one decision to buy.

    Age ends with the last day of which something was seen: at midnight that is the day that is over.
    """
    days = {time // DAY_MS for time in times}
    first = times[0] // DAY_MS
    return float(len(days) - 1), float(max(days) - first), float((at - 1) // DAY_MS - first)
