"""``playtower recalibrate``: what it writes, and what its exit status says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.net import load
from playtower.cli import app
from playtower.recalibrate import REPORT
from playtower.train import PUBLISHABLE
from tests.ml.logs import population
from tests.ml.made import artefact
from tests.playtower.test_train import archive_of


def asked(tmp_path: Path, *more: str) -> list[str]:
    return ["recalibrate", "--out", str(tmp_path / "out"), "--draws", "40", *more]


def test_a_model_that_is_far_off_is_calibrated_and_one_that_is_not_stays(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="calibrating needs the extra train: torch is missing")
    root = archive_of(population(250, 150), tmp_path / "archive")
    (tmp_path / "off.json").write_bytes(artefact(bias=6.0))
    say, out = CliRunner(), tmp_path / "out"
    done = say.invoke(app, [*asked(tmp_path), "--data", str(root), "--model", str(tmp_path / "off.json"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == json.loads((out / REPORT).read_text(encoding="utf-8"))
    made = load((out / PUBLISHABLE).read_bytes()).artefact
    assert (told["better"], told["checksum"]) == (True, made.checksum)
    assert made.layers == load(artefact(bias=6.0)).artefact.layers
    churn = next(line for line in told["heads"] if line["head"] == "churn_14d")
    assert abs(churn["told_after"] - churn["was"]) < abs(churn["told_before"] - churn["was"])

    (out / PUBLISHABLE).rename(tmp_path / "fits.json")
    again = say.invoke(app, [*asked(tmp_path), "--data", str(root), "--model", str(tmp_path / "fits.json")])
    assert again.exit_code == 1
    assert "no better" in again.output
    assert not (out / PUBLISHABLE).exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data", "cdnow", "--model", "none"], "expected a file, or live"),
        (["--data", "cdnow", "--model", "not-there.json"], "--model: there is no file"),
        (["--data", "no-such-folder"], "expected the folder of an archive"),
    ],
)
def test_what_cannot_be_calibrated_is_told_in_a_sentence(tmp_path: Path, more: list[str], words: str) -> None:
    pytest.importorskip("torch", reason="calibrating needs the extra train: torch is missing")
    done = CliRunner().invoke(app, asked(tmp_path, *more))
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
