"""Rows to learn from: what was known of a player at an instant, and what the player did after it.

A log is replayed through ``ml.features``, the very functions of a turn, so a row holds what a turn would have had. Rows
are taken at two kinds of instants, both chosen without looking at what came later:

- **weekly cuts**: every seven days, of every player with a signal in the 28 days before. What published studies do.
- **moments**: right after the first signal of a session, a share of them drawn by a hash. This is when a turn scores,
  and a weekly cut almost never meets a player in the middle of a session.

A player is gone for h days when no session begins within h days: the rest of the present one is no return. Labels look
ahead as far as their horizon; where the log ends earlier the label is not ``ripe``, and is not used.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from zlib import crc32

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domain.calendar import DAY_MS
from domain.features import Features
from ml.features import NAMES, SESSION_GAP_MS, Signal, opened_session, update, vector
from ml.net import Head
from ml.training.log import Log

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Progress = Callable[[float], None]  # the share that is done

WEEK_MS = 7 * DAY_MS
LOOK_BACK_DAYS = 28  # of a weekly cut: whoever has been silent for longer is nobody's question any more
WARM_UP_WEEKS = 4  # no cut before: everybody would look new
MOMENT_SHARE = 0.5  # of sessions
ROWS_MAX = 400_000  # 128 MB of vectors; of a longer log whole players are left out, by a hash
HEADS = (
    Head("churn_7d", "logit", 7),
    Head("churn_14d", "logit", 14),
    Head("churn_28d", "logit", 28),
    Head("purchase_7d", "logit", 7),
    Head("engagement", "count", 7),
)
_MONEY_IN = frozenset(("purchase", "deposit"))


class Rows(Struct, frozen=True):
    """N rows in order of time, H labels each."""

    player: Ints  # (N,) numbered by first appearance in the log
    at: Ints  # (N,) ms
    weekly: Bools  # (N,) a weekly cut; else a moment
    idle_ms: Ints  # (N,) since the newest signal
    seen: Ints  # (N,) signals so far
    vector: Floats  # (N, F) as ``ml.features.vector`` gives it
    label: Floats  # (N, H) of ``HEADS``
    ripe: Bools  # (N, H) the log goes on for the whole horizon

    def __len__(self) -> int:
        """How many rows."""
        return len(self.at)

    def where(self, which: Bools) -> "Rows":
        """Return some of the rows."""
        return Rows(
            self.player[which], self.at[which], self.weekly[which], self.idle_ms[which], self.seen[which],
            self.vector[which], self.label[which], self.ripe[which],
        )  # fmt: skip


class _Taken(Struct):
    """Rows as they are collected."""

    player: list[int] = []
    at: list[int] = []
    weekly: list[bool] = []
    idle_ms: list[int] = []
    seen: list[int] = []
    vector: list[tuple[float, ...]] = []

    def take(self, player: int, at: int, state: Features, gap_ms: int, *, weekly: bool) -> None:
        """Add what is known of a player now."""
        self.player.append(player)
        self.at.append(at)
        self.weekly.append(weekly)
        self.idle_ms.append(at - state.last_at)
        self.seen.append(state.events)
        self.vector.append(vector(state, at, gap_ms=gap_ms))


def rows_of(
    log: Log,
    *,
    gap_ms: int = SESSION_GAP_MS,
    moment_share: float = MOMENT_SHARE,
    rows_max: int = ROWS_MAX,
    progress: Progress = lambda _share: None,
) -> Rows:
    """Replay a log and take rows.

    Args:
        moment_share: Of the beginnings of sessions, how many become rows; 0: weekly cuts only.
    """
    numbers = {player: number for number, player in enumerate(dict.fromkeys(log.player))}
    kept = _kept(log, rows_max)
    taken, behind = _Taken(), _Ahead(len(numbers))
    states: dict[int, Features] = {}
    cuts = _cuts(log)
    cut = next(cuts, None)
    for done, (name, at, kind, amount, game) in enumerate(log.rows()):
        while cut is not None and at >= cut:
            _take_cut(states, cut, gap_ms, taken)
            cut = next(cuts, None)
        if done % 10_000 == 0:
            progress(done / len(log))
        if not kept(name):
            continue
        player = numbers[name]
        before = states.get(player, Features())
        after = update(before, Signal(kind, amount, game), at, gap_ms=gap_ms)  # type: ignore[arg-type]
        states[player] = after
        if opened_session(before, after):
            behind.sessions[player].append(at)
            if _drawn(f"{name}\n{at}", moment_share):
                taken.take(player, at, after, gap_ms, weekly=False)
        if kind in _MONEY_IN:
            behind.payments[player].append(at)
    progress(1.0)
    return behind.labelled(taken, log.at[-1] if log.at else 0)


def _take_cut(states: dict[int, Features], cut: int, gap_ms: int, taken: _Taken) -> None:
    """Take a row of everybody who was there in the last weeks; forget no one, they may return."""
    since = cut - LOOK_BACK_DAYS * DAY_MS
    for player, state in states.items():
        if state.last_at >= since:
            taken.take(player, cut, state, gap_ms, weekly=True)


def _cuts(log: Log) -> Iterator[int]:
    """Yield the weekly instants, from the fifth week on."""
    if log.at:
        yield from range(log.at[0] + WARM_UP_WEEKS * WEEK_MS, log.at[-1] + 1, WEEK_MS)


class _Ahead:
    """What every player did, to look ahead from a row."""

    def __init__(self, players: int) -> None:
        self.sessions: list[list[int]] = [[] for _ in range(players)]  # when each began, ascending
        self.payments: list[list[int]] = [[] for _ in range(players)]

    def labelled(self, taken: _Taken, end: int) -> Rows:
        """Return the rows with their labels. ``end`` is the last instant that the log tells of."""
        count = len(taken.at)
        label = np.zeros((count, len(HEADS)))
        for row, (player, at, weekly) in enumerate(zip(taken.player, taken.at, taken.weekly, strict=True)):
            # A cut stands before what happens at its own instant, a moment after it.
            label[row] = self._label(player, at - 1 if weekly else at)
        at_ = np.array(taken.at, dtype=np.int64)
        horizons = np.array([head.days * DAY_MS for head in HEADS])  # (H,)
        order = np.argsort(at_, kind="stable")
        return Rows(
            player=np.array(taken.player, dtype=np.int64),
            at=at_,
            weekly=np.array(taken.weekly, dtype=np.bool_),
            idle_ms=np.array(taken.idle_ms, dtype=np.int64),
            seen=np.array(taken.seen, dtype=np.int64),
            vector=np.array(taken.vector, dtype=np.float64).reshape(count, len(NAMES)),
            label=label,
            ripe=at_[:, None] + horizons[None, :] <= end,
        ).where(order)  # type: ignore[arg-type]

    def _label(self, player: int, at: int) -> list[float]:
        """Return the labels of the time after ``at``."""
        sessions, payments = self.sessions[player], self.payments[player]
        first = bisect_right(sessions, at)
        back = sessions[first] - at if first < len(sessions) else None
        told: list[float] = []
        for head in HEADS:
            horizon = head.days * DAY_MS
            if head.kind == "count":
                ends = bisect_right(sessions, at + horizon)
                told.append(float(len({(began - at - 1) // DAY_MS for began in sessions[first:ends]})))
            elif head.name == "purchase_7d":
                told.append(float(bisect_right(payments, at + horizon) > bisect_right(payments, at)))
            else:
                told.append(float(back is None or back > horizon))
        return told


def _kept(log: Log, rows_max: int) -> Callable[[int | str], bool]:
    """Return which players are looked at, so that there will be about ``rows_max`` rows at most.

    A week with a signal leads to a cut in each of the four weeks after it at most.
    """
    weeks = len({(player, at // WEEK_MS) for player, at in zip(log.player, log.at, strict=True)})
    expected = weeks * (LOOK_BACK_DAYS // 7 + 2)
    share = min(1.0, rows_max / max(1, expected))
    return lambda player: share >= 1.0 or _drawn(str(player), share)


def _drawn(text: str, share: float) -> bool:
    """Draw by a hash: the same text, the same answer, whatever else there is."""
    return crc32(text.encode()) < share * 2**32
