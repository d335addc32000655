"""The table of volumes as it is printed."""

import pytest

from playtower.evaluate import WIDTH_MIN
from playtower.volume_table import print_volumes
from tests.ml.test_evaluation_volumes import report


def test_all_that_was_planted_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_volumes([report()], WIDTH_MIN)
    printed = capsys.readouterr().out
    assert len([line for line in printed.splitlines() if line.startswith("│")]) == len(report().seen)
    for seen in report().seen:
        assert seen.planted in printed, "a name was cut"
    assert "…" not in printed
    assert "100%" in printed
