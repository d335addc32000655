"""Events in, over HTTP."""

import asyncio
import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from api.intake import PATHS
from domain.effects import MissionCompleted, Posting
from domain.entries import Event
from store.identity import open_store
from store.keys import DEAD_LETTERS, STORE
from tests.api.bets import NOW, bet, events
from tests.api.conftest import PARTITIONS, Api, Host, opened_api, settings_of
from tests.conftest import Server

# --- paths and keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(PATHS))
async def test_every_path_of_segment_is_answered_with_200_and_never_a_redirect(api: Api, host: Host, path: str) -> None:
    body = {"batch": [bet()]} if PATHS[path] == "batch" else bet(type=None)
    answer = await api.post(path, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    assert answer.json()["accepted"] == 1
    (event,) = await events(host)
    assert (event.player, event.id) == ("amelia", "m-1")
    assert event.name == {"page": "page_viewed", "screen": "screen_viewed"}.get(event.type, event.name)


async def test_the_key_comes_in_basic_or_bearer_or_in_the_body(api: Api) -> None:
    basic = "Basic " + base64.b64encode(f"{api.ingest}:".encode()).decode()
    for headers, body in (
        ({"authorization": basic}, bet(1)),
        ({"authorization": f"Bearer {api.ingest}"}, bet(2)),
        ({}, bet(3, writeKey=api.ingest)),
    ):
        assert (await api.client.post("/v1/track", json=body, headers=headers)).status_code == 200
    batch = {"batch": [bet(4)], "writeKey": api.ingest}
    assert (await api.client.post("/v1/b", json=batch)).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no key"),
        pytest.param({"authorization": "Bearer pt_unknown"}, 401, id="unknown key"),
        pytest.param({"authorization": "Basic !!!"}, 401, id="unreadable"),
        pytest.param({"authorization": "Digest x"}, 401, id="another scheme"),
        pytest.param({"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."}, 401, id="a token without alg"),
    ],
)
async def test_a_call_without_a_known_key_is_refused(api: Api, headers: dict[str, str], status: int) -> None:
    answer = await api.client.post("/v1/track", json=bet(), headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("unauthorised", "bad_token")


async def test_a_revoked_key_is_refused(api: Api) -> None:
    made = await api.post("/v1/keys", {"kind": "server"}, idempotency_key="k-1")
    assert made.status_code == 201
    again = await api.post("/v1/keys", {"kind": "server"}, idempotency_key="k-1")
    assert again.json() == made.json(), "the same idempotency key gives the same key"
    assert (await api.post("/v1/keys", {"kind": "client"}, idempotency_key="k-1")).status_code == 409
    assert (await api.post("/v1/track", bet(), key=made.json()["key"])).status_code == 200
    answer = await api.client.delete(f"/v1/keys/{made.json()['id']}", headers={"authorization": f"Bearer {api.admin}"})
    assert answer.status_code == 200
    assert (await api.post("/v1/track", bet(), key=made.json()["key"])).status_code == 401
    assert made.json()["key"] not in str(await api.context.redis.hgetall("{store}:keys"))


async def test_any_content_type_and_gzip_are_taken(api: Api) -> None:
    body = json.dumps({"batch": [bet(1), bet(2)]}).encode()
    answer = await api.post("/v1/batch", body, content_type="text/plain")
    assert answer.json()["accepted"] == 2
    answer = await api.post(
        "/v1/batch", gzip.compress(body), content_type="application/x-www-form-urlencoded", content_encoding="gzip"
    )
    assert answer.json()["duplicates"] == 2


async def test_the_settings_of_a_project_name_the_host(api: Api) -> None:
    answer = await api.client.get("/v1/projects/abc/settings")
    assert answer.json()["integrations"]["Segment.io"]["apiKey"] == "abc"


async def test_a_browser_may_ask_first(api: Api) -> None:
    asked = {
        "origin": "https://casino.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-retry-count",
    }
    answer = await api.client.options("/v1/b", headers=asked)
    assert answer.status_code == 200
    posted = await api.post("/v1/track", bet(), origin="https://casino.example")
    assert posted.headers["access-control-allow-origin"] == "*"


# --- what is kept -----------------------------------------------------------------------------------------------------


async def test_an_event_reaches_the_log_as_it_was_meant(api: Api, host: Host) -> None:
    stated = (NOW - timedelta(hours=1)).replace(microsecond=0)
    await api.post("/v1/track", bet(timestamp=stated.isoformat(), context={"ip": "192.0.2.1"}, unknown={"x": 1}))
    (event,) = await events(host)
    assert event.name == "bet_placed"
    assert event.occurred_at == stated.timestamp() * 1000
    assert event.properties == {"amount": 1250, "currency": "EUR"}
    assert event.context == {"ip": "192.0.2.1"}


async def test_identify_brings_traits_and_an_anonymous_id_a_player_of_its_own(api: Api, host: Host) -> None:
    await api.post("/v1/identify", {"anonymousId": "a-1", "traits": {"first_name": "Amelia"}, "messageId": "i-1"})
    (event,) = await events(host)
    assert (event.player, event.type, event.name) == ("anon:a-1", "identify", "identified")
    assert event.traits == {"first_name": "Amelia"}


@pytest.mark.parametrize("hours", [-30, 30])
async def test_a_wrong_clock_of_the_sender_is_corrected(api: Api, host: Host, hours: int) -> None:
    now = datetime.now(UTC)
    theirs = now + timedelta(hours=hours)
    batch = {"batch": [bet(timestamp=(theirs - timedelta(minutes=1)).isoformat())], "sentAt": theirs.isoformat()}
    assert (await api.post("/v1/batch", batch)).json()["accepted"] == 1
    (event,) = await events(host)
    assert abs(event.occurred_at - (now.timestamp() - 60) * 1000) < 30_000


async def test_a_retry_is_a_duplicate_whatever_changed_around_it(api: Api, host: Host) -> None:
    stated = NOW.isoformat()
    first = {"batch": [bet(timestamp=stated)], "sentAt": NOW.isoformat()}
    again = {"sentAt": (NOW + timedelta(seconds=9)).isoformat(), "batch": [bet(timestamp=stated, context={"n": 2})]}
    assert (await api.post("/v1/batch", first)).json()["accepted"] == 1
    assert (await api.post("/v1/batch", again)).json()["duplicates"] == 1
    assert len(await events(host)) == 1


async def test_an_id_used_again_with_another_content_is_listed(api: Api, host: Host) -> None:
    answer = await api.post("/v1/batch", {"batch": [bet(1), bet(1, event="Deposit Completed"), bet(2)]})
    body = answer.json()
    assert (body["accepted"], body["duplicates"]) == (2, 0)
    assert [(r["index"], r["messageId"], r["code"]) for r in body["rejected"]] == [(1, "m-1", "id_reused")]
    assert len(await events(host)) == 2


async def test_a_missing_message_id_is_made_and_said(api: Api, host: Host) -> None:
    answer = (await api.post("/v1/batch", {"batch": [bet(messageId=None)]})).json()
    (event,) = await events(host)
    assert answer["ids"] == [{"index": 0, "messageId": event.id}]


async def test_one_bad_event_does_not_refuse_the_others(api: Api) -> None:
    batch = [bet(1), bet(2, userId=None), bet(3, properties=[]), bet(4, event=""), bet(5)]
    body = (await api.post("/v1/batch", {"batch": batch})).json()
    assert body["accepted"] == 2
    assert [(r["index"], r["code"]) for r in body["rejected"]] == [(1, "no_player"), (2, "bad_event"), (3, "no_event")]
    letters = (await api.get("/v1/dead-letters")).json()["items"]
    assert {(letter["event_id"], letter["code"]) for letter in letters} == {
        ("m-2", "no_player"), ("m-3", "bad_event"), ("m-4", "no_event"),
    }  # fmt: skip


# --- who may send what ------------------------------------------------------------------------------------------------

MASKS: dict[str, dict[str, dict[str, Any]]] = {
    "events": {
        "round_finished": {"client": True},
        "deposit_completed": {
            "properties": {"amount": {"type": "money", "required": True}, "vip": {"type": "boolean"}}
        },
    }
}


async def test_clients_send_only_what_the_configuration_lets_them(api: Api, host: Host) -> None:
    await api.publish(MASKS)
    round_, deposit = bet(1, event="Round Finished"), bet(2, event="Deposit Completed")
    for key in (api.browser, await api.token("amelia")):
        refused = await api.post("/v1/track", deposit, key=key)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        body = (await api.post("/v1/batch", {"batch": [round_, deposit, bet(3)]}, key=key)).json()
        assert body["accepted"] + body["duplicates"] == 1
        assert [(r["index"], r["code"]) for r in body["rejected"]] == [(1, "not_allowed"), (2, "not_allowed")]
    assert [event.name for event in await events(host)] == ["round_finished"]


@pytest.mark.parametrize(
    "name", ["player_readmitted", "Harm Marker Cleared", "suppression_lifted", "consent_confirmed"]
)
async def test_what_lifts_a_protection_needs_the_scope_that_readmits(api: Api, host: Host, name: str) -> None:
    await api.publish({"events": {"player_readmitted": {"client": True}}})
    access, now = api.context.access, api.context.clock.now_ms()
    operator, _ = await access.create("server", ("events:write", "players:write"), now=now)
    await api.context.keys.reload()
    lifting = {"userId": "u-1", "event": name, "messageId": "m-lift", "type": "track"}
    answer = await api.post("/v1/track", lifting, key=api.ingest)
    assert (answer.status_code, answer.json()["code"]) == (403, "needs_scope")
    assert (await api.post("/v1/track", lifting, key=api.browser)).status_code == 403
    assert (await api.post("/v1/track", lifting, key=await api.token("u-1"))).status_code == 403
    batch = await api.post("/v1/batch", {"batch": [bet(messageId="m-2"), lifting]}, key=api.ingest)
    assert [(one["index"], one["code"]) for one in batch.json()["rejected"]] == [(1, "needs_scope")]
    cloud = {"specversion": "1.0", "id": "m-c", "type": name, "source": "x", "subject": "u-1"}
    assert (await api.post("/v1/cloudevents", cloud, key=api.ingest)).status_code == 403
    kept = (await api.get("/v1/dead-letters?code=needs_scope")).json()["items"]
    assert {letter["event_id"] for letter in kept} == {"m-lift", None}  # a CloudEvent's own id is in its body
    ids = [letter["id"] for letter in kept]
    many = await api.post("/v1/dead-letters/replay", {"ids": ids}, idempotency_key="k-1")
    assert many.json()["accepted"] == 0, "a replay of many has the rights of who sent it first"
    alone = f"/v1/dead-letters/{ids[0]}/replay"
    assert (await api.post(alone, key=api.ingest, idempotency_key="k-2")).status_code in (400, 422)
    assert (await api.post(alone, key=operator, idempotency_key="k-3")).status_code == 200
    assert (await api.post("/v1/track", {**lifting, "messageId": "m-3"}, key=operator)).status_code == 200
    events = [entry.entry for entry in await host.logged() if isinstance(entry.entry, Event)]
    assert len(events) == 3, "the other event of the batch, and the operator's two"


async def test_a_token_speaks_for_its_own_player_only(api: Api, host: Host) -> None:
    await api.publish(MASKS)
    token = await api.token("bruno")
    refused = await api.post("/v1/track", bet(event="round_finished"), key=token)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await api.post("/v1/track", bet(event="round_finished", userId=None), key=token)).status_code == 200
    assert [event.player for event in await events(host)] == ["bruno"]


async def test_a_server_key_needs_the_scope(api: Api) -> None:
    reader, _ = await api.context.access.create("server", ("events:read",), now=1)
    assert (await api.post("/v1/track", bet(), key=reader)).status_code == 403


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (1250, "EUR", 1250),
        ("12.50", "EUR", 1250),
        (12.5, "EUR", 1250),
        ("0.1", "USD", 10),
        ("1250", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("-3.00", "EUR", -300),
    ],
)
async def test_money_becomes_minor_units(api: Api, host: Host, amount: Any, currency: str, minor: int) -> None:
    await api.publish(MASKS)
    properties = {"amount": amount, "currency": currency}
    await api.post("/v1/track", bet(event="Deposit Completed", properties=properties))
    (event,) = await events(host)
    assert event.properties["amount"] == minor


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        pytest.param({}, "properties.amount", id="missing"),
        pytest.param({"amount": "12.345", "currency": "EUR"}, "properties.amount", id="finer than a cent"),
        pytest.param({"amount": "1.5", "currency": "JPY"}, "properties.amount", id="no minor unit"),
        pytest.param({"amount": "1.5"}, "properties.currency", id="no currency"),
        pytest.param({"amount": "NaN", "currency": "EUR"}, "properties.amount", id="not a number"),
        pytest.param({"amount": "1e400000000", "currency": "EUR"}, "properties.amount", id="a bomb"),
        pytest.param({"amount": True}, "properties.amount", id="a boolean"),
        pytest.param({"amount": 2**53 + 1}, "properties.amount", id="beyond 2^53"),
        pytest.param({"amount": 1, "vip": "yes"}, "properties.vip", id="no boolean"),
    ],
)
async def test_a_property_that_breaks_its_mask_is_refused_with_its_path(
    api: Api, properties: dict[str, Any], path: str
) -> None:
    await api.publish(MASKS)
    answer = await api.post("/v1/track", bet(event="deposit_completed", properties=properties))
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "bad_property", path)


async def test_a_change_of_the_mask_between_retries_changes_nothing(api: Api) -> None:
    event = bet(event="deposit_completed", properties={"amount": "12.50", "currency": "EUR"})
    await api.publish(MASKS)
    assert (await api.post("/v1/track", event)).json()["accepted"] == 1
    await api.publish({"events": {}})
    assert (await api.post("/v1/track", event)).json()["duplicates"] == 1


# --- waiting for the turn ---------------------------------------------------------------------------------------------

POINTS = Posting("points", 5, 5, "earn-rules/bet-points")


async def test_a_caller_that_waits_is_told_the_effects(api: Api, host: Host) -> None:
    waiting = asyncio.create_task(api.post("/v1/track", bet(), prefer="wait=5"))
    await host.turn("amelia", (POINTS, MissionCompleted("ten-bets", "c-1")))
    answer = (await waiting).json()
    assert answer["success"] is True
    assert answer["applied"] is True
    assert answer["event_id"] == "m-1"
    assert [effect["kind"] for effect in answer["effects"]] == ["points", "mission_completed"]

    again = (await api.post("/v1/track", bet(), prefer="respond-async, wait=5")).json()
    assert again["effects"] == answer["effects"]
    assert again["duplicate"] is True


async def test_a_duplicate_waits_for_the_turn_of_the_first(api: Api, host: Host) -> None:
    await api.post("/v1/track", bet())
    waiting = asyncio.create_task(api.post("/v1/track", bet(), prefer="wait=5"))
    await host.turn("amelia", (POINTS,))
    assert (await waiting).json()["applied"] is True


async def test_when_the_time_runs_out_the_event_is_safe(api: Api, host: Host) -> None:
    answer = (await api.post("/v1/track", bet(), prefer="wait=0.05")).json()
    assert (answer["success"], answer["applied"], answer["effects"]) == (True, False, [])
    assert len(await events(host)) == 1


# --- overload and a store that is down --------------------------------------------------------------------------------


async def test_beyond_the_backlog_the_whole_call_answers_429_and_a_retry_is_safe(server: Server, host: Host) -> None:
    async with opened_api(settings_of(server, backlog_bound=3)) as small:
        answer = await small.post("/v1/batch", {"batch": [bet(n) for n in range(5)]})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert await host.logged() == []
        assert (await small.post("/v1/batch", {"batch": [bet(n) for n in range(3)]})).json()["accepted"] == 3
        assert (await small.post("/v1/batch", {"batch": [bet(n) for n in range(3)]})).status_code in (200, 429)


async def test_a_full_store_answers_503(api: Api) -> None:
    await api.context.redis.config_set("maxmemory", "1mb")
    try:
        await api.context.look_at_memory()
        answer = await api.post("/v1/track", bet())
    finally:
        await api.context.redis.config_set("maxmemory", "0")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_full")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_cut_off_store_answers_503_within_two_seconds(api: Api) -> None:
    await api.context.redis.execute_command("CLIENT", "PAUSE", "3000", "ALL")
    async with asyncio.timeout(2):
        answer = await api.post("/v1/track", bet())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    await api.context.redis.connection_pool.disconnect()
    await _unpaused(api)
    assert (await api.post("/v1/track", bet())).json()["success"] is True


async def _unpaused(api: Api) -> None:
    for _ in range(10):
        try:
            await api.context.redis.ping()
        except Exception:
            continue
        return


async def test_many_senders_at_once_lose_nothing(api: Api, host: Host) -> None:
    batches = [[bet(100 * b + n, userId=f"player-{n}") for n in range(50)] for b in range(20)]
    answers = await asyncio.gather(*(api.post("/v1/batch", {"batch": batch}) for batch in batches + batches))
    assert all(answer.status_code == 200 for answer in answers)
    assert sum(answer.json()["accepted"] for answer in answers) == 1_000
    assert sum(answer.json()["duplicates"] for answer in answers) == 1_000
    ids = [event.id for event in await events(host)]
    assert len(ids) == len(set(ids)) == 1_000


async def test_a_store_of_recorded_events_takes_their_own_time(server: Server, redis: Redis, host: Host) -> None:
    await redis.delete(STORE)
    await open_store(redis, partitions=PARTITIONS, clock="log", seed="seed")
    async with opened_api(settings_of(server)) as recorded:
        old = bet(timestamp="2019-05-01T12:00:00Z", sentAt="2019-05-03T12:00:00Z")
        assert (await recorded.post("/v1/batch", {"batch": [old], "sentAt": NOW.isoformat()})).json()["accepted"] == 1
        assert (await recorded.post("/v1/track", old)).json()["duplicates"] == 1
    (event,) = await events(host)
    (entry,) = await host.logged()
    assert event.occurred_at == entry.at == 1_556_712_000_000


# --- CloudEvents ------------------------------------------------------------------------------------------------------

CLOUD = {"specversion": "1.0", "id": "c-1", "source": "/bets", "type": "bet.placed", "subject": "amelia"}


async def test_cloud_events_come_structured_batched_and_binary(api: Api, host: Host) -> None:
    data = {"amount": 5}
    structured = await api.post("/v1/cloudevents", {**CLOUD, "data": data}, content_type="application/cloudevents+json")
    assert structured.json()["accepted"] == 1
    batch = [{**CLOUD, "id": "c-2", "data": data}, {**CLOUD, "id": "c-3", "specversion": "0.3"}]
    body = (await api.post("/v1/cloudevents", batch, content_type="application/cloudevents-batch+json")).json()
    assert (body["accepted"], [r["code"] for r in body["rejected"]]) == (1, ["bad_event"])
    headers = {f"ce-{name}": value for name, value in {**CLOUD, "id": "c-4"}.items()}
    binary = await api.post("/v1/cloudevents", json.dumps(data).encode(), content_type="application/json", **headers)
    assert binary.json()["accepted"] == 1
    assert [(e.id, e.player, e.name, e.properties) for e in await events(host)] == [
        (f"c-{n}", "amelia", "bet_placed", data) for n in (1, 2, 4)
    ]


# --- dead letters -----------------------------------------------------------------------------------------------------


async def test_a_dead_letter_is_replayed_corrected_once(api: Api, host: Host) -> None:
    await api.publish(MASKS)
    bad = bet(event="deposit_completed", properties={"amount": "much", "currency": "EUR"})
    assert (await api.post("/v1/track", bad)).status_code == 400
    (letter,) = (await api.get("/v1/dead-letters")).json()["items"]
    assert letter["body"]["properties"] == bad["properties"]
    path = f"/v1/dead-letters/{letter['id']}/replay"

    assert (await api.post(path)).json()["code"] == "idempotency_key_required"
    still = await api.post(path, idempotency_key="r-0")
    assert (still.status_code, still.json()["code"]) == (422, "bad_property")
    good = {**bad, "properties": {"amount": "10.00", "currency": "EUR"}}
    first = await api.post(path, good, idempotency_key="r-1")
    assert first.status_code == 200, first.text
    assert first.json()["event_id"] == "m-1"
    assert (await api.post(path, good, idempotency_key="r-1")).json() == first.json()
    assert (await api.post(path, bad, idempotency_key="r-1")).status_code == 409
    assert [event.properties["amount"] for event in await events(host)] == [1000]
    (letter,) = (await api.get("/v1/dead-letters")).json()["items"]
    assert letter["replayed"]["message_id"] == "m-1"


async def test_dead_letters_page_newest_first(api: Api) -> None:
    for n in range(5):
        await api.post("/v1/track", bet(n, event=""))
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/v1/dead-letters?limit=2{f'&cursor={cursor}' if cursor else ''}")).json()
        seen += [item["event_id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ["m-4", "m-3", "m-2", "m-1", "m-0"]
    assert (await api.get("/v1/dead-letters?cursor=nonsense")).status_code == 400
    assert await api.context.redis.xlen(DEAD_LETTERS) == 5


# --- refusals in general ----------------------------------------------------------------------------------------------


async def test_every_refusal_is_a_problem_document(api: Api) -> None:
    answers: list[tuple[httpx.Response, int]] = [
        (await api.get("/v1/nothing"), 404),
        (await api.get("/v1/track"), 405),
        (await api.get("/v1/events/unknown"), 404),
        (await api.post("/v1/keys", {"kind": "emperor"}, idempotency_key="x"), 422),
        (await api.post("/v1/keys", b"{", idempotency_key="x", content_type="application/json"), 400),
    ]
    for answer, status in answers:
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["code"]


async def test_a_bug_answers_500_with_an_id_and_no_trace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.context.appender, "append", broken)
    answer = await api.post("/v1/track", bet())
    assert answer.status_code == 500
    assert answer.json()["incident"].startswith("err_")
    assert "secret detail" not in answer.text
