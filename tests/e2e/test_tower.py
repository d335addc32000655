"""The control tower and its channels on a whole engine: processes are killed while players exclude themselves."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.engine import ADMIN, Engine
from tests.e2e.provider import Provider, connector

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EXCLUSIONS = 1_000
KILLS = ("CourierActor", "CoordinatorActor", "HostActor")
KILL_EVERY_S = 4.0
AT_ONCE = 40  # players that are asked for and excluded
PROMOS_EACH = 3
FIRST_WITHIN_S = 3.0
PATIENCE_S = 60.0


def document(title: str, channel: str = "in_app") -> dict[str, Any]:
    return {"channel": channel, "title": {"en": title}, "body": {"en": title}}


def programme(provider: Provider) -> dict[str, dict[str, Any]]:
    return {
        "connectors": {"sms": connector(provider, rate_per_s=400, burst=100, in_flight_max=32, timeout_s=3)},
        "templates": {
            "upsell": document("More spins"),
            "offer": document("An offer", "sms"),
            "code": document("A code", "sms"),
        },
        "policies": {
            "default": {
                "holds": [{"when": "support_case_open", "purposes": ["promo"], "for_s": 86_400}],
                "caps": [],
            }
        },
    }


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Engine]:
    data = Path(tmp_path_factory.mktemp("tower")) / "data"
    running = Engine(data, ("--partitions", "8"), variables={"SMS_TOKEN": "secret"}).start()
    running.publish(programme(provider))
    yield running
    assert running.stop() == 0


def track(http: httpx.Client, player: str, event: str, **properties: Any) -> None:
    body = {"userId": player, "event": event, "properties": properties}
    http.post("/v1/track", json=body, headers={"Prefer": "wait=5"}).raise_for_status()


def ask(http: httpx.Client, player: str, template: str, purpose: str = "promo", **more: Any) -> str:
    key = f"{player}-{template}-{time.monotonic_ns()}"
    body = {"player_id": player, "template": template, "purpose": purpose, "idempotency_key": key, **more}
    return str(http.post("/v1/messages", json=body).raise_for_status().json()["request_id"])


def outcome(http: httpx.Client, request: str) -> dict[str, Any]:
    answer: dict[str, Any] = http.get(f"/v1/messages/{request}").raise_for_status().json()
    return answer


def why(engine: Engine, *arguments: str) -> str:
    command = [sys.executable, "-m", "playtower.cli", "why", *arguments]
    environment = os.environ | {"PLAYTOWER_URL": engine.url, "PLAYTOWER_ADMIN_KEY": ADMIN}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_upsell_waits_for_the_support_case_and_why_says_so(engine: Engine) -> None:
    with engine.http() as http:
        track(http, "ann", "support_case_opened", case_id="c1")
        request = ask(http, "ann", "upsell", channels=["in_app"])
        engine.wait_for(lambda: outcome(http, request)["status"] == "held", "the upsell to be held")
        told = why(engine, "ann", "upsell")
        assert "support case" in told
        assert "held" in told
        track(http, "ann", "support_case_solved", case_id="c1")
        engine.wait_for(lambda: outcome(http, request)["status"] == "cleared", "the upsell to be sent")
        assert "cleared" in why(engine, "ann", "upsell")
        machine = json.loads(why(engine, "ann", "upsell", "--json").splitlines()[-1])
        assert "support_case_open" in json.dumps(machine)


def test_an_sms_reaches_the_provider_and_its_receipt_the_player(engine: Engine, provider: Provider) -> None:
    number = "+447400000001"
    with engine.http() as http:
        http.post("/v1/identify", json={"userId": "bob", "traits": {"phone": number}}).raise_for_status()
        ask(http, "bob", "offer", channels=["sms"])
        engine.wait_for(lambda: provider.to(number), "the provider to get it")
        assert provider.to(number)[0].text == "An offer"
        engine.wait_for(lambda: "message_sent" in http.get("/v1/players/bob/export").text, "the receipt")


@pytest.mark.timeout(600)
def test_nothing_is_sent_after_a_thousand_confirmed_exclusions(engine: Engine, provider: Provider) -> None:
    """Promos by SMS stream to everybody; everybody is excluded; courier, coordinator and host die again and again."""
    provider.answer_after_s = 0.02
    try:
        seen = asyncio.run(_exclusions(engine, provider))
    finally:
        provider.answer_after_s = 0.0
    assert len(seen.confirmed) == EXCLUSIONS
    late = [
        (player, post.began - at)
        for player, at in seen.confirmed.items()
        for post in provider.to(number_of(player))
        if post.began > at
    ]
    assert late == []
    assert seen.killed >= 6, "too little was killed to say anything"
    assert sum(bool(provider.to(number_of(player))) for player in seen.confirmed) > EXCLUSIONS // 4, (
        "hardly any traffic"
    )
    assert seen.drained > 0, "no exclusion met a message in flight"


def number_of(player: str) -> str:
    return f"+4474010{int(player.removeprefix('x-')):05d}"


class _Seen:
    def __init__(self) -> None:
        self.confirmed: dict[str, float] = {}
        self.killed = 0
        self.drained = 0  # exclusions answered 202 at first


async def _exclusions(engine: Engine, provider: Provider) -> _Seen:
    seen, done = _Seen(), asyncio.Event()
    players = [f"x-{n}" for n in range(EXCLUSIONS)]
    headers = {"Authorization": f"Bearer {ADMIN}"}
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=engine.url, headers=headers, timeout=10, limits=limits) as http:
        for start in range(0, len(players), 100):
            batch = [
                {
                    "type": "identify",
                    "userId": player,
                    "traits": {"phone": number_of(player)},
                    "messageId": f"i-{player}",
                }
                for player in players[start : start + 100]
            ]
            (await http.post("/v1/batch", json={"batch": batch})).raise_for_status()
        promos = [asyncio.create_task(_promos(http, players, n, done)) for n in range(2)]
        killer = asyncio.create_task(_kill(engine, seen, done))
        await _until(lambda: len(provider.posts) > 50, "the first promos")
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_play(http, provider, player, seen, gate) for player in players))
        await asyncio.sleep(3)  # whatever is still on its way would arrive
        done.set()
        await asyncio.gather(*promos, killer)
    return seen


async def _promos(http: httpx.AsyncClient, players: list[str], n: int, done: asyncio.Event) -> None:
    """Ask for one promo after another; an engine that is busy restarting may refuse some."""
    chance, count = random.Random(n), 0
    while not done.is_set():
        count += 1
        body = _promo(chance.choice(players), f"promo-{n}-{count}")
        try:
            await http.post("/v1/messages", json=body)
        except httpx.TransportError:
            await asyncio.sleep(0.1)


async def _play(http: httpx.AsyncClient, provider: Provider, player: str, seen: _Seen, gate: asyncio.Semaphore) -> None:
    """Ask for promos to a player, and have them exclude themselves when the first has come, or in vain."""
    async with gate:
        for n in range(PROMOS_EACH):
            await _post(http, "/v1/messages", _promo(player, f"own-{player}-{n}"))
        for _ in range(round(FIRST_WITHIN_S / 0.02)):
            if provider.to(number_of(player)):
                break
            await asyncio.sleep(0.02)
        answer = await _post(http, f"/v1/players/{player}/exclusion", {"reason": "self_exclusion"})
        if answer.status_code == 202:
            seen.drained += 1
            await _drained(http, player)
        seen.confirmed[player] = time.monotonic()


def _promo(player: str, key: str) -> dict[str, Any]:
    return {
        "player_id": player,
        "template": "offer",
        "purpose": "promo",
        "channels": ["sms"],
        "idempotency_key": key,
    }


async def _post(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> httpx.Response:
    """Ask until it is answered with a 2xx: an engine that is being restarted may refuse."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = await http.post(path, json=body)
            if answer.is_success:
                return answer
            assert answer.status_code in (429, 503), answer.text
        except httpx.TransportError:
            pass  # not answered: ask again
        assert time.monotonic() < deadline, f"no answer of {path}"
        await asyncio.sleep(0.1)


async def _drained(http: httpx.AsyncClient, player: str) -> None:
    """Wait until nothing of the player is in flight."""
    in_flight = 1
    while in_flight:
        try:
            in_flight = (await http.get(f"/v1/players/{player}/exclusion")).raise_for_status().json()["in_flight"]
        except httpx.HTTPError:
            await asyncio.sleep(0.1)


async def _kill(engine: Engine, seen: _Seen, done: asyncio.Event) -> None:
    """End a process of each kind in turn, the hard way."""
    turn = 0
    while not done.is_set():
        for pid in engine.pids(KILLS[turn % len(KILLS)])[:1]:
            os.kill(pid, signal.SIGKILL)
            seen.killed += 1
        turn += 1
        try:
            await asyncio.wait_for(done.wait(), KILL_EVERY_S)
        except TimeoutError:
            continue


async def _until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.05)
