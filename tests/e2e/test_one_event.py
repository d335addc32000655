"""One event, followed from HTTP through the log, the turn and the tower to the socket; and restarts in between."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.engine import Engine, descendants, free_port, listening
from tests.e2e.programme import PROGRAMME

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def bet(player: str, n: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Bet Placed", "userId": player, "messageId": f"{player}-{n}"} | more


async def test_an_event_becomes_points_a_mission_a_message_and_frames(engine: Engine) -> None:
    with engine.http() as http:
        http.post("/v1/identify", json={"userId": "pia", "messageId": "pia-0", "traits": {"first_name": "Pia"}})
        token = http.post("/v1/players/pia/token", json={}).raise_for_status().json()["token"]
        async with connect(engine.url.replace("http", "ws") + "/v1/ws", subprotocols=["playtower.v1"]) as socket:
            welcome = await hello(socket, token)
            for n in (1, 2):
                http.post("/v1/track", json=bet("pia", n)).raise_for_status()
            answer = http.post("/v1/track", json=bet("pia", 3), headers={"Prefer": "wait=5"}).json()
            frames = await frames_until(socket, "notification")
        trace = http.get("/v1/events/pia-3").json()["items"][0]
        player = http.get("/v1/players/pia").json()
        ledger = http.get("/v1/players/pia/ledger").json()["items"]
        decisions = http.get("/v1/players/pia/decisions").json()["items"]

    assert welcome["player_id"] == "pia"
    assert answer["applied"] is True
    kinds = [effect["kind"] for effect in answer["effects"]]
    assert {"points", "mission_completed", "level_changed", "message_requested"} <= set(kinds)
    assert {"points", "mission", "level", "notification"} <= {frame["type"] for frame in frames}
    assert frames[-1]["title"] == "Well done, Pia"
    assert len({frame["cursor"] for frame in frames}) == len(frames)
    assert trace["status"] == "applied"
    assert [effect["kind"] for effect in trace["effects"]] == kinds
    assert player["balances"]["points"] == {"balance": 103, "lifetime": 103}
    assert player["level"] == "silver"
    assert sum(entry["amount"] for entry in ledger) == 103
    assert ledger[0]["balance_after"] == 103
    assert [decision["outcome"] for decision in decisions] == ["cleared"]


async def test_a_socket_that_comes_back_with_its_cursor_gets_what_it_missed_once(engine: Engine) -> None:
    url = engine.url.replace("http", "ws") + "/v1/ws"
    with engine.http() as http:
        token = http.post("/v1/players/olga/token", json={}).json()["token"]
        async with connect(url, subprotocols=["playtower.v1"]) as socket:
            await hello(socket, token)
            http.post("/v1/track", json=bet("olga", 1), headers={"Prefer": "wait=5"})
            seen = await frames_until(socket, "points")
        http.post("/v1/track", json=bet("olga", 2), headers={"Prefer": "wait=5"})
        async with connect(url, subprotocols=["playtower.v1"]) as socket:
            await hello(socket, token, cursor=seen[-1]["cursor"])
            http.post("/v1/track", json=bet("olga", 3), headers={"Prefer": "wait=5"})
            after = await frames_until(socket, "notification")
    points = [frame["balance"] for frame in [*seen, *after] if frame["type"] == "points"]
    assert points == [1, 2, 3, 103]


def test_a_command_answers_once_and_the_same_again(engine: Engine) -> None:
    with engine.http() as http:
        body = {"currency": "points", "amount": 50, "reason": "goodwill"}
        path = "/v1/players/nina/adjustments"
        first = http.post(path, json=body, headers={"Idempotency-Key": "once"})
        again = http.post(path, json=body, headers={"Idempotency-Key": "once"})
        other = http.post(path, json=body | {"amount": 51}, headers={"Idempotency-Key": "once"})
        player = http.get("/v1/players/nina").json()
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert other.status_code == 409
    assert player["balances"]["points"]["balance"] == 50


def test_the_audit_of_the_running_store_is_clean(engine: Engine) -> None:
    engine.drained()
    report = engine.audit()
    assert report["ok"], report["violations"]
    assert report["players"] >= 3


def test_a_second_engine_on_the_same_port_or_data_is_refused_with_a_sentence(engine: Engine, tmp_path: Path) -> None:
    def serve(port: int, data: Path) -> str:
        command = [sys.executable, "-m", "playtower.cli", "serve", "--port", str(port), "--data-dir", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        return " ".join(done.stderr.split())

    assert f"port {engine.port} is taken" in serve(engine.port, tmp_path / "data")
    assert "another Playtower uses" in serve(free_port(), engine.data_dir)


LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def test_every_process_listens_on_loopback_only(engine: Engine) -> None:
    assert engine.process is not None
    tree = [engine.process.pid, *descendants(engine.process.pid)]
    addresses = {address for pid in tree for address in listening(pid)}
    assert len(addresses) > 3
    assert {address for address in addresses if address.split(":")[0] not in LOOPBACK} == set()


def test_stopping_ends_every_child_and_a_second_start_continues(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data", ("--partitions", "4")).start()
    engine.publish(PROGRAMME)
    with engine.http() as http:
        http.post("/v1/track", json=bet("iris", 1), headers={"Prefer": "wait=5"}).raise_for_status()
    assert engine.process is not None
    children = descendants(engine.process.pid)
    assert len(children) > 4
    assert engine.stop() == 0
    assert not [pid for pid in children if alive(pid)]

    engine.start()
    try:
        with engine.http() as http:
            player = http.get("/v1/players/iris").json()
            again = http.post("/v1/track", json=bet("iris", 1)).json()
            answer = http.post("/v1/track", json=bet("iris", 2), headers={"Prefer": "wait=5"}).json()
    finally:
        engine.stop()
    assert player["balances"]["points"]["balance"] == 1
    assert again["duplicates"] == 1
    assert answer["effects"][0]["balance_after"] == 2


async def hello(socket: ClientConnection, token: str, cursor: str | None = None) -> dict[str, Any]:
    await socket.send(json.dumps({"type": "hello", "token": token, "cursor": cursor}))
    welcome: dict[str, Any] = json.loads(await socket.recv())
    assert welcome["type"] == "welcome"
    return welcome


async def frames_until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["type"] != kind:
        frames.append(json.loads(await socket.recv()))
    return frames


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" and os.getpid() != pid
    except OSError:
        return False
