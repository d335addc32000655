"""Commands enter the log, take their turn and answer with what it did; the same key answers the same."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.clock import SystemClock
from actors.ref import Players
from api.commands import answer_of
from api.problems import refused
from domain.effects import Answered, HistoryRecord
from domain.errors import Conflict
from domain.ids import partition_of
from domain.player import Identity, Snapshot, all_parts
from store.gates import read_stops
from store.keys import PLAYERS, archived, buckets, dedupe
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

DAY_MS = 86_400_000
GOODWILL = {"currency": "gems", "amount": 7, "reason": "goodwill"}


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    """A gateway without hosts: nothing takes turns."""
    async with world_of(server, redis, hosts=False) as made:
        yield made


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def test_an_adjustment_answers_with_its_effects_and_the_same_key_answers_the_same(world: World) -> None:
    first = await world.http.post("/v1/players/amelia/adjustments", json=GOODWILL, headers=key("k1"))
    assert first.status_code == 200, first.text
    posted = next(effect for effect in first.json()["effects"] if effect["kind"] == "points")
    assert (posted["currency"], posted["amount"], posted["balance_after"]) == ("gems", 7, 7)
    again = await world.http.post("/v1/players/amelia/adjustments", json=GOODWILL, headers=key("k1"))
    assert again.json() == first.json()
    player = (await world.http.get("/v1/players/amelia")).json()
    assert player["balances"]["gems"] == {"balance": 7, "lifetime": 7}

    other = {**GOODWILL, "amount": 8}
    reused = await world.http.post("/v1/players/amelia/adjustments", json=other, headers=key("k1"))
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize("hours", [1, 13, 25, 47, 71])
async def test_the_key_is_known_for_three_days(world: World, hours: int) -> None:
    path, p = "/v1/players/amelia/adjustments", partition_of("amelia", world.context.partitions)
    first = await world.http.post(path, json=GOODWILL, headers=key("k1"))
    names = [dedupe(p, bucket.decode()) for bucket in await world.redis.smembers(buckets(p))]
    (name,) = [name for name in names if await world.redis.hexists(name, "cmd:k1")]
    kept_until = await world.redis.pexpiretime(name)
    assert kept_until >= world.context.clock.now_ms() + 3 * DAY_MS - 60_000  # the minute is for a slow machine
    context = world.context
    context.players = Players(
        context.redis, context.appender, context.replies, _Ahead(hours), partitions=context.partitions
    )
    again = await world.http.post(path, json=GOODWILL, headers=key("k1"))
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    reused = await world.http.post(path, json={**GOODWILL, "amount": 8}, headers=key("k1"))
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_mismatch")
    assert (await world.http.get("/v1/players/amelia")).json()["balances"]["gems"]["balance"] == 7


class _Ahead:
    """A clock that is some hours ahead."""

    def __init__(self, hours: int) -> None:
        self._ahead_ms = hours * 3_600_000

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self._ahead_ms


async def test_an_answer_that_the_store_let_go_of_is_not_made_up(world: World) -> None:
    path, ada = "/v1/players/amelia/adjustments", partition_of("amelia", world.context.partitions)
    refused_once = await world.http.post(path, json=GOODWILL | {"amount": -8}, headers=key("k1"))
    assert (refused_once.status_code, refused_once.json()["code"]) == (409, "insufficient_balance")
    ((offset, _),) = await world.redis.xrevrange(PLAYERS.history(ada, "amelia"), count=1)
    await world.redis.delete(PLAYERS.history(ada, "amelia"))
    await world.redis.hset(archived(ada), f"{PLAYERS.name}:trimming", offset)
    again = await world.http.post(path, json=GOODWILL | {"amount": -8}, headers=key("k1"))
    assert (again.status_code, again.json()["code"]) == (409, "answer_gone")
    fresh = await world.http.post(path, json=GOODWILL, headers=key("k2"))
    assert fresh.status_code == 200, "what is asked for the first time has its answer"


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        pytest.param({}, GOODWILL, 400, "idempotency_key_required", id="no key"),
        pytest.param(key("k" * 300), GOODWILL, 422, "bad_id", id="key too long"),
        pytest.param(key("k1"), {**GOODWILL, "amount": 1.5}, 422, "invalid", id="no whole number"),
        pytest.param(key("k1"), {**GOODWILL, "currency": "rubies"}, 404, "unknown_currency", id="unknown currency"),
        pytest.param(key("k1"), {**GOODWILL, "amount": -8}, 409, "insufficient_balance", id="more than there is"),
        pytest.param(key("k1"), {**GOODWILL, "amount": 0}, 422, "amount_out_of_range", id="nothing"),
    ],
)
async def test_a_bad_adjustment_is_refused(
    world: World, headers: dict[str, str], body: dict[str, Any], status: int, code: str
) -> None:
    answer = await world.http.post("/v1/players/amelia/adjustments", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_player_opts_in_and_claims_by_their_own_token(world: World) -> None:
    me = world.token("amelia")
    opted = await world.http.post("/v1/me/missions/marathon/opt-in", headers=me | key("o1"))
    assert opted.status_code == 200, opted.text
    unknown = await world.http.post("/v1/me/missions/nothing/opt-in", headers=me | key("o2"))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "mission_not_found")
    needless = await world.http.post("/v1/players/amelia/missions/two-bets/opt-in", headers=key("o3"))
    assert (needless.status_code, needless.json()["code"]) == (409, "opt_in_not_needed")

    for n in range(2):
        await world.happen("amelia", "bet_placed", f"m-{n}")
    mission = next(m for m in (await world.http.get("/v1/me", headers=me)).json()["missions"] if m["id"] == "two-bets")
    (waiting,) = mission["unclaimed"]
    path = f"/v1/me/completions/{waiting['completion_id']}/claim"
    claimed = await world.http.post(path, headers=me | key("c1"))
    assert claimed.status_code == 200, claimed.text
    assert [effect["kind"] for effect in claimed.json()["effects"]] == ["completion_claimed", "points"]
    twice = await world.http.post(path, headers=me | key("c2"))
    assert (twice.status_code, twice.json()["code"]) == (404, "completion_not_found")
    assert (await world.http.post(path, headers=me | key("c1"))).json() == claimed.json()


async def test_a_player_may_not_adjust(world: World) -> None:
    answer = await world.http.post(
        "/v1/players/amelia/adjustments", json=GOODWILL, headers=world.token("amelia") | key("k1")
    )
    assert answer.status_code == 403


async def test_without_a_turn_in_time_the_command_is_accepted(idle: World) -> None:
    headers = key("k1") | {"Prefer": "wait=0.05"}
    answer = await idle.http.post("/v1/players/amelia/adjustments", json=GOODWILL, headers=headers)
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["command_id"]) == (True, "cmd:k1")
    assert answer.headers["retry-after"] == "1"


async def test_an_exclusion_is_in_force_when_it_answers(world: World) -> None:
    path = "/v1/players/amelia/exclusion"
    answer = await world.http.post(path, json={"reason": "self_exclusion"})
    assert (answer.status_code, answer.json()["in_flight"]) == (200, 0)
    assert (await world.http.get(path)).json() == {
        "excluded": True,
        "reason": "self_exclusion",
        "reasons": [{"reason": "self_exclusion", "until": None}],
        "in_flight": 0,
    }
    again = await world.http.post(path, json={"reason": "self_exclusion"})
    assert again.status_code == 200
    assert (await world.http.delete(path)).json()["excluded"] is False
    past = await world.http.post(path, json={"reason": "pause", "until": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/players/keeper:budget:x/exclusion", {"reason": "self_exclusion"}),
        ("DELETE", "/v1/players/keeper:budget:x/exclusion", None),
        ("GET", "/v1/players/key:x/exclusion", None),
        ("POST", "/v1/players/keeper:budget:x/adjustments", GOODWILL),
        ("POST", "/v1/players/keeper:budget:x/devices", {"kind": "fcm", "token": "t" * 20}),
        ("POST", "/v1/messages", {"player_id": "keeper:budget:x", "template": "welcome", "purpose": "reward"}),
    ],
)
async def test_what_is_the_engines_own_is_no_player(
    idle: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    told = await idle.http.request(method, path, json=body, headers=key("k1"))
    assert (told.status_code, told.json()["code"]) == (422, "bad_id"), told.text
    assert "expected a player" in told.json()["detail"]
    assert not await idle.redis.exists(PLAYERS.log(partition_of("keeper:budget:x", idle.context.partitions)))


async def test_an_exclusion_with_sends_on_their_way_is_draining(idle: World) -> None:
    p = idle.context.players.ref("amelia").partition
    await idle.redis.hset(f"{{{p}}}:infl:amelia", "send-1", "x")
    answer = await idle.http.post("/v1/players/amelia/exclusion", json={"reason": "self_exclusion"})
    assert (answer.status_code, answer.json()["status"], answer.json()["in_flight"]) == (202, "draining", 1)


async def test_sends_to_an_id_that_was_merged_are_the_persons(idle: World) -> None:
    """One that was claimed for the old id may still be on its way when the person is excluded."""
    redis, refs = idle.redis, idle.context.players
    parts = all_parts(Snapshot("amelia", identity=Identity(sources=("anon:1", "anon:2"))))
    await redis.hset(PLAYERS.state(refs.ref("amelia").partition, "amelia"), mapping={"v": "1", **parts})
    parts = all_parts(Snapshot("anon:1", identity=Identity(merged_into="amelia")))
    await redis.hset(PLAYERS.state(refs.ref("anon:1").partition, "anon:1"), mapping={"v": "1", **parts})
    for player in ("amelia", "anon:1", "anon:2", "another"):
        await redis.hset(f"{{{refs.ref(player).partition}}}:infl:{player}", "send-1", "x")
    for player in ("amelia", "anon:1"):
        path = f"/v1/players/{player}/exclusion"
        answer = await idle.http.post(path, json={"reason": "self_exclusion"})
        assert (answer.status_code, answer.json()["in_flight"]) == (202, 3)
        assert (await idle.http.get(path)).json()["in_flight"] == 3
    await redis.hset(f"{{{refs.ref('anon:1').partition}}}:stop", "anon:1", "merged|")
    shown = (await idle.http.get("/v1/players/anon:1/exclusion")).json()
    assert [each["reason"] for each in shown["reasons"]] == ["self_exclusion"], "that it was merged excludes nobody"
    assert (await idle.http.delete("/v1/players/anon:1/exclusion")).json() == {
        "ok": True, "excluded": False, "reasons": [], "in_flight": 3
    }  # fmt: skip


LATE = "2099-01-01T00:00:00Z"


async def test_a_player_is_excluded_for_several_reasons_and_readmitted_from_each(world: World) -> None:
    path = "/v1/players/amelia/exclusion"
    for body in ({"reason": "Self-Exclusion", "until": LATE}, {"reason": "cool_off", "until": LATE}):
        assert (await world.http.post(path, json=body)).status_code == 200
    reasons = {item["reason"]: item["until"] for item in (await world.http.get(path)).json()["reasons"]}
    assert reasons == {"self_exclusion": None, "cool_off": "2099-01-01T00:00:00.000Z"}
    one = (await world.http.delete(path, params={"reason": "self exclusion"})).json()
    assert (one["excluded"], [item["reason"] for item in one["reasons"]]) == (True, ["cool_off"])
    unknown = (await world.http.delete(path, params={"reason": "harm"})).json()
    assert [item["reason"] for item in unknown["reasons"]] == ["cool_off"]
    assert (await world.http.delete(path)).json()["excluded"] is False
    await world.until("/v1/players/amelia/history", lambda told: len(told["items"]) >= 4)
    assert (await world.http.get(path)).json()["reasons"] == [], "the turns set what the calls had lifted"


async def test_the_way_out_of_a_grave_reason_is_a_readmission_alone(idle: World) -> None:
    """An end that is over ends a cool-off and nothing else: the store's own gate says so."""
    path, soon = "/v1/players/amelia/exclusion", "2099-01-01T00:00:00Z"
    p = idle.context.players.ref("amelia").partition
    for reason in ("cool_off", "an operator's own", "self_exclusion", "harm", "under_age", "register", "deceased"):
        assert (await idle.http.post(path, json={"reason": reason, "until": soon})).status_code == 200
    later = await read_stops(idle.redis, p, "amelia", at=5_000_000_000_000)
    assert sorted(later) == ["deceased", "harm", "register", "self_exclusion", "under_age"]


def test_what_a_refusal_tells_never_hides_the_documents_own_members() -> None:
    told = HistoryRecord(
        "cmd:1", "refund", 7, (Answered("not_refundable", "it is being granted", {"status": "granting"}),)
    )
    with pytest.raises(Conflict) as caught:
        answer_of(told)
    document = json.loads(bytes(refused(caught.value).body))
    assert (document["status"], document["data"]) == (409, {"status": "granting"})
    told = HistoryRecord("cmd:1", "buy", 7, (Answered("sold_out", data={"left": 0}),))
    with pytest.raises(Conflict) as caught:
        answer_of(told)
    assert json.loads(bytes(refused(caught.value).body))["left"] == 0
