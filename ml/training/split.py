"""Which rows a model learns from, which ones stop and calibrate it, and which judge it: three spans of time, in order.

A label looks ahead, so a row belongs to a span only when its whole horizon does (purge = horizon; López de Prado 2018,
chapter 7). The same player may stand in several spans at different times, as in production.
"""

import numpy as np
from msgspec import Struct

from domain.calendar import DAY_MS
from ml.training.dataset import HEADS, Bools, Rows

TEST_SHARE = 0.35  # of the weekly rows, the newest; that of the published figures
CHECK_DAYS_MAX = 70
CHECK_SHARE = 0.25  # of the time before the test
ROWS_MIN, CHECK_MIN = 500, 200  # ripe labels without which a head is left out
EACH_MIN = 40  # of either answer


class NotEnough(ValueError):
    """The log is too short, or too little happens in it."""


class Split(Struct, frozen=True):
    """Where one span ends and the next begins, in ms."""

    check_at: int
    test_at: int

    def fit(self, rows: Rows) -> Bools:
        """Return (N, H): which labels the net is fitted on."""
        return self._ended(rows, self.check_at)

    def check(self, rows: Rows) -> Bools:
        """Return (N, H): which labels stop the fit and calibrate it."""
        return (rows.at >= self.check_at)[:, None] & self._ended(rows, self.test_at)

    def test(self, rows: Rows) -> Bools:
        """Return (N, H): which labels judge."""
        return (rows.at >= self.test_at)[:, None] & rows.ripe

    @staticmethod
    def _ended(rows: Rows, at: int) -> Bools:
        horizons = np.array([head.days * DAY_MS for head in HEADS])  # (H,)
        ended: Bools = (rows.at[:, None] + horizons[None, :] <= at) & rows.ripe
        return ended


def split_of(rows: Rows, test_share: float = TEST_SHARE, *, test_from: int = 0) -> Split:
    """Return the split that leaves the newest ``test_share`` of the weekly rows to the test.

    Args:
        test_from: ms; no row before it is to judge, though the test were larger with them.

    Raises:
        NotEnough: there are no rows.
    """
    weekly = rows.at[rows.weekly]
    if not len(weekly):
        raise NotEnough("the log spans less than five weeks, or nobody stayed in it; at least ten weeks are needed")
    return _split_at(rows, max(test_from, int(np.quantile(weekly, 1 - test_share, method="higher"))))


def whole(rows: Rows, end: int) -> Split:
    """Return the split that learns from all rows of a log that ends at ``end``: nothing is left to judge."""
    return _split_at(rows, end + 1)


def _split_at(rows: Rows, test_at: int) -> Split:
    before = test_at - int(rows.at[0])
    return Split(test_at - min(CHECK_DAYS_MAX * DAY_MS, int(before * CHECK_SHARE)), test_at)


def lacking(rows: Rows, split: Split, *, judged: bool = True) -> dict[str, str]:
    """Return the heads that cannot be learnt from these rows, each with the reason.

    Args:
        judged: Whether a test span is needed too.
    """
    reasons: dict[str, str] = {}
    spans = [("fit", split.fit(rows), ROWS_MIN), ("check", split.check(rows), CHECK_MIN)]
    spans += [("test", split.test(rows), CHECK_MIN)] if judged else []
    for number, head in enumerate(HEADS):
        for span, mask, least in spans:
            label = rows.label[mask[:, number], number]
            positive = int(np.count_nonzero(label))
            if len(label) < least:
                reasons[head.name] = f"{len(label):,} ripe labels to {span} it, {least:,} are needed"
            elif min(positive, len(label) - positive) < EACH_MIN:
                reasons[head.name] = f"{positive:,} of {len(label):,} labels to {span} it are above 0"
            else:
                continue
            break
    return reasons
