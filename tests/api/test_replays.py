"""Dead letters fixed by configuration and sent in again, many at once."""

from collections import Counter
from typing import Any

import pytest

from domain.effects import SetAside
from domain.entries import Event, encode_entry
from domain.ids import partition_of
from store.dead_letters import DeadLetter, encode_dead_letter
from store.keys import DEAD_LETTERS, dead
from tests.api.conftest import PARTITIONS, Api, Host, opened_api, settings_of
from tests.conftest import Server

REPLAY = "/v1/dead-letters/replay"
MASK = {"type": "number", "unit": "s", "required": True}
STRICT: dict[str, Any] = {"events": {"call_ended": {"properties": {"seconds": {"type": "integer", "required": True}}}}}
FIXED: dict[str, Any] = {
    "events": {"call_ended": {"properties": {"seconds": {**MASK, "aliases": ["Тривалість", "duration"]}}}},
}


def call(n: int, **properties: Any) -> dict[str, Any]:
    user = f"player-{n % 50}"
    return {"type": "track", "event": "Call Ended", "userId": user, "messageId": f"c-{n}", "properties": properties}


async def events(host: Host) -> list[Event]:
    return [entry.entry for entry in await host.logged() if isinstance(entry.entry, Event)]


async def replayed(api: Api, key: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(REPLAY, body, idempotency_key=key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def letters(api: Api, query: str = "") -> list[dict[str, Any]]:
    found, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/v1/dead-letters?limit=200{query}{f'&cursor={cursor}' if cursor else ''}")).json()
        found += page["items"]
        cursor = page["next"]
    return found


async def test_a_thousand_events_with_37_bad_ones_and_a_mask_that_fixes_thirty(api: Api, host: Host) -> None:
    await api.publish(STRICT)
    bad = [call(n, seconds=f"{n} min") for n in range(10)]
    bad += [call(n, Тривалість=n) for n in range(10, 20)]
    bad += [call(n, duration={"value": n, "unit": "сек"}) for n in range(20, 30)]
    bad += [call(n, seconds="long") for n in range(30, 35)] + [call(n) for n in range(35, 37)]
    sent = [call(n, seconds=n) for n in range(37, 1000)]
    for place, event in enumerate(bad):
        sent.insert(place * 27, event)
    rejected: list[dict[str, Any]] = []
    accepted = 0
    for start in range(0, 1000, 250):
        body = (await api.post("/v1/batch", {"batch": sent[start : start + 250]})).json()
        accepted += body["accepted"]
        rejected += body["rejected"]
        for refusal in body["rejected"]:
            assert sent[start + refusal["index"]]["messageId"] == refusal["messageId"]
    assert (accepted, len(rejected)) == (963, 37)
    assert {refusal["messageId"] for refusal in rejected} == {event["messageId"] for event in bad}
    assert {(refusal["code"], refusal["path"]) for refusal in rejected} == {("bad_property", "properties.seconds")}
    assert all(refusal["detail"].startswith("expected an integer") for refusal in rejected)

    before = await replayed(api, "too-early")
    assert (before["accepted"], before["rejected"]) == (0, 37), "nothing was fixed yet"
    await api.publish(FIXED)
    done = await replayed(api, "fixed", code="bad_property", event="Call Ended")
    assert (done["accepted"], done["duplicates"], done["rejected"], done["next"]) == (30, 0, 7, None)
    still = {item["event_id"]: item["detail"] for item in done["items"] if item["status"] == "rejected"}
    assert set(still) == {f"c-{n}" for n in range(30, 37)}
    assert set(still.values()) == {"expected a number of s, got 'long'", "expected a number, it is missing"}
    assert [item["event_id"] for item in done["items"]] == [event["messageId"] for event in bad], "oldest first"

    logged = await events(host)
    assert len(logged) == len({event.id for event in logged}) == 993
    assert len({event.id for event in logged} | set(still)) == 1000, "each is in the log or still refused with a reason"
    seconds = {event.id: event.properties["seconds"] for event in logged}
    assert (seconds["c-9"], seconds["c-19"], seconds["c-29"]) == (540, 19, 29)

    assert await replayed(api, "fixed", code="bad_property", event="Call Ended") == done, (
        "the same key, the same answer"
    )
    again = await replayed(api, "again", ids=[item["id"] for item in done["items"]])
    assert Counter(item["status"] for item in again["items"]) == {"duplicate": 30, "rejected": 7}
    assert (await replayed(api, "rest"))["rejected"] == 7, "what was sent in is not looked at again"
    assert len(await events(host)) == 993
    assert (len(await letters(api, "&replayed=yes")), len(await letters(api, "&replayed=no"))) == (30, 7)
    assert len(await letters(api)) == 37
    (item,) = [item for item in (await api.get("/v1/events/c-3")).json()["items"] if item["status"] != "rejected"]
    assert item["changes"] == [{"path": "properties.seconds", "what": "3 min to s"}]


async def test_letters_are_listed_by_code_and_event(api: Api) -> None:
    await api.publish(STRICT)
    batch = [call(1), call(2), {**call(3), "event": ""}, {**call(4), "userId": None}]
    await api.post("/v1/batch", {"batch": batch})
    assert {letter["event_id"] for letter in await letters(api, "&code=bad_property")} == {"c-1", "c-2"}
    assert {letter["event_id"] for letter in await letters(api, "&event=callEnded")} == {"c-1", "c-2", "c-4"}
    assert {letter["event"] for letter in await letters(api)} == {"call_ended", None}
    assert await letters(api, "&code=too_late") == []
    page = (await api.get("/v1/dead-letters?limit=1&code=bad_property")).json()
    assert page["items"][0]["event_id"] == "c-2"
    page = (await api.get(f"/v1/dead-letters?limit=1&code=bad_property&cursor={page['next']}")).json()
    assert page["items"][0]["event_id"] == "c-1"


async def test_a_replay_goes_on_at_the_cursor_where_the_limit_was(api: Api) -> None:
    await api.publish(STRICT)
    await api.post("/v1/batch", {"batch": [call(n, seconds=f"{n} s") for n in range(5)]})
    await api.publish(FIXED)
    first = await replayed(api, "r-1", limit=2)
    assert [item["event_id"] for item in first["items"]] == ["c-3", "c-4"]
    second = await replayed(api, "r-2", limit=2, cursor=first["next"])
    assert [item["event_id"] for item in second["items"]] == ["c-1", "c-2"]
    third = await replayed(api, "r-3", limit=2, cursor=second["next"])
    assert ([item["event_id"] for item in third["items"]], third["next"]) == (["c-0"], None)


async def test_a_replay_of_a_time_takes_no_other_letters(api: Api) -> None:
    await api.post("/v1/batch", {"batch": [{**call(1), "event": ""}]})
    (letter,) = await letters(api)
    assert (await replayed(api, "r-1", since=letter["at"]))["rejected"] == 1
    assert (await replayed(api, "r-2", until=letter["at"]))["items"] == []


@pytest.mark.parametrize(
    "body",
    [{"ids": []}, {"ids": ["x"], "code": "bad_id"}, {"since": "yesterday"}, {"limit": 1001}, {"events": "x"}],
)
async def test_a_replay_that_says_nothing_sensible_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert (await api.post(REPLAY, body, idempotency_key="r")).status_code == 422


async def test_the_key_of_a_replay_stands_for_one_body(api: Api) -> None:
    assert (await api.post(REPLAY, {})).json()["code"] == "idempotency_key_required"
    await replayed(api, "r-1", code="bad_id")
    assert (await api.post(REPLAY, {"code": "no_event"}, idempotency_key="r-1")).status_code == 409
    assert (await api.post(REPLAY, {"cursor": "x"}, idempotency_key="r-2")).json()["code"] == "bad_cursor"
    unknown = await replayed(api, "r-3", ids=["in-1-1", "nonsense"])
    assert [item["code"] for item in unknown["items"]] == ["not_found", "not_found"]
    assert (await api.post(REPLAY, {}, key=api.browser, idempotency_key="r-4")).status_code == 403


async def test_what_a_browser_might_not_send_is_not_let_in_by_a_replay(api: Api, host: Host) -> None:
    """Else anybody could have points minted by whoever replays the letters."""
    await api.publish({"events": {"ping": {"client": True}}})
    forged = [
        call(1, seconds=1),
        {**call(2, seconds=1), "timestamp": "soon"},
        {**call(3), "event": "ping", "userId": 0.5},
    ]
    await api.post("/v1/batch", {"batch": forged}, key=api.browser)
    token = await api.token("amelia")
    await api.post("/v1/track", {**call(4), "event": "ping", "userId": "bruno"}, key=token)
    done = await replayed(api, "r-1")
    assert (done["accepted"], done["rejected"]) == (0, 4)
    codes = {item["event_id"]: item["code"] for item in done["items"]}
    assert codes == {"c-1": "not_allowed", "c-2": "bad_timestamp", "c-3": "bad_event", "c-4": "not_allowed"}
    old = DeadLetter("", 1, "not_allowed", event_id="c-9", raw=b'{"event":"x","userId":"u","messageId":"c-9"}')
    await api.context.redis.xadd(DEAD_LETTERS, {"d": encode_dead_letter(old)})
    assert (await replayed(api, "r-2"))["accepted"] == 0, "a letter of before this was remembered"
    assert await events(host) == []
    await api.publish({"events": {"call_ended": {"client": True}, "ping": {"client": True}}})
    assert [i["event_id"] for i in (await replayed(api, "r-3"))["items"] if i["status"] == "accepted"] == ["c-1"]


async def test_a_token_s_letter_is_its_player_s(api: Api, host: Host) -> None:
    mask: dict[str, Any] = {"client": True, "properties": {"seconds": {"type": "integer"}}}
    await api.publish({"events": {"call_ended": mask}})
    said = {**call(1, seconds="1 min"), "userId": None}
    assert (await api.post("/v1/track", said, key=await api.token("amelia"))).status_code == 400
    await api.publish({"events": {"call_ended": {**mask, "properties": {"seconds": MASK}}}})
    assert (await replayed(api, "r-1"))["accepted"] == 1
    assert [event.player for event in await events(host)] == ["amelia"]


async def test_the_mapping_of_the_key_that_sent_it_counts(api: Api, host: Host) -> None:
    await api.publish(STRICT)
    await api.post("/v1/batch", {"batch": [call(1, довго=7)]}, key=api.ingest)
    known = await api.context.keys.find(api.ingest, 0)
    assert known is not None
    await api.publish({**STRICT, "mappings": {known.id: {"properties": {"call_ended": {"Довго": "seconds"}}}}})
    assert (await replayed(api, "r-1"))["accepted"] == 1
    assert [event.properties for event in await events(host)] == [{"seconds": 7}]


async def test_set_aside_turns_are_replayed_once_whoever_asks(api: Api, host: Host) -> None:
    await api.post("/v1/track", call(1, seconds=1))
    await host.turn("player-1", (SetAside("ZeroDivisionError"),))
    (entry,) = await host.logged()
    assert isinstance(entry.entry, Event)
    letter = DeadLetter("", entry.at, "turn_failed", player="player-1", event_id="c-1", raw=encode_entry(entry.entry))
    await api.context.redis.xadd(dead(partition_of("player-1", PARTITIONS)), {"d": encode_dead_letter(letter)})
    (shown,) = await letters(api, "&event=call_ended")
    first = await replayed(api, "r-1", code="turn_failed")
    assert [(item["status"], item["event_id"]) for item in first["items"]] == [("accepted", "c-1~replay-1")]
    await api.context.redis.delete(f"{DEAD_LETTERS}:replays")  # as if two asked at the same moment
    second = await replayed(api, "r-2", ids=[shown["id"]])
    assert [(item["status"], item["event_id"]) for item in second["items"]] == [("duplicate", "c-1~replay-1")]
    assert len(await events(host)) == 2


async def test_a_replay_that_was_cut_short_goes_on(server: Server, api: Api, host: Host) -> None:
    await api.publish(STRICT)
    await api.post("/v1/batch", {"batch": [call(50 * n, seconds=f"{n} s") for n in range(120)]})
    await api.publish(FIXED)
    async with opened_api(settings_of(server, backlog_bound=110)) as small:
        refused = await small.post(REPLAY, {}, idempotency_key="r-1")
        assert (refused.status_code, len(await events(host))) == (429, 100)
    done = await replayed(api, "r-1")
    assert (done["accepted"], done["duplicates"], done["rejected"]) == (120, 0, 0)
    assert len(await events(host)) == 120
