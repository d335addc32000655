"""The archive of a whole engine: a real log replayed, archived, trimmed, evaluated beside the stream, audited."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.engine import Engine
from tests.e2e.test_replay import ROOT, SHOP, playtower

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROWS = 4_000  # of two days


def test_segments_over_the_archive_are_those_of_the_stream_on_a_real_log(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data", ("--clock", "log", "--retention", "1h")).start()
    data = ("--data-dir", str(engine.data_dir))
    log = ROOT / "examples" / "data" / "online_retail.parquet"
    try:
        playtower("apply", str(SHOP / "programme"), "--url", engine.url)
        playtower("replay", str(log), "--map", str(SHOP / "map.yaml"), "--limit", str(ROWS), "--url", engine.url)
        engine.drained()
        status = playtower("archive", "now", *data)
        compared = playtower("segments", "evaluate", "--compare", *data)
        counted = playtower("archive", "query", "SELECT count(*) AS n, max(day)::VARCHAR AS day FROM events", *data)
        journal = history(engine)
    finally:
        engine.stop()
    audited = playtower("audit", *data)
    earlier = playtower("segments", "evaluate", "big-spenders", "--at", "2010-12-01T12:00:00Z", *data)
    assert (status["waiting"], status["set_aside"]) == (0, 0)
    assert any(lane["trimmed"] != "0-0" for lane in status["partitions"]), "the first days went from the store"
    found = {segment["id"]: segment["members_count"] for segment in compared["segments"]}
    assert compared["ok"], compared
    assert compared["notes"] == []
    assert set(found) == {"big-spenders", "lapsing", "worth-a-call", "varied-baskets"}
    assert found["big-spenders"] > 10
    assert found["varied-baskets"] > 10
    assert 0 < earlier["segments"][0]["members_count"] < found["big-spenders"]
    assert counted["rows"][0]["n"] > ROWS // 2
    assert audited["ok"], audited["violations"]
    assert audited["entries"] > counted["rows"][0]["n"]
    assert any("archived" in item for item in journal)
    assert len({item["offset"] for item in journal}) == len(journal)
    shutil.rmtree(engine.data_dir / "archive")
    lost = playtower("audit", *data, status=1)
    assert {violation["check"] for violation in lost["violations"]} == {"trimmed log without archive"}


def history(engine: Engine) -> list[dict[str, Any]]:
    """Return all that happened to the player of the first row."""
    items: list[dict[str, Any]] = []
    with engine.http() as http:
        cursor: str | None = None
        while True:
            query = {"limit": 50} | ({"cursor": cursor} if cursor else {})
            page = http.get("/v1/players/17850/history", params=query).raise_for_status().json()
            items += page["items"]
            if (cursor := page["next"]) is None:
                return items
