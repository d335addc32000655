"""``tower``: what a decision costs, and a broadcast at a provider's limit beside messages that somebody waits for."""

import asyncio
import json
import time
from typing import Any, cast

import httpx
import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from actors.programme import compile_programme
from bench.broadcast import KNOWN_WITHIN_S, make_known
from bench.engine_process import Engine
from bench.figures import median
from bench.latency import PROTOCOL, summary
from bench.options import Options, machine, show
from bench.processes import Steal
from bench.provider import PROBE, Provider
from crm.tower.airspace import Airspace, changed_parts
from crm.tower.turn import take_tower_turn
from domain.decisions import decode_decision, encode_decision, encode_delivery
from domain.entries import Fact, LogEntry, MessageRequest, decode_entry, encode_entry
from domain.ids import partition_of
from playtower.client import Client
from store.keys import TOWER

KNOWN_EACH = 20  # players for each of ``--players``: 100,000 by default
LIMIT = 200  # messages a second that the provider allows: twice what a short code usually may
PROBES_PER_S = 10
PROBED_S = 30.0  # alone; beside, for as long as the broadcast may last by the limit, at most:
BESIDE_MAX_S = 240.0
DECISIONS = 5_000
DONE_WITHIN_S = 1_800.0
PHONES = {"alone": "+447911123451", "beside": "+447911123452"}  # numbers of nobody else
START_MS = 1_772_452_800_000  # 2026-03-02T12:00:00Z

CONNECTOR = {
    "kind": "twilio",
    "account_sid": "AC" + "0" * 32,
    "auth_token": {"env": "BENCH_PROVIDER_TOKEN"},
    "from": "+15005550006",
    "rate_per_s": LIMIT,
    "burst": LIMIT // 10,
    "in_flight_max": 32,
}
POLICY = {"caps": [{"purpose": "promo", "max": 2, "per": "1d"}, {"channel": "sms", "max": 3, "per": "7d"}]}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "policies": {"default": POLICY},
    "templates": {
        "bench-promo": {"channel": "sms", "title": {"en": "News"}, "body": {"en": "Hi {{ player.traits.first_name }}"}},
        "bench-code": {
            "channel": "in_app",
            "title": {"en": "Code"},
            "body": {"en": PROBE + "{{ n }}"},
            "variables": ["n"],
        },
    },
    "campaigns": {
        "bench-promo": {
            "name": "News",
            "everyone": True,
            "send": {"now": "api"},
            "message": {"template": "bench-promo", "purpose": "promo", "channels": ["sms"]},
        }
    },
}


def run(options: Options) -> dict[str, Any]:
    """Measure decisions alone, then the whole engine under a broadcast."""
    plain, held = (_decisions_per_s(options, waiting) for waiting in (0, 20))
    known = options.players * KNOWN_EACH
    with (
        Provider() as provider,
        Engine(options, {"BENCH_PROVIDER_TOKEN": "bench"}) as engine,
        Client(engine.key, engine.url) as client,
    ):
        _publish(client, provider)
        make_known(client, known, phone=True)
        engine.settle_all(KNOWN_WITHIN_S)
        alone = uvloop.run(_probe(engine, provider, "alone", PROBED_S))
        began, steal = time.monotonic(), Steal()
        client.request("POST", "/v1/campaigns/bench-promo/send", json={}, headers={"Idempotency-Key": "bench"})
        lasts_s = min(BESIDE_MAX_S, known / LIMIT)
        beside = uvloop.run(_probe(engine, provider, "beside", lasts_s))
        stolen = steal.percent()
        report = _wait(provider, known)
        engine.settle_all()
        came, _ = engine.counters(TOWER)
    sending_s = report["last"] - began
    result: dict[str, Any] = {
        "bench": "tower",
        "decisions_per_s_one_core": plain,
        "decisions_per_s_with_20_waiting": held,
        "players": known,
        "limit_per_s": LIMIT,
        "sent": report["received"],
        "sent_per_s": round(report["received"] / sending_s, 1),
        "lost": max(0, known - report["people"]),
        "doubled": report["received"] - report["people"],
        "clearance_alone": alone["clearance"],
        "clearance_beside": beside["clearance"],
        "frame_alone": alone["in_app"],
        "frame_beside": beside["in_app"],
        "sms_alone": alone["sms"],
        "sms_beside": beside["sms"],
        "tower_entries": came,
        "stolen_percent_beside": stolen,
        "machine": machine(options),
    }
    rows = [
        ("decisions, one core, nothing waiting", f"{plain:,}/s"),
        ("decisions, one core, 20 messages waiting", f"{held:,}/s"),
        (f"broadcast of SMS to {known:,}", f"{result['sent_per_s']:,}/s sent of {LIMIT}/s allowed"),
        ("lost, doubled", f"{result['lost']}, {result['doubled']}"),
        ("CPU that the hypervisor gave to others meanwhile", f"{stolen} %"),
        *(
            (f"transactional {where}, {when}", f"p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms")
            for when, probed in (("alone", alone), ("beside", beside))
            for where, found in (
                ("to clearance", probed["clearance"]),
                ("to the frame", probed["in_app"]),
                ("to the SMS provider", probed["sms"]),
            )
        ),
    ]
    show("tower: decisions, and a broadcast at a provider's limit", rows, result["machine"], options)
    return result


def _decisions_per_s(options: Options, waiting: int) -> int:
    """Decode a request, judge it, encode what is committed; ``waiting`` messages of the player are held by a case."""
    documents = {**DOCUMENTS, "connectors": {"sms": CONNECTOR}}
    rules = compile_programme(1, documents).crm
    opened = Fact("p", "support_case", {"open": True, "since": START_MS, "cases": ["c"]}, START_MS)
    base = take_tower_turn(rules, Airspace("p"), LogEntry("0-1", START_MS, opened)).airspace
    for n in range(waiting):
        base = take_tower_turn(rules, base, LogEntry("0-1", START_MS, _request(f"w{n}", START_MS))).airspace
    entries = [encode_entry(_request(f"r{n}", START_MS, "service")) for n in range(DECISIONS)]
    times = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        for data in entries:
            step = take_tower_turn(rules, base, LogEntry("0-1", START_MS, decode_entry(data)))
            _ = [encode_decision(decision) for decision in step.decisions]
            _ = [encode_delivery(delivery) for delivery in step.deliveries]
            changed_parts(base, step.airspace)
        times.append(time.perf_counter() - began)
    return round(DECISIONS / median(times))


def _request(name: str, at: int, purpose: str = "promo") -> MessageRequest:
    return MessageRequest(
        "p", name, "bench-code", purpose, ("in_app",), at, at + 86_400_000, {"title": "Code", "body": "1"}
    )


def _publish(client: Client, provider: Provider) -> None:
    connectors = {"sms": {**CONNECTOR, "base_url": provider.url}}
    for kind, documents in {**DOCUMENTS, "connectors": connectors}.items():
        for name, document in documents.items():
            client.request("PUT", f"/v1/config/{kind}/{name}", json=document)
    client.request("POST", "/v1/programme/publish", json={}, headers={"Prefer": "wait=10"})


async def _probe(engine: Engine, provider: Provider, run_id: str, seconds: float) -> dict[str, Any]:
    """Ask for transactional messages at scheduled times; milliseconds to the frame, and to the provider."""
    player = f"probe-{run_id}"
    due: dict[str, float] = {}
    asked_at: dict[str, float] = {}  # by request id
    frames: list[float] = []
    headers = {"Authorization": engine.authorization}
    async with httpx.AsyncClient(base_url=engine.url, headers=headers, timeout=10) as http:
        traits = {"phone": PHONES[run_id]}
        identified = {"userId": player, "messageId": f"{player}-id", "traits": traits}
        (await http.post("/v1/identify", json=identified)).raise_for_status()
        token = (await http.post(f"/v1/players/{player}/token")).json()["token"]
        async with open_socket(f"ws://127.0.0.1:{engine.port}/v1/ws", subprotocols=[PROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "hello", "token": token, "cursor": None}))
            await socket.recv()
            reading = asyncio.create_task(_read(socket, due, frames))
            began, count = time.monotonic() + 0.5, round(seconds * PROBES_PER_S)
            await asyncio.gather(
                *(
                    _ask(http, player, f"{run_id}-{n}", began + n / PROBES_PER_S, n % 2 == 0, due, asked_at)
                    for n in range(count)
                )
            )
            await asyncio.sleep(3.0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    seen = provider.report()["probes"]
    sms = {text.removeprefix(PROBE): at for text, at in seen.items()}
    asked = {name: at for name, at in due.items() if name.startswith("sms:")}
    arrived = [(sms[name[4:]] - at) * 1000 for name, at in asked.items() if name[4:] in sms]
    in_app_asked = count - count // 2
    cleared = _cleared_ms(engine, player, asked_at)
    return {
        "clearance": summary(cleared, count - len(cleared)),
        "in_app": summary(frames, in_app_asked - len(frames)),
        "sms": summary(arrived, len(asked) - len(arrived)),
    }


def _cleared_ms(engine: Engine, player: str, asked_at: dict[str, float]) -> list[float]:
    """Return the milliseconds from when each message was due to be asked for until its clearance was in the store.

    A decision's place in the tower's history is the store's wall clock when it was written.
    """
    since_boot = time.time() - time.monotonic()
    history = TOWER.history(partition_of(player, engine.partitions), player)
    found: dict[str, float] = {}
    for place, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", engine.redis.xrange(history)):
        decision = decode_decision(fields[b"d"])
        if decision.outcome == "cleared" and decision.request_id in asked_at:
            found.setdefault(decision.request_id, int(place.partition(b"-")[0]) - since_boot * 1000)
    return [at - asked_at[request] * 1000 for request, at in found.items()]


async def _ask(
    http: httpx.AsyncClient,
    player: str,
    name: str,
    at: float,
    in_app: bool,
    due: dict[str, float],
    asked_at: dict[str, float],
) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    due[name if in_app else f"sms:{name}"] = at
    body = {
        "player_id": player,
        "template": "bench-code",
        "purpose": "transactional",
        "channels": ["in_app" if in_app else "sms"],
        "variables": {"n": name},
        "idempotency_key": name,
    }
    answer = await http.post("/v1/messages", json=body)
    asked_at[answer.raise_for_status().json()["request_id"]] = at


async def _read(socket: ClientConnection, due: dict[str, float], frames: list[float]) -> None:
    async for text in socket:
        now = time.monotonic()
        frame = json.loads(text)
        body = str(frame.get("body", ""))
        at = due.pop(body.removeprefix(PROBE), None) if body.startswith(PROBE) else None
        if at is not None:
            frames.append((now - at) * 1000)


def _wait(provider: Provider, wanted: int) -> dict[str, Any]:
    """Wait until the provider has reached them all, or nothing came for 20 seconds."""
    until = time.monotonic() + DONE_WITHIN_S
    while True:
        report = provider.report()
        now = time.monotonic()
        if report["people"] >= wanted or now > until or (report["last"] and now - report["last"] > 20):
            return report
        time.sleep(0.5)
