import pytest

import bench.score
import bench.turn
from actors.programme import compile_programme
from bench.engine import models_cost, order
from bench.main import BENCHES, run
from bench.options import PLAIN, SEASON, Options
from bench.programmes import documents_of, plain
from bench.rounds import Side
from bench.season import told


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


def test_each_side_is_first_in_every_other_round() -> None:
    assert [order("both", n) for n in range(3)] == [("on", "off"), ("off", "on"), ("on", "off")]
    assert order("off", 1) == ("off",)


def test_what_models_cost_is_the_median_of_the_rounds_ratios() -> None:
    on = Side([900.0, 950.0, 400.0], [0.00022, 0.00011, 0.00045], {"host": 0.3}, 1_000)
    off = Side([1_000.0, 1_000.0, 500.0], [0.00020, 0.00010, 0.00030], {"host": 0.2}, 1_000)
    cost = models_cost(on, off)
    assert (cost["cpu_share"], cost["within_limit"]) == (0.1, True)
    assert cost["cpu_share_rounds"] == [0.1, 0.1, 0.5]
    assert cost["events_share"] == -0.1
    assert cost["cpu_ms_per_event"] == {"on": 0.3, "off": 0.2}


def test_the_casino_without_models_is_a_programme_still() -> None:
    documents = documents_of(PLAIN)
    programme = compile_programme(1, documents | bench.score.switched_off(documents))
    assert programme.models is None
    assert compile_programme(2, documents).models is not None


def test_the_plain_programme_is_the_season_without_what_came_with_it() -> None:
    documents = {
        "minigames": {"wheel": {}},
        "levels": {"main": {"levels": [{"id": "a", "at": 0, "benefits": {"host": True}}]}, "vip": {"by": "window"}},
        "missions": {
            "one": {
                "tasks": [],
                "budget": "welcome",
                "rewards": [{"currency": "points", "amount": 1}, {"kind": "spins", "minigame": "wheel"}],
            }
        },
        "settings": {"main": {"timezone": "Europe/Malta", "rollback": {"events": ["bet_placed"]}}},
    }
    assert plain(documents) | {"minigames": None} == {
        "minigames": None,
        "levels": {"main": {"levels": [{"id": "a", "at": 0}]}},
        "missions": {"one": {"tasks": [], "rewards": [{"currency": "points", "amount": 1}]}},
        "settings": {"main": {"timezone": "Europe/Malta"}},
    }


def test_both_programmes_compile_and_have_the_same_missions() -> None:
    without, whole = compile_programme(1, documents_of(PLAIN)), compile_programme(2, documents_of(SEASON))
    assert len(without.rules.missions) == 30
    assert without.rules.missions.keys() == whole.rules.missions.keys()
    assert [system.id for system in without.rules.levels] == ["main"]
    with pytest.raises(ValueError, match="plain or season"):
        documents_of("winter")


def test_what_a_season_costs_is_the_median_of_the_rounds_ratios() -> None:
    sides = {
        PLAIN: Side([1_000.0, 500.0, 1_000.0], [0.001, 0.002, 0.001], {"host": 2.0}, 1_000),
        SEASON: Side([800.0, 450.0, 700.0], [0.0012, 0.0021, 0.002], {"host": 3.0}, 1_000),
    }
    found = told(sides)
    assert found["season_to_plain_rounds"] == [0.8, 0.9, 0.7]
    assert (found["season_to_plain"], found["limit"], found["within_limit"]) == (0.8, 0.75, True)
    assert (found["cpu_share"], found["cpu_ms_per_event"]) == (0.2, {PLAIN: 2.0, SEASON: 3.0})
    sides[SEASON].rates = [700.0, 350.0, 800.0]
    assert told(sides)["within_limit"] is False


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
    assert result["models_cost"]["limit"] == 0.15
