"""The table of patterns as it is printed."""

import pytest

from playtower.pattern_table import print_patterns
from tests.ml.test_evaluation_patterns import report


def test_every_detector_and_every_change_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_patterns(report(), 108)
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("│")]
    assert len(rows) == sum(len(line.seen) for line in report().lines)
    for line in report().lines:
        assert line.detector in printed, "a name was cut"
    assert "100%" in printed
    assert "…" not in printed
    assert "12 players, 360 sessions" in printed
