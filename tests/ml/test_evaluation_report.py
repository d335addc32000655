"""The tables: who is in them, what is beside what, and the command that prints them."""

import json
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("lightgbm", reason="the extra `train` is not installed")

from ml.evaluation.baselines import MAJORITY, models
from ml.evaluation.contenders import contenders, has_seen, shipped_net
from ml.evaluation.metrics import Floats
from ml.evaluation.report import NET, SHIPPED, TaskReport, as_json, judge
from ml.evaluation.rows import Rows
from ml.evaluation.tasks import Task
from playtower.cli import app
from playtower.evaluate import print_report


def rows(seed: int, players: int) -> Rows:
    """Rows of an invented shop: who has long been away is gone, one in five for no reason at all."""
    rng = np.random.default_rng(seed)
    away = rng.exponential(20, players)
    gone = np.where(rng.random(players) < 0.2, rng.random(players) < 0.5, away > 15).astype(float)
    repeats = rng.integers(0, 5, players).astype(float)
    age = away + rng.exponential(50, players)
    return Rows(
        player=np.arange(players) // 2,
        at=np.full(players, seed, np.int64),
        vector=np.column_stack([np.log1p(away), repeats, rng.normal(size=players)]),
        gone=gone,
        recency_d=away,
        history=np.column_stack([repeats, np.where(repeats > 0, age - away, 0), age]),
    )


TASK = Task("invented", "customers of no shop", "made up", "none", 14, rows(1, 600), rows(2, 400), purchases=True)


def guess(train: Rows, test: Rows, horizon_d: int) -> Floats:
    """Stand in for the net: knows a little, and says it too loudly."""
    del train, horizon_d
    return np.clip(test.recency_d / 20, 0, 1)


@pytest.fixture(scope="module")
def report() -> TaskReport:
    return judge(TASK, models(purchases=True) | {NET: guess}, draws=60)


def test_every_model_is_judged_on_the_same_rows(report: TaskReport) -> None:
    assert [line.model for line in report.lines] == [
        MAJORITY, "recency only", "BG/NBD", "BG/NBD + isotonic", "logistic regression", "LightGBM", NET,
    ]  # fmt: skip
    assert len({line.figures.accuracy.majority for line in report.lines}) == 1
    assert (report.test_rows, report.test_players) == (400, 200)
    assert report.line(MAJORITY).figures.roc_auc == 0.5
    assert report.line("recency only").figures.roc_auc > 0.85
    for line in report.lines:
        for name, around in line.intervals.items():
            told = line.figures.accuracy.gain if name == "accuracy_gain" else getattr(line.figures, name)
            assert around.low - 0.02 <= told <= around.high + 0.02, (line.model, name)


def test_the_shipped_model_is_judged_where_it_has_a_head_and_has_not_seen_the_rows() -> None:
    model = shipped_net()
    origin = model.artefact.origin
    at = {"old": origin.split_at - 1, "new": origin.split_at}

    def seen(source: str, age: str) -> bool:
        rows = structs.replace(TASK.test, at=np.full(len(TASK.test), at[age], np.int64))
        return has_seen(model, structs.replace(TASK, source=source, test=rows))

    assert seen(origin.source, "old")
    assert not seen(origin.source, "new")
    assert not seen("another game", "old")
    assert SHIPPED in contenders(TASK)
    assert SHIPPED not in contenders(structs.replace(TASK, horizon_d=60))


def test_an_aim_that_is_missed_is_told(report: TaskReport) -> None:
    assert report.line(NET).figures.ece > 0.03
    assert [aim.met for aim in report.aims if "calibration" in aim.text] == [False]


def test_an_excellent_baseline_is_what_the_net_is_held_against() -> None:
    told = judge(TASK, {MAJORITY: models(False)[MAJORITY], "seer": lambda _, test, __: test.gone, NET: guess}, 30)
    assert told.best_baseline == "seer"
    assert told.ahead.high < 0
    assert [aim.met for aim in told.aims if "ROC-AUC" in aim.text] == [False]


def test_accuracy_never_stands_without_the_constant(report: TaskReport, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[Any] = []

    def look(value: Any) -> None:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(inner, dict | list):
                look(inner)
            if name == "accuracy":
                found.append(inner)

    look(as_json(report))
    assert len(found) == len(report.lines)
    assert all(set(one) == {"model", "majority"} for one in found)

    print_report(report)
    printed = capsys.readouterr().out
    for line in report.lines:
        accuracy = line.figures.accuracy
        assert f"{accuracy.model:.3f} ({accuracy.majority:.3f})" in printed
    assert "…" not in printed, "a figure is cut off"


def test_a_report_is_json_with_null_for_what_has_no_value() -> None:
    nobody = Rows(*(getattr(TASK.test, name)[:5] for name in TASK.test.__struct_fields__))
    all_gone = Task("x", "y", "z", "", 14, TASK.train, Rows(
        nobody.player, nobody.at, nobody.vector, np.ones(5), nobody.recency_d, nobody.history
    ))  # fmt: skip
    told = as_json(judge(all_gone, models(False) | {NET: guess}, draws=20))
    text = json.dumps(told, allow_nan=False)
    assert json.loads(text)["lines"][0]["figures"]["roc_auc"] is None


def test_a_folder_that_is_not_there_is_a_wrong_call() -> None:
    answer = CliRunner().invoke(app, ["evaluate", "--data", "no-such-folder"])
    assert answer.exit_code == 2


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playtower.terminal.EXTRA_TRAIN", {"a_module_that_nobody_wrote": "a-package"})
    answer = CliRunner().invoke(app, ["evaluate"])
    assert answer.exit_code == 2
    assert "needs a-package" in answer.stderr
    assert "pip install 'playtower[train]'" in answer.stderr


@pytest.mark.slow
def test_the_command_judges_the_sets_that_ship(tmp_path: Any) -> None:
    answer = CliRunner().invoke(app, ["evaluate", "--draws", "40", "--data", str(tmp_path), "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout.splitlines()[-1])
    assert [task["name"] for task in told["tasks"]] == ["online retail", "online retail, weekly", "CDNOW sample"]
    for missing in ("CDNOW_master.txt", "plays.csv.gz", "sentences.csv.gz", "hillstrom.csv.gz"):
        assert any(missing in sentence for sentence in told["left_out"]), "what the folder lacks is said"
        assert missing in answer.stderr
    assert told["patterns"] is None
    assert [one["players"] for one in told["values"]] == [2_357, 3_370]
    assert all(0.45 < one["kept"] < 0.65 for one in told["values"]), "half are to have paid by the date that was told"
    assert {row["language"] for row in told["tone"]} == {"en", "uk", "ru"}
    assert [log["name"] for log in told["choices"]["logs"]] == ["Open Bandit, men", "Open Bandit, women"]
    assert len(told["choices"]["simulated"]) == 4
