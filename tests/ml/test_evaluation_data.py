"""The sets that ship: what is in them, and that each says where it is from."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml import data
from ml.data import HERE, NoData
from ml.training.log import Log

BYTES_MAX = 1_000_000  # of all that ships


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


@pytest.mark.parametrize(
    ("name", "rows", "players", "first", "last", "total"),
    [
        # 8,911,407.90 is what the source's lines with a customer and a positive quantity add up to
        pytest.param("online_retail", 18_444, 4_339, "2010-12-01", "2011-12-09", 8_911_407.90, id="Online Retail"),
        pytest.param("cdnow_sample", 6_919, 2_357, "1997-01-01", "1998-06-30", 244_091.94, id="CDNOW sample"),
    ],
)
def test_a_shipped_set_is_whole(name: str, rows: int, players: int, first: str, last: str, total: float) -> None:
    log: Log = data.SHIPPED[name]()
    assert (len(log), len(set(log.player))) == (rows, players)
    assert (day(log.at[0]), day(log.at[-1])) == (first, last)
    assert log.at == sorted(log.at)
    assert set(log.kind) == {"purchase"}
    assert sum(log.amount) == pytest.approx(total, abs=0.05)
    assert log.licence


def test_every_set_stands_beside_its_source_and_its_licence() -> None:
    folders = [path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_")]
    assert {folder.name for folder in folders} == {"cdnow", "online_retail", "open_bandit"}
    for folder in folders:
        assert "Source:" in (folder / "SOURCE.md").read_text(encoding="utf-8")
        assert len((folder / "LICENSE").read_text(encoding="utf-8")) > 300
    assert sum(path.stat().st_size for path in HERE.rglob("*.gz")) < BYTES_MAX


def test_the_sets_that_do_not_ship_are_found_in_a_folder_or_one_below(tmp_path: Path) -> None:
    with pytest.raises(NoData, match=r"CDNOW_master\.txt"):
        data.cdnow_master(tmp_path)
    (tmp_path / "CDNOW_master.txt").write_text(
        " customer_id  date number_of_cds  dollar_value\n 00001 19970101  1   11.77\n 00002 19970112  5   77.00\n"
    )
    log = data.cdnow_master(tmp_path)
    assert list(log.rows()) == [
        (1, data.a_day("19970101"), "purchase", 11.77, ""),
        (2, data.a_day("19970112"), "purchase", 77.0, ""),
    ]
    below = tmp_path / "plays"
    below.mkdir()
    (below / "plays.csv.gz").write_bytes(gzip.compress(b"player,time,score\n7,1421157288,30\n3,1421157200,-1\n"))
    plays = data.dodge_the_mud(tmp_path)
    assert list(plays.rows()) == [(3, 1421157200_000, "other", 0.0, ""), (7, 1421157288_000, "other", 0.0, "")]


def test_the_first_line_of_a_master_without_names_is_a_customer(tmp_path: Path) -> None:
    (tmp_path / "CDNOW_master.txt").write_text(" 00001 19970101  1   11.77\n")
    assert len(data.cdnow_master(tmp_path)) == 1
