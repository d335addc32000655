"""A whole engine that learns: a journey chooses, deposits say what was worth it, and the next draws know of it.

One player lives in a process of her own, the others in the host: all draw with the same beliefs.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engine import ADMIN, Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TEXT = {"channel": "in_app", "title": {"en": "t"}, "body": {"en": "b"}}
DEPOSIT = {"event": "deposit_completed", "within": "45s"}
PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "templates": {"seat": TEXT, "lobby": TEXT},
    "choices": {
        "offer": {
            "arms": {"points": {"promotional": True}, "words": {}},
            "outcome": DEPOSIT,
            "value": {"from": "event.properties.amount", "most": 100},
            "holdout": {"share": 0.2, "arm": "words"},
        },
        "words": {"arms": {"seat": {}, "lobby": {}}, "outcome": DEPOSIT},
    },
    "journeys": {
        "back": {
            "entry": {"event": "came_back"},
            "nodes": [
                {"id": "pick", "kind": "choose", "choice": "offer", "arms": {"points": "give", "words": "say"}},
                {"id": "give", "kind": "reward", "currency": "points", "amount": 100, "next": "stay"},
                {"id": "say", "kind": "message", "choose": {"template": "words"}, "purpose": "service", "next": "stay"},
                {"id": "stay", "kind": "delay", "for": "1d"},
            ],
        },
    },
}
PLAYERS = 48


@pytest.fixture
def learning(tmp_path: Path) -> Iterator[Engine]:
    variables = {"PLAYTOWER_BELIEFS_EVERY": "1"}
    running = Engine(tmp_path / "data", ("--partitions", "4", "--placement", "vip"), variables=variables).start()
    running.publish(PROGRAMME)
    yield running
    assert running.stop() == 0


def happens(http: httpx.Client, player: str, name: str, **properties: Any) -> list[dict[str, Any]]:
    """Send an event and wait for its turn; its effects."""
    event = {"event": name, "userId": player, "messageId": f"{player}-{name}", "properties": properties}
    answer = http.post("/v1/track", json=event, headers={"Prefer": "wait=10"}).raise_for_status().json()
    assert answer["applied"], answer
    effects: list[dict[str, Any]] = answer["effects"]
    return effects


def comes_back(http: httpx.Client, player: str) -> dict[str, Any]:
    """Return what the journey drew."""
    drawn = [one for one in happens(http, player, "came_back") if one["kind"] == "chose" and one["choice"] == "offer"]
    assert len(drawn) == 1
    return drawn[0]


def test_what_deposits_say_of_a_choice_is_reported_published_and_drawn_with(learning: Engine) -> None:
    with learning.http() as http:
        http.post("/v1/identify", json={"userId": "vera", "messageId": "i", "traits": {"vip": True}}).raise_for_status()
        happens(http, "vera", "looked")
        learning.wait_for(lambda: http.get("/v1/players/vera").json()["placement"] == "dedicated", "vera's process", 60)
        drawn = {f"p-{n}": comes_back(http, f"p-{n}") for n in range(PLAYERS)}
        told = [player for player, one in drawn.items() if one["arm"] == "words"]
        learning.wait_for(lambda: len(heard(http, told)) == len(told), "every message to be cleared")
        for player, one in drawn.items():
            # who got points brings a hundred, who got words one
            amount = 100 if one["arm"] == "points" else 1
            ended = [
                e for e in happens(http, player, "deposit_completed", amount=amount) if e["kind"] == "choice_ended"
            ]
            assert {e["choice"] for e in ended} == ({"offer"} if one["arm"] == "points" else {"offer", "words"})
            assert {e["outcome"] for e in ended} == {"rewarded"}

        learning.wait_for(lambda: counted(http) == (PLAYERS, len(told)), "the time of every draw to be over", 90)
        by = Counter((one["arm"], one.get("by", "policy") == "holdout") for one in drawn.values())
        report = http.get("/v1/choices/offer").raise_for_status().json()
        arms = {arm["arm"]: arm for arm in report["arms"]}
        assert (arms["points"]["outcomes"], arms["words"]["outcomes"]) == (by["points", False], by["words", False])
        assert report["holdout"]["outcomes"] == by["words", True] > 0
        assert (arms["points"]["mean"]["value"], arms["words"]["mean"]["value"]) == (1.0, 0.01)
        assert (report["best_arm"], report["asked_by"]) == ("points", ["journeys/back/pick"])
        assert http.get("/v1/choices/words").json()["outcomes"] == len(told)

        learning.wait_for(lambda: known(http) == PLAYERS - by["words", True], "beliefs with every outcome")
        later = [comes_back(http, player) for player in ("vera", *(f"q-{n}" for n in range(40)))]
        assert {one["beliefs"] for one in later} == {http.get("/v1/choices/offer").json()["beliefs"]}
        chosen = Counter(one["arm"] for one in later if one.get("by", "policy") != "holdout")
        assert chosen["points"] > 4 * chosen["words"], chosen
        assert max(one["propensity"] for one in later if one.get("by", "policy") == "policy") > 900_000

        printed = playtower(learning, "choices", "offer")
        assert "points" in printed
        assert report["in_words"][-1][:40] in printed
    assert learning.audit()["violations"] == []


def heard(http: httpx.Client, players: list[str]) -> list[str]:
    """Return those whose message is known to have gone out: their choice of words counts from then on."""
    seen = {player: http.get(f"/v1/players/{player}/choices").json()["open"] for player in players}
    return [player for player, held in seen.items() if all(one["since"] for one in held)]


def counted(http: httpx.Client) -> tuple[int, int]:
    """Return of how many draws the outcome counts: of offers, held out or not, and of words."""
    offer, words = (http.get(f"/v1/choices/{name}").json() for name in ("offer", "words"))
    return sum(arm["outcomes"] for arm in offer["arms"]) + offer["holdout"]["outcomes"], words["outcomes"]


def known(http: httpx.Client) -> int:
    """Return of how many outcomes the published beliefs know."""
    report: dict[str, Any] = http.get("/v1/choices/offer").json()
    return int(report["believed"])


def playtower(engine: Engine, *arguments: str) -> str:
    command = [sys.executable, "-m", "playtower.cli", *arguments, "--url", engine.url, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PLAYTOWER_ADMIN_KEY": ADMIN}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["id"] == "offer"
    return done.stdout
