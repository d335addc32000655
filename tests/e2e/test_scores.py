"""A whole engine that scores: the package's model, one of the operator's own published meanwhile, and back again.

One player lives in a process of her own, the other in the host: both are scored alike.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engine import ADMIN, Engine
from tests.ml.made import artefact

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "models": {"churn": {"signals": {"deposit": {"event": "deposit_completed", "amount": "properties.amount"}}}},
    "segments": {"at-risk": {"where": {"field": "player.scores.churn", "op": "gte", "value": 0.85}}},
    "journeys": {
        "stay": {"entry": {"segment": "at-risk"}, "nodes": [{"id": "wait", "kind": "delay", "for": "1d"}]},
    },
}


@pytest.fixture
def scoring(tmp_path: Path) -> Iterator[Engine]:
    running = Engine(tmp_path / "data", ("--partitions", "4", "--placement", "vip")).start()
    running.publish(PROGRAMME)
    yield running
    assert running.stop() == 0


def deposits(http: httpx.Client, player: str, n: int) -> list[dict[str, Any]]:
    event = {"event": "Deposit Completed", "userId": player, "messageId": f"{player}-{n}", "properties": {"amount": 20}}
    answer = http.post("/v1/track", json=event, headers={"Prefer": "wait=10"}).raise_for_status().json()
    assert answer["applied"], answer
    effects: list[dict[str, Any]] = answer["effects"]
    return effects


def scored_by(http: httpx.Client, player: str) -> int:
    version: int = http.get(f"/v1/players/{player}").json()["scores"]["churn"]["model"]
    return version


def playtower(engine: Engine, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "playtower.cli", *arguments, "--url", engine.url, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PLAYTOWER_ADMIN_KEY": ADMIN}
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_scores_move_with_events_and_models_in_a_host_and_in_a_process_of_its_own(
    scoring: Engine, tmp_path: Path
) -> None:
    with scoring.http() as http:
        http.post("/v1/identify", json={"userId": "vera", "messageId": "i", "traits": {"vip": True}})
        for player in ("vera", "pia"):
            deposits(http, player, 0)
        scoring.wait_for(lambda: http.get("/v1/players/vera").json()["placement"] == "dedicated", "vera's process", 60)
        first = {player: http.get(f"/v1/players/{player}").json()["scores"]["churn"] for player in ("vera", "pia")}
        assert {score["model"] for score in first.values()} == {0}
        assert http.get("/v1/models/live").json()["version"] == 0

        own = tmp_path / "own.json"
        own.write_bytes(artefact(bias=2.0))
        assert playtower(scoring, "models", "publish", str(own), "--note", "ours")["version"] == 1
        for player in ("vera", "pia"):  # a walk brings it to them while they are silent
            scoring.wait_for(lambda player=player: scored_by(http, player) == 1, f"{player}'s new score", 30)
            now = http.get(f"/v1/players/{player}").json()
            assert now["scores"]["churn"]["value"] == pytest.approx(0.8808, abs=0.01)
            assert now["segments"] == ["at-risk"]
            told = http.get(f"/v1/players/{player}/history").json()["items"]
            (visit,) = [record for record in told if record["name"] == "rescore"]
            assert [effect["kind"] for effect in visit["effects"]] == ["scored", "segment_entered", "journey_entered"]
            assert visit["effects"][0]["before"] == first[player]["value"]
        assert http.get("/v1/players/vera").json()["placement"] == "dedicated"

        assert playtower(scoring, "models", "rollback")["version"] == 0
        for player in ("vera", "pia"):
            deposits(http, player, 1)
            scoring.wait_for(lambda player=player: scored_by(http, player) == 0, f"{player}'s old score", 30)
            assert http.get(f"/v1/players/{player}").json()["segments"] == []
        listed = playtower(scoring, "models", "list")["items"]
    assert [(item["version"], item["live"]) for item in listed] == [(1, False), (0, True)]
    assert scoring.audit()["violations"] == []
