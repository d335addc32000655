"""``playtower train``: what it reads, what it writes, and what its exit status says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.effects import HistoryRecord, ProfileMerged, SetAside, encode_record
from domain.entries import Entry, Event, encode_entry
from ml.config import ModelsConfig, compile_models
from ml.training.log import Log
from playtower import train_data
from playtower.cli import app
from playtower.train import CARD, PUBLISHABLE, REFUSED, REPORT
from playtower.train_data import PUBLIC_TRUST, BadData, archive_log, plan_of, read
from store.archive.files import Disk, File
from store.archive.rows import Raw, effect_rows, log_row, table_of
from tests.ml.logs import DAY, MONDAY, population
from tests.ml.made import artefact

PLAN = compile_models(
    ModelsConfig.model_validate(
        {"signals": {"bet": {"event": "bet_placed", "amount": "properties.amount", "game": "properties.game"}}}
    )
)
assert PLAN is not None


def archive(root: Path, entries: list[tuple[int, Entry, tuple[Any, ...]]], partition: int = 3) -> Path:
    """Write entries and what their turns did as an archivist does: (ms, entry, effects)."""
    raws = []
    for at, entry, effects in entries:
        offset = f"{at}-0"
        record = encode_record(HistoryRecord(getattr(entry, "id", ""), "", at, effects)) if effects else None
        raws.append(Raw(offset, at, encode_entry(entry), entry.player, record))
    shelf = {"day": "2026-03-02", "partition": partition, "tower": False, "first": raws[0].offset}
    for kind, rows in (
        ("log", [log_row(partition, "players", raw) for raw in raws]),
        ("effects", [row for raw in raws for row in effect_rows(partition, raw)[0]]),
    ):
        file = File(kind=kind, last=raws[-1].offset, **shelf)
        Disk().write(root / file.path, table_of(kind, rows))
    return root


def event(player: str, at: int, name: str = "app_opened", **properties: Any) -> tuple[int, Event, tuple[Any, ...]]:
    return at + 5, Event(player, f"{player}/{at}", name, at, properties), ()


def test_an_archive_is_read_as_the_programme_says(tmp_path: Path) -> None:
    root = archive(
        tmp_path,
        [
            event("ann", MONDAY),
            event("bob", MONDAY + 10, "bet_placed", amount=1_250, game="book-of-ra"),
            (MONDAY + 30, Event("ann", "i1", "identify", MONDAY + 20, type="identify"), ()),
        ],
    )
    log = archive_log(root, PLAN, lambda _share: None)
    assert list(log.rows()) == [
        ("ann", MONDAY, "other", 0.0, ""),
        ("bob", MONDAY + 10, "bet", 12.5, "book-of-ra"),
    ]


def test_a_player_who_joined_another_goes_on_under_that_one(tmp_path: Path) -> None:
    joined = (MONDAY + DAY, Event("anon:1", "m1", "app_opened", MONDAY + DAY), (ProfileMerged(into="ann"),))
    root = archive(tmp_path, [event("anon:1", MONDAY), joined, event("ann", MONDAY + 2 * DAY)])
    assert set(archive_log(root, PLAN, lambda _share: None).player) == {"ann"}


def test_what_had_no_effect_is_left_out(tmp_path: Path) -> None:
    refused = (MONDAY + 9, Event("ann", "e9", "app_opened", MONDAY + 9), (SetAside("it failed"),))
    assert len(archive_log(archive(tmp_path, [event("ann", MONDAY), refused]), PLAN, lambda _share: None)) == 1


def test_of_an_archive_that_is_too_large_whole_players_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"p{number}" for number in range(60)]
    root = archive(tmp_path, [event(name, MONDAY + 10 * at + day) for day in (0, DAY) for at, name in enumerate(names)])
    monkeypatch.setattr(train_data, "SIGNALS_MAX", 60)
    log = archive_log(root, PLAN, lambda _share: None)
    assert 30 <= len(log) <= 90
    assert all(log.player.count(name) == 2 for name in set(log.player))


def test_an_archive_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    root = archive(tmp_path, [event("ann", MONDAY)])
    next((root / "kind=log").rglob("*.parquet")).write_bytes(b"PAR1 half")
    with pytest.raises(BadData):
        archive_log(root, PLAN, lambda _share: None)


def test_an_amount_beyond_all_numbers_counts_as_nothing(tmp_path: Path) -> None:
    root = archive(tmp_path, [event("ann", MONDAY, "bet_placed", amount=float("inf"))])
    assert [amount for *_, amount, _ in archive_log(root, PLAN, lambda _share: None).rows()] == [0.0]


@pytest.mark.parametrize("named", ["nothing/here", "dodge:nothing/here", "uci:somewhere", "dodge", ""])
def test_data_that_is_not_there_is_told_in_a_sentence(named: str) -> None:
    assert PLAN is not None
    with pytest.raises(BadData, match="expected"):
        read(named, PLAN)


def test_an_empty_folder_is_no_archive(tmp_path: Path) -> None:
    assert PLAN is not None
    with pytest.raises(BadData, match="no archived log"):
        read(str(tmp_path), PLAN)


def test_a_model_of_public_players_is_trusted_less() -> None:
    assert PLAN is not None
    assert read("cdnow", PLAN).trust == PUBLIC_TRUST < 1


def test_a_programme_without_the_document_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no models/churn\.yaml"):
        plan_of(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "churn.yaml").write_text("session_gap: 1h\n", encoding="utf-8")
    assert plan_of(tmp_path).session_gap_ms == 3_600_000
    (tmp_path / "models" / "churn.yaml").write_text("horizon: 3d\n", encoding="utf-8")
    with pytest.raises(BadData, match="7d, 14d or 28d"):
        plan_of(tmp_path)


def test_a_champion_that_is_no_model_ends_the_command(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train: torch is missing")
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    done = CliRunner().invoke(
        app, ["train", "--data", "cdnow", "--out", str(tmp_path / "out"), "--champion", str(tmp_path / "bad.json")]
    )
    assert done.exit_code == 1
    assert "no model" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_training_writes_what_may_be_published_and_a_lost_one_does_not(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train: torch is missing")
    root = archive_of(population(600, 200), tmp_path / "archive")
    out, say = tmp_path / "out", CliRunner()
    asked = ["train", "--data", str(root), "--out", str(out), "--fits", "1", "--draws", "40", "--json"]
    (tmp_path / "crude.json").write_bytes(artefact())
    won = say.invoke(app, [*asked, "--champion", str(tmp_path / "crude.json")])
    assert won.exit_code == 0, won.output
    told = json.loads(won.stdout.splitlines()[-1])
    assert told == json.loads((out / REPORT).read_text(encoding="utf-8"))
    assert told["won"] is True
    assert told["checksum"] in (out / CARD).read_text(encoding="utf-8")
    assert {path.name for path in out.iterdir()} == {PUBLISHABLE, CARD, REPORT}

    (out / PUBLISHABLE).rename(tmp_path / "champion.json")
    lost = say.invoke(app, [*asked, "--champion", str(tmp_path / "champion.json")])
    assert lost.exit_code == 1
    assert "not better" in lost.output
    assert {path.name for path in out.iterdir()} == {REFUSED, CARD, REPORT}


def archive_of(log: Log, root: Path) -> Path:
    """Write a log as the archive of a platform without money."""
    entries = [event(str(player), at) for player, at, *_ in log.rows()]
    return archive(root, [(at + number, entry, done) for number, (at, entry, done) in enumerate(entries)])


@pytest.mark.ray
@pytest.mark.slow
def test_a_fit_on_ray_is_the_fit_that_is_made_here(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train: torch is missing")
    root = archive_of(population(250, 160), tmp_path / "archive")
    told = []
    for name, more in (("here", ()), ("ray", ("--ray", "--data-dir", str(tmp_path / "data")))):
        out = tmp_path / name
        asked = ["train", "--data", str(root), "--out", str(out), "--fits", "2", "--draws", "20", "--champion", "none"]
        env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        command = [sys.executable, "-m", "playtower.cli", *asked, *more]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200, check=False)
        assert (out / REPORT).exists(), done.stderr
        told.append(json.loads((out / REPORT).read_text(encoding="utf-8"))["checksum"])
    assert told[0] == told[1]
