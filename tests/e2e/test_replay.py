"""A recorded log replayed through the running engine, as its users do it: serve, apply, replay, audit, replay again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.engine import ADMIN, Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).parent.parent.parent
SHOP = ROOT / "examples" / "replay" / "shop"
ROWS = 4_000


def playtower(*words: str, status: int = 0) -> dict[str, Any]:
    """Run a command of the command line; the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "playtower.cli", *words, "--json"],
        capture_output=True, text=True, check=False, timeout=200, env=os.environ | {"PLAYTOWER_ADMIN_KEY": ADMIN},
    )  # fmt: skip
    assert done.returncode == status, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_year_old_shop_log_is_replayed_by_its_own_time_and_replaying_again_changes_nothing(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data", ("--clock", "log")).start()
    send = ("replay", str(ROOT / "examples" / "data" / "online_retail.parquet"), "--map", str(SHOP / "map.yaml"),
            "--limit", str(ROWS), "--url", engine.url)  # fmt: skip
    try:
        playtower("apply", str(SHOP / "programme"), "--url", engine.url)
        first = playtower(*send)
        before = players(engine)
        audit = playtower("audit", "--data-dir", str(engine.data_dir))
        again = playtower(*send)
        after = players(engine)
    finally:
        engine.stop()
    assert first["accepted"] + first["rejected"]["no_player"] == ROWS
    assert first["accepted"] > ROWS // 2
    assert audit["ok"], audit["violations"]
    assert audit["completions"] > 0
    assert again["accepted"] == 0
    assert again["duplicates"] == first["accepted"] + first["duplicates"]
    assert before == after
    assert len(before) > 50


def players(engine: Engine) -> dict[str, Any]:
    """Return the balances of every player."""
    engine.drained()
    found: dict[str, Any] = {}
    with engine.http() as http:
        cursor: str | None = None
        while True:
            page = http.get("/v1/players", params={"limit": 100} | ({"cursor": cursor} if cursor else {})).json()
            for item in page["items"]:
                found[item["id"]] = http.get(f"/v1/players/{item['id']}").json()["balances"]
            cursor = page["next"]
            if cursor is None:
                return found
