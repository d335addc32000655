import pytest

import bench.score
import bench.turn
from bench.main import BENCHES, run
from bench.options import Options


def test_options_ignore_what_a_bench_does_not_know() -> None:
    assert Options.of({"seconds": 2.0, "json": True, "rounds": None}) == Options(seconds=2.0)
    assert Options.of(None) == Options()


def test_every_bench_is_a_module_with_a_run() -> None:
    import importlib

    assert all(callable(importlib.import_module(f"bench.{name}").run) for name in BENCHES)
    with pytest.raises(KeyError):
        run("nothing", {})


def test_the_turn_bench_reports_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.turn, "machine", lambda _options: {})
    result = run("turn", {"rounds": 1, "quiet": True})
    assert result["us_per_event"] > 0
    assert result["missions"] == 30


def test_the_score_bench_times_each_part_beside_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.score, "machine", lambda _options: {})
    monkeypatch.setattr(bench.score, "PLAYERS", 3)
    result = run("score", {"rounds": 1, "quiet": True})
    assert 0 < result["us_state"]["p50"] <= result["us_per_event"]["p99"]
    assert 0 < result["scored_share"] < 0.5
    assert result["us_limit"] == {"p50": 20.0, "p99": 60.0}
    assert result["within_limit"] is (result["us_per_event"]["p50"] <= 20 and result["us_per_event"]["p99"] <= 60)
    assert result["bytes_features"] < 900


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(240)
def test_the_engine_bench_finds_every_event_applied_once() -> None:
    """The whole tree with tiny numbers: the ratio means nothing here, the counts do."""
    result = run("engine", {"seconds": 0.3, "rounds": 1, "players": 100, "quiet": True})
    assert result["events_per_s"] > 0
    assert result["bare_events_per_s"] > 0
    assert (result["lost"], result["doubled"], result["out_of_order"]) == (0, 0, 0)
    assert result["ledger_difference"] == 0
    assert result["problems"] == []
