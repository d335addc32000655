"""``kill -9`` of the courier while its provider is slow: the real processes, a real receiver of webhooks."""

import base64
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engine import Engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
MESSAGES = 12


class Receiver:
    """Takes webhooks, and answers when the test lets it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.answers = threading.Event()
        self.answers.set()
        self.is_reached = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                receiver.ids.append(self.headers["webhook-id"])
                receiver.is_reached.set()
                receiver.answers.wait(30)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.answers.set()
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def engine(receiver: Receiver, tmp_path: Path) -> Iterator[Engine]:
    running = Engine(
        tmp_path / "data", ("--partitions", "4", "--hosts", "1"), variables={"HOOK_SECRET": SECRET}
    ).start()
    url = f"http://127.0.0.1:{receiver.server.server_port}/in"
    crm = {"kind": "webhook", "url": url, "secret": {"env": "HOOK_SECRET"}, "allow_private": True}
    template = {"channel": "webhook", "title": {"en": "Hello"}, "body": {"en": "A new bet"}}
    running.publish({"connectors": {"crm": crm}, "templates": {"bet": template}})
    yield running
    running.stop()


def asked(http: httpx.Client, player: str, key: str) -> str:
    body = {
        "player_id": player,
        "template": "bet",
        "purpose": "service",
        "channels": ["webhook"],
        "idempotency_key": key,
    }
    answer = http.post("/v1/messages", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["request_id"])


def landed(http: httpx.Client) -> int:
    (channel,) = [c for c in http.get("/v1/channels").json()["items"] if c["channel"] == "webhook"]
    return 0 if channel["in_flight"] or any(channel["waiting"].values()) else 1


def pid_of_courier(engine: Engine) -> int:
    """Return the courier's process id, 0 while there is none."""
    return next((int(host["pid"]) for host in engine.status()["hosts"] if host["name"] == "courier-0"), 0)


def test_what_a_killed_courier_had_in_flight_is_sent_by_the_next_one_with_the_same_id(
    engine: Engine, receiver: Receiver
) -> None:
    with engine.http() as http:
        first = [asked(http, f"player-{n}", f"a-{n}") for n in range(MESSAGES)]
        engine.wait_for(lambda: set(first) <= set(receiver.ids), "all webhooks", 30)
        engine.wait_for(lambda: bool(landed(http)), "all settled", 30)
        assert sorted(receiver.ids) == sorted(first), "without trouble each comes once"
        receiver.is_reached.clear()
        receiver.answers.clear()
        second = [asked(http, f"player-{n}", f"b-{n}") for n in range(MESSAGES)]
        assert receiver.is_reached.wait(30)
        killed = pid_of_courier(engine)
        os.kill(killed, signal.SIGKILL)
        receiver.answers.set()
        engine.wait_for(lambda: pid_of_courier(engine) not in (0, killed), "the next courier", 60)
        engine.wait_for(lambda: set(second) <= set(receiver.ids), "all webhooks after the kill", 60)
        engine.wait_for(lambda: bool(landed(http)), "all settled", 60)
        assert set(receiver.ids) == {*first, *second}
