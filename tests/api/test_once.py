"""A mutation with an ``Idempotency-Key`` is done once: equal requests get the first answer, for a day."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from actors.clock import new_id
from api.app import create_app
from api.idempotency import REQUIRED, TAKEN
from api.once import METHODS, is_free
from api.settings import Settings
from store.kept_answers import KEPT_MS, LEASE_MS, KeptAnswer, KeptAnswers, Reused, Running
from tests.api.world import TOKEN_SECRET, World, world_of
from tests.conftest import Server

GEMS, RUBIES = {"name": {"en": "Gems"}}, {"name": {"en": "Rubies"}}
PATH = "/v1/config/currencies/stones"
GOODWILL = {"currency": "gems", "amount": 7, "reason": "goodwill"}


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


def is_replayed(answer: Any) -> bool:
    return bool(answer.headers.get("idempotency-replayed") == "true")


def test_every_mutation_requires_a_key_takes_one_or_is_listed_as_free() -> None:
    document = create_app(Settings(redis_url="unix:///unused", token_secret=TOKEN_SECRET)).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method.upper() not in METHODS:
                continue
            said = [p for p in operation.get("parameters", ()) if p["name"].lower() == "idempotency-key"]
            described = said[0].get("description") if said else None
            assert [one["required"] for one in said] == [described == REQUIRED] * len(said), f"{method} {path}"
            if is_free(path):
                assert described != TAKEN, f"{method} {path} promises what nothing keeps"
            else:
                assert described in (REQUIRED, TAKEN), f"{method} {path}"


@pytest.mark.parametrize("path", ["adjustments", "missions/{mission}/opt-in", "completions/{completion_id}/claim"])
def test_commands_of_players_require_a_key(path: str) -> None:
    document = create_app(Settings(redis_url="unix:///unused", token_secret=TOKEN_SECRET)).openapi()
    parameters = document["paths"][f"/v1/players/{{id}}/{path}"]["post"]["parameters"]
    assert any(one.get("description") == REQUIRED for one in parameters)


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis, hosts=False) as made:
        yield made


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


@pytest.mark.redis
async def test_the_first_answer_is_given_again_and_nothing_is_done_again(idle: World) -> None:
    first = await idle.http.put(PATH, json=GEMS, headers=key("k1"))
    assert (first.status_code, is_replayed(first)) == (201, False)
    await idle.http.put(PATH, json=RUBIES)
    again = await idle.http.put(PATH, json=GEMS, headers=key("k1"))
    assert is_replayed(again)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert (await idle.http.get(PATH)).json()["document"] == RUBIES
    assert 0 < await idle.redis.pttl((await idle.redis.keys("kept:*"))[0]) <= KEPT_MS


@pytest.mark.redis
async def test_the_key_is_this_callers_on_this_path(idle: World) -> None:
    assert (await idle.http.put(PATH, json=GEMS, headers=key("k1"))).status_code == 201
    other = await idle.http.put(f"{PATH}2", json=RUBIES, headers=key("k1"))
    assert (other.status_code, is_replayed(other)) == (201, False)
    colleague = await idle.key("config:write")
    theirs = await idle.http.put(PATH, json=RUBIES, headers=colleague | key("k1"))
    assert (theirs.status_code, is_replayed(theirs)) == (200, False)


@pytest.mark.redis
async def test_a_key_with_another_body_is_refused(idle: World) -> None:
    await idle.http.put(PATH, json=GEMS, headers=key("k1"))
    for url, body in ((PATH, RUBIES), (f"{PATH}?direct=true", GEMS)):
        reused = await idle.http.put(url, json=body, headers=key("k1"))
        assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_mismatch")


@pytest.mark.redis
async def test_a_hundred_at_once_are_one_deletion_and_equal_answers(idle: World) -> None:
    await idle.http.put(PATH, json=GEMS)
    told = await asyncio.gather(*(idle.http.delete(PATH, headers=key("k1")) for _ in range(100)))
    assert {answer.status_code for answer in told} == {told[0].status_code} <= {200, 204}
    assert len({answer.content for answer in told}) == 1
    assert sum(not is_replayed(answer) for answer in told) == 1
    assert (await idle.http.delete(PATH)).status_code == 404


@pytest.mark.redis
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param({"colour": "red"}, {}, 422, id="not valid"),
        pytest.param(GEMS, {"If-Match": '"another"'}, 412, id="another version"),
        pytest.param(GEMS, {"Authorization": "Bearer nobody"}, 401, id="not known"),
    ],
)
async def test_what_must_change_first_may_be_asked_again_with_the_same_key(
    idle: World, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    assert (await idle.http.put(PATH, json=body, headers=headers | key("k1"))).status_code == status
    assert (await idle.http.put(PATH, json=GEMS, headers=key("k1"))).status_code == 201


@pytest.mark.redis
async def test_a_bad_key_is_refused(idle: World) -> None:
    answer = await idle.http.put(PATH, json=GEMS, headers=key("k" * 300))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_id")


@pytest.mark.redis
async def test_a_request_whose_gateway_died_is_taken_up_when_its_lease_lapses(idle: World, redis: Redis) -> None:
    await idle.http.put(PATH, json=GEMS, headers=key("k1"))
    (name,) = [found.decode().removeprefix("kept:") for found in await redis.keys("kept:*")]
    kept = KeptAnswers(redis)
    fingerprint = await _fingerprint(redis, name)
    await redis.delete(f"kept:{name}", "{programme}:draft")
    assert await kept.begin(name, fingerprint, "a gateway that dies") is None
    waiting = asyncio.create_task(idle.http.put(PATH, json=GEMS, headers=key("k1")))
    assert isinstance(await kept.begin(name, fingerprint, "another"), Running)
    await redis.pexpire(f"kept:{name}", 30)
    answer = await waiting
    assert (answer.status_code, is_replayed(answer)) == (201, False)


@pytest.mark.redis
async def test_a_lease_that_was_lost_keeps_nothing(redis: Redis) -> None:
    kept, answer = KeptAnswers(redis), KeptAnswer(200, (), b"{}")
    assert await kept.begin("r", b"f", "a") is None
    assert 0 < await redis.pttl("kept:r") <= LEASE_MS
    assert isinstance(await kept.begin("r", b"other", "b"), Reused)
    assert await kept.renew("r", "a")
    await redis.delete("kept:r")  # it lapsed
    assert not await kept.renew("r", "a")
    assert await kept.begin("r", b"f", "b") is None
    assert not await kept.keep("r", "a", answer)
    await kept.free("r", "a")
    assert isinstance(await kept.begin("r", b"f", "c"), Running), "b's lease was freed by a"
    assert await kept.keep("r", "b", answer)
    assert await kept.begin("r", b"f", "c") == answer


@pytest.mark.redis
async def test_a_renewal_while_the_answer_is_kept_does_not_lose_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, answer = KeptAnswers(redis), KeptAnswer(200, (), b"{}")
    assert await kept.begin("r", b"f", "a") is None
    execute, renewals = Pipeline.execute, [LEASE_MS, LEASE_MS]

    async def renewed_before(pipe: Any) -> Any:
        if renewals:
            await redis.pexpire("kept:r", renewals.pop())
        return await execute(pipe)

    monkeypatch.setattr(Pipeline, "execute", renewed_before)
    assert await kept.keep("r", "a", answer)
    assert not renewals
    assert await kept.begin("r", b"f", "b") == answer


@pytest.mark.redis
async def test_a_lease_that_cannot_be_renewed_does_not_spoil_the_answer(
    idle: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = asyncio.Event()

    async def refused(*_: Any) -> bool:
        told.set()
        raise ResponseError("no permission")

    async def slow(*_: Any) -> KeptAnswer:
        await told.wait()
        await asyncio.sleep(0.01)
        return KeptAnswer(201, (), b"{}")

    monkeypatch.setattr("api.once._RENEW_S", 0.01)
    monkeypatch.setattr("api.once._asked", slow)
    monkeypatch.setattr(KeptAnswers, "renew", refused)
    assert (await idle.http.put(PATH, json=GEMS, headers=key("k1"))).status_code == 201
    assert "could not be renewed" in caplog.text


async def _fingerprint(redis: Redis, name: str) -> bytes:
    found = await KeptAnswers(redis).begin(name, b"", "nobody")
    assert isinstance(found, Reused)
    return bytes(msgspec.msgpack.decode(await redis.get(f"kept:{name}"))[0])


@pytest.mark.redis
async def test_a_hundred_equal_commands_are_one_entry_and_equal_answers(world: World) -> None:
    path = "/v1/players/amelia/adjustments"
    told = await asyncio.gather(*(world.http.post(path, json=GOODWILL, headers=key("k1")) for _ in range(100)))
    assert {(answer.status_code, answer.content) for answer in told} == {(200, told[0].content)}
    assert sum(not is_replayed(answer) for answer in told) == 1
    assert (await world.http.get("/v1/players/amelia")).json()["balances"]["gems"]["balance"] == 7


@pytest.mark.redis
async def test_a_refusal_of_the_turn_is_given_again(world: World) -> None:
    body = {**GOODWILL, "amount": -8}
    told = [await world.http.post("/v1/players/a/adjustments", json=body, headers=key("k1")) for _ in range(2)]
    assert [answer.json()["code"] for answer in told] == ["insufficient_balance"] * 2
    assert [is_replayed(answer) for answer in told] == [False, True]


@pytest.mark.redis
async def test_a_message_asked_for_again_says_so(world: World) -> None:
    body = {"player_id": "amelia", "template": "hello", "purpose": "service"}
    told = [await world.http.post("/v1/messages", json=body, headers=key(k)) for k in ("k1", "k1", new_id())]
    assert told[0].json() == told[1].json() != told[2].json()
    assert [is_replayed(answer) for answer in told] == [False, True, False]
