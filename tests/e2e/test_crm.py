"""Segments, journeys, identity and campaigns on a whole engine, as their users meet them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engine import Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SILENT_AFTER_S = 4
TIMED = 200  # players whose time comes, a few milliseconds apart


def message(title: str) -> dict[str, Any]:
    return {"channel": "in_app", "title": {"en": title}, "body": {"en": title}}


PROGRAMME: dict[str, dict[str, Any]] = {
    "metrics": {
        "bets": {"event": "bet_placed"},
        "since-deposit": {"event": "deposit_completed", "aggregate": "since"},
    },
    "earn-rules": {"a-point": {"event": "bet_placed", "currency": "points", "amount": 1}},
    "segments": {
        "bets-100": {"where": {"metric": "bets", "op": "gte", "value": 100}},
        "silent": {"where": {"metric": "since-deposit", "op": "gte", "value": SILENT_AFTER_S}},
    },
    "templates": {
        "mail-1": message("Welcome"),
        "mail-2": message("How about a deposit?"),
        "help": message("May we help?"),
        "news": message("News"),
    },
    "journeys": {
        "onboarding": {
            "entry": {"event": "signed_up", "once": True},
            "steps": [{"id": "verified", "event": "email_verified"}, {"id": "deposited", "event": "deposit_completed"}],
            "exit": {"goal": {"event": "bet_placed"}},
            "nodes": [
                {"id": "hi", "kind": "message", "template": "mail-1", "purpose": "service", "next": "week"},
                {
                    "id": "week",
                    "kind": "delay",
                    "for": "7d",
                    "skip_when": {"step": "deposited"},
                    "struggle": {"event": "deposit_failed", "count": 3, "to": "helping"},
                    "next": "ask",
                },
                {
                    "id": "ask",
                    "kind": "message",
                    "template": "mail-2",
                    "purpose": "service",
                    "skip_when": {"step": "deposited"},
                    "next": "month",
                },
                {"id": "helping", "kind": "message", "template": "help", "purpose": "service", "next": "month"},
                {"id": "month", "kind": "delay", "for": "30d"},
            ],
        }
    },
    "campaigns": {
        "news": {
            "name": "News",
            "segment": "bets-100",
            "send": {"now": "api"},
            "message": {"template": "news", "purpose": "service"},
        }
    },
}


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(Path(tmp_path_factory.mktemp("crm")) / "data", ("--partitions", "8")).start()
    running.publish(PROGRAMME)
    yield running
    assert running.stop() == 0


def event(player: str, name: str, n: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": player, "messageId": f"{player}-{name}-{n}"} | more


def effects(http: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Send an event and return what its turn did."""
    answer = http.post("/v1/track", json=body, headers={"Prefer": "wait=5"}).raise_for_status().json()
    assert answer["applied"], answer
    found: list[dict[str, Any]] = answer["effects"]
    return found


def kinds(found: list[dict[str, Any]]) -> set[str]:
    return {effect["kind"] for effect in found}


def test_bet_number_100_answers_with_the_segment_entered(crm: Engine) -> None:
    with crm.http() as http:
        batch = [event("bea", "bet_placed", n) for n in range(99)]
        http.post("/v1/batch", json={"batch": batch}).raise_for_status()
        answer = effects(http, event("bea", "bet_placed", 99))
        segments = http.get("/v1/players/bea/segments").json()["items"]
        members = http.get("/v1/segments/bets-100/members").json()["items"]
    assert {"kind": "segment_entered", "segment": "bets-100"} in answer
    assert [segment["id"] for segment in segments] == ["bets-100"]
    assert "bea" in str(members)


def test_a_segment_of_time_is_entered_within_a_second_of_its_time(crm: Engine) -> None:
    due: dict[str, float] = {}
    with crm.http() as http:
        for n in range(TIMED):
            at = datetime.now(UTC)
            http.post("/v1/track", json=event(f"timed-{n}", "deposit_completed", timestamp=at.isoformat()))
            due[f"timed-{n}"] = at.timestamp() + SILENT_AFTER_S

        def all_in() -> bool:
            return int(http.get("/v1/segments/silent").json()["players"]) >= TIMED

        crm.wait_for(all_in, "every player to be silent", SILENT_AFTER_S + 20)
        late = [entered_at(http, player) - when for player, when in due.items()]
    assert min(late) >= -0.002  # never before its time
    assert max(late) < 1.0


def entered_at(http: httpx.Client, player: str) -> float:
    (segment,) = [s for s in http.get(f"/v1/players/{player}/segments").json()["items"] if s["id"] == "silent"]
    return datetime.fromisoformat(segment["since"]).timestamp()


def test_a_player_who_deposits_is_moved_ahead_and_the_message_never_leaves(crm: Engine) -> None:
    with crm.http() as http:
        assert "journey_entered" in kinds(effects(http, event("ahead", "signed_up")))
        moved = effects(http, event("ahead", "deposit_completed"))
        journeys = http.get("/v1/players/ahead/journeys").json()["items"]
        ended = effects(http, event("ahead", "bet_placed"))
        crm.drained()
        sent = [d["template"] for d in http.get("/v1/players/ahead/decisions").json()["items"]]
        steps = http.get("/v1/players/ahead/journeys/onboarding/steps").json()["items"]
    skipped = [e["node"] for e in moved if e["kind"] == "journey_step" and e["outcome"] == "skipped"]
    assert skipped == ["week", "ask"]
    assert next(j for j in journeys if j["id"] == "onboarding")["node"] == "month"
    assert [e["outcome"] for e in ended if e["kind"] == "journey_ended"] == ["goal"]  # 30 days before its time
    assert sent == ["mail-1"]
    assert len(steps) >= 5


def test_a_player_who_fails_three_times_gets_help_instead(crm: Engine) -> None:
    with crm.http() as http:
        effects(http, event("stuck", "signed_up"))
        for n in range(3):
            effects(http, event("stuck", "deposit_failed", n))
        crm.drained()
        sent = [d["template"] for d in http.get("/v1/players/stuck/decisions").json()["items"]]
    assert sorted(sent) == ["help", "mail-1"]


def test_anonymous_play_joins_the_player_who_logs_in(crm: Engine) -> None:
    anonymous = {"type": "track", "event": "bet_placed", "anonymousId": "device-1"}
    with crm.http() as http:
        for n in range(60):
            http.post("/v1/track", json=anonymous | {"messageId": f"anon-{n}"}).raise_for_status()
        for n in range(39):
            http.post("/v1/track", json=event("ines", "bet_placed", n)).raise_for_status()
        login = {"type": "identify", "userId": "ines", "anonymousId": "device-1", "messageId": "ines-login"}
        http.post("/v1/identify", json=login | {"traits": {"first_name": "Ines"}}).raise_for_status()

        def is_joined() -> bool:
            return bool(http.get("/v1/players/ines").json()["balances"]["points"]["balance"] == 99)

        crm.wait_for(is_joined, "the profiles to join")
        http.post("/v1/track", json=anonymous | {"messageId": "anon-late"}).raise_for_status()  # the old id still works
        crm.wait_for(
            lambda: http.get("/v1/players/ines").json()["balances"]["points"]["balance"] == 100, "the forwarded bet"
        )
        player = http.get("/v1/players/ines").json()
        old = http.get("/v1/players/anon:device-1").json()
        ledger = http.get("/v1/players/ines/ledger?limit=200").json()["items"]
    assert player["segments"] == ["bets-100"]
    assert old["id"] == "ines"
    assert len({(entry["id"], entry["cause"]["event_id"]) for entry in ledger}) == len(ledger)


def test_a_campaign_reaches_the_members_of_its_segment_once(crm: Engine) -> None:
    with crm.http() as http:
        members = http.get("/v1/segments/bets-100").json()["players"]
        headers = {"Idempotency-Key": "news-1"}
        first = http.post("/v1/campaigns/news/send", json={}, headers=headers)
        again = http.post("/v1/campaigns/news/send", json={}, headers=headers)
        assert first.status_code == 202
        assert first.json() == again.json()

        def is_over() -> bool:
            runs = http.get("/v1/campaigns/news").json()["runs"]
            return len(runs) == 1 and bool(runs[0]["ended_at"])

        crm.wait_for(is_over, "the campaign to end")
        crm.drained()
        sent = [d["template"] for d in http.get("/v1/players/bea/decisions").json()["items"]]
        run = http.get("/v1/campaigns/news").json()["runs"][0]
    assert sent.count("news") == 1
    assert run["visited"] == members >= 1


def test_the_audit_is_clean_after_all_that(crm: Engine) -> None:
    began = time.monotonic()
    crm.drained()
    report = crm.audit()
    assert report["ok"], report["violations"]
    assert report["players"] >= TIMED
    assert time.monotonic() - began < 120
