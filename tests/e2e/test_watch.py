"""A whole engine's day: what hosts noted is in the digest, and the watcher looks."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.e2e.engine import ADMIN, Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def digest(engine: Engine) -> dict[str, Any]:
    """Return today's digest by the command."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    command = [sys.executable, "-m", "playtower.cli", "digest", today, "--url", engine.url, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PLAYTOWER_ADMIN_KEY": ADMIN}
    )
    assert done.returncode == 0, done.stderr
    assert "active" in done.stdout
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_what_players_did_is_in_the_days_digest(engine: Engine) -> None:
    before = digest(engine)
    with engine.http() as http:
        for n in range(5):
            event = {"event": "Tournament Joined", "userId": f"watched-{n}", "messageId": f"watched-{n}"}
            http.post("/v1/track", json=event, headers={"Prefer": "wait=10"}).raise_for_status()
        deadline = time.monotonic() + 60
        while (told := digest(engine))["events"]["count"] < before["events"]["count"] + 5:
            assert time.monotonic() < deadline, "hosts add what they noted every five seconds"
        while not (watch := http.get("/v1/watch").json())["watching"]:
            assert time.monotonic() < deadline, "the watcher looks every 15 seconds"
    assert told["players"]["active"] >= before["players"]["active"] + 5
    assert watch["alarms"] == []
    assert told["lines"][-1] == "No event was unlike any week."
