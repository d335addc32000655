"""What became of an event."""

from typing import Any

from domain.decisions import Decision, encode_decision
from domain.effects import MessageRequested, Posting, SetAside
from domain.entries import Event, encode_entry
from domain.ids import partition_of
from store.dead_letters import DeadLetter, encode_dead_letter
from store.keys import TOWER, dead
from tests.api.conftest import PARTITIONS, Api, Host

BET = {"event": "Bet Placed", "userId": "amelia", "messageId": "m-1"}
POINTS = Posting("points", 5, 5, "earn-rules/bet-points")


async def items(api: Api, event_id: str = "m-1") -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/events/{event_id}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_an_event_is_followed_from_the_log_to_its_decisions(api: Api, host: Host) -> None:
    await api.post("/v1/track", BET)
    (item,) = await items(api)
    assert (item["player_id"], item["status"], item["name"], item["effects"]) == (
        "amelia",
        "accepted",
        "bet_placed",
        [],
    )
    await host.turn("amelia", (POINTS, MessageRequested("req_1", "come-back", "promo")))
    decision = Decision("req_1", "come-back", "promo", "held", 1_700_000_000_000, reasons=("quiet_hours",))
    other = Decision("req_2", "other", "promo", "cleared", 1_700_000_000_000)
    p = partition_of("amelia", PARTITIONS)
    for one in (decision, other):
        await api.context.redis.xadd(TOWER.history(p, "amelia"), {"d": encode_decision(one)})
    (item,) = await items(api)
    assert item["status"] == "applied"
    assert [effect["kind"] for effect in item["effects"]] == ["points", "message_requested"]
    assert [(d["request_id"], d["outcome"]) for d in item["decisions"]] == [("req_1", "held")]
    assert item["log"]["partition"] == p


async def test_an_event_without_effects_is_applied_once_the_partition_has_passed_it(api: Api, host: Host) -> None:
    await api.post("/v1/track", BET)
    await host.turn("amelia")
    assert [item["status"] for item in await items(api)] == ["applied"]


async def test_players_that_used_the_same_id_are_all_listed(api: Api) -> None:
    for user in ("amelia", "bruno", "chiara"):
        await api.post("/v1/track", {**BET, "userId": user})
    assert {item["player_id"] for item in await items(api)} == {"amelia", "bruno", "chiara"}


async def test_a_rejected_event_is_found_with_its_reason(api: Api) -> None:
    await api.post("/v1/track", {**BET, "event": None})
    (item,) = await items(api)
    assert (item["status"], item["rejection"]["code"]) == ("rejected", "no_event")


async def test_what_a_turn_set_aside_is_listed_and_replayed_under_the_next_id(api: Api, host: Host) -> None:
    await api.post("/v1/track", BET)
    await host.turn("amelia", (SetAside("ZeroDivisionError"),))
    (entry,) = await host.logged()
    assert isinstance(entry.entry, Event)
    letter = DeadLetter(
        "", entry.at, "turn_failed", "ZeroDivisionError", f"log:{entry.offset}", "amelia", "m-1",
        encode_entry(entry.entry),
    )  # fmt: skip
    await api.context.redis.xadd(dead(partition_of("amelia", PARTITIONS)), {"d": encode_dead_letter(letter)})
    assert [item["status"] for item in await items(api)] == ["set_aside"]
    (shown,) = (await api.get("/v1/dead-letters")).json()["items"]
    assert (shown["from"], shown["code"]) == ("turn", "turn_failed")
    path = f"/v1/dead-letters/{shown['id']}/replay"
    for key, event_id in (("r-1", "m-1~replay-1"), ("r-1", "m-1~replay-1"), ("r-2", "m-1~replay-2")):
        answer = await api.post(path, idempotency_key=key)
        assert answer.json()["event_id"] == event_id, answer.text
    corrected = await api.post(path, {**BET, "event": "Bet Settled"}, idempotency_key="r-3")
    assert corrected.json()["event_id"] == "m-1~replay-3"
    names = [e.entry.name for e in await host.logged() if isinstance(e.entry, Event)]
    assert names == ["bet_placed", "bet_placed", "bet_placed", "bet_settled"]


async def test_the_trace_needs_the_right_to_read(api: Api) -> None:
    assert (await api.get("/v1/events/m-1", key=api.ingest)).status_code == 403
