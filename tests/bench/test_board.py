"""The bench of boards, small: it writes, reads beside a writer, and says what it found."""

import pytest

import bench.board
from bench.main import run


@pytest.mark.slow
def test_the_board_bench_writes_and_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.board, "machine", lambda _options: {})
    result = run("board", {"rounds": 1, "seconds": 0.5, "players": 100, "quiet": True})
    assert result["entrants"] == 100 * bench.board.ENTRANTS_EACH
    assert result["rows_per_s"] > 0
    assert result["ratio_to_bare"] > 0
    for read in ("rank_alone", "bare_rank_alone", "rank", "bare_rank", "top", "rank_at_full_speed"):
        assert 0 < result[read]["p50_ms"] <= result[read]["p99_ms"] <= result[read]["max_ms"]
    assert result["within_goal"] is (result["rank_alone"]["p99_ms"] < result["goal_ms"])
