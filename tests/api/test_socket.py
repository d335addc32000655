"""The player's socket, over a real connection."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.socket import PROTOCOL
from domain.decisions import Delivery, encode_delivery
from domain.effects import (
    Answered,
    Effect,
    HistoryRecord,
    JourneyEntered,
    LevelChanged,
    MissionProgressed,
    Posting,
    SegmentEntered,
    SegmentLeft,
    encode_record,
)
from domain.entries import Event
from domain.ids import partition_of
from store.client import connect as connect_store
from store.functions import load_functions
from store.identity import open_store
from store.keys import feed, poke, sockets
from tests.api.conftest import PARTITIONS, Api, Host, eventually, listening, opened_api, settings_of
from tests.conftest import Server, binary_of, data_dir, launch

PLAYER = "amelia"
P = partition_of(PLAYER, PARTITIONS)
POINTS = Posting("points", 5, 5, "earn-rules/bet-points")


class Player:
    """A client that says hello and reads frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, **message: Any) -> None:
        await self._connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            frame: dict[str, Any] = json.loads(await self._connection.recv())
            return frame

    async def hear_until(self, cursor: str) -> list[dict[str, Any]]:
        frames = [await self.hear()]
        while frames[-1]["cursor"] != cursor:
            frames.append(await self.hear())
        return frames

    async def closed(self) -> int:
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self._connection.recv()
        assert self._connection.close_code is not None
        return self._connection.close_code


@contextlib.asynccontextmanager
async def dialled(address: str, **options: Any) -> AsyncIterator[Player]:
    protocols: Any = [PROTOCOL]
    options.setdefault("close_timeout", 0.5)  # a client that leaves unread frames behind waits for that long
    async with connect(f"ws://{address}/v1/ws", subprotocols=protocols, **options) as connection:
        yield Player(connection)


@contextlib.asynccontextmanager
async def player(api: Api, address: str, cursor: str | None = None, name: str = PLAYER) -> AsyncIterator[Player]:
    """A connected player that has said hello."""
    token = await api.token(name)
    async with dialled(address) as player:
        await player.say(type="hello", token=token, cursor=cursor)
        yield player


async def show(redis: Redis, *effects: Effect, name: str = PLAYER) -> str:
    """Write a feed entry as a commit does, for a player that said hello before; its stream id."""
    p = partition_of(name, PARTITIONS)
    record = HistoryRecord("m-1", "bet_placed", 1_700_000_000_000, effects)
    place = await redis.xadd(feed(p, name), {"d": encode_record(record)}, maxlen=1_000, approximate=False)
    await redis.publish(poke(p), name)
    return str(place.decode())


async def test_deltas_come_as_typed_frames_with_cursors(api: Api, address: str, host: Host) -> None:
    async with player(api, address) as amelia:
        assert await amelia.hear() == {"type": "welcome", "player_id": PLAYER, "cursor": "0-0"}
        assert await api.context.redis.hexists(sockets(P), PLAYER)
        await api.post("/v1/track", {"event": "bet placed", "userId": PLAYER, "messageId": "m-1"})
        effects = (POINTS, Answered("ok"), MissionProgressed("ten-bets", "bets", 1, 10), LevelChanged("main", "silver"))
        await host.turn(PLAYER, effects)
        points, mission, level = [await amelia.hear() for _ in range(3)]
    assert points["type"] == "points"
    assert (points["currency"], points["amount"], points["balance"], points["event_id"]) == ("points", 5, 5, "m-1")
    assert datetime.fromisoformat(points["at"]).tzinfo == UTC
    assert (mission["mission"], mission["task"], mission["actual"], mission["expected"]) == ("ten-bets", "bets", 1, 10)
    assert (level["system"], level["level"]) == ("main", "silver")
    assert [f["cursor"].rpartition(".")[2] for f in (points, mission, level)] == ["0", "1", "2"]


async def test_segments_come_as_frames_only_when_they_are_visible(api: Api, address: str) -> None:
    await api.publish({"segments": {"club": {"visible": True}, "at-risk": {}}})
    async with player(api, address) as amelia:
        await amelia.hear()
        place = await show(api.context.redis, SegmentEntered("at-risk"), SegmentEntered("club"), POINTS)
        club, points = await amelia.hear(), await amelia.hear()
        assert (club["type"], club["segment"], club["entered"]) == ("segment", "club", True)
        assert [frame["cursor"] for frame in (club, points)] == [f"{place}.1", f"{place}.2"]
        await show(api.context.redis, SegmentLeft("at-risk"), JourneyEntered("welcome", 1), SegmentLeft("club"))
        left = await amelia.hear()
        assert (left["segment"], left["entered"]) == ("club", False)


async def test_a_cursor_stays_true_when_a_segment_becomes_visible(api: Api, address: str) -> None:
    await api.publish({"segments": {"club": {}}})
    async with player(api, address) as amelia:
        await amelia.hear()
        await show(api.context.redis, SegmentEntered("club"), POINTS, LevelChanged("main", "silver"))
        cursor = (await amelia.hear())["cursor"]
    await api.publish({"segments": {"club": {"visible": True}}})
    async with player(api, address, cursor) as amelia:
        await amelia.hear()
        assert (await amelia.hear())["type"] == "level"


async def test_a_notification_comes_as_a_frame(api: Api, address: str) -> None:
    delivery = Delivery("req_1", "come-back", "promo", "Hi", "Come back", 1_700_000_000_000, 1_700_000_100_000)
    async with player(api, address) as amelia:
        await amelia.hear()
        await api.context.redis.xadd(feed(P, PLAYER), {"n": encode_delivery(delivery)})
        await api.context.redis.publish(poke(P), PLAYER)
        frame = await amelia.hear()
    assert (frame["type"], frame["message_id"], frame["title"]) == ("notification", "req_1", "Hi")


async def test_a_cursor_brings_what_was_missed_once(api: Api, address: str) -> None:
    redis = api.context.redis
    async with player(api, address) as amelia:
        await amelia.hear()
        await show(redis, POINTS, LevelChanged("main", "silver"))
        cursor = (await amelia.hear())["cursor"]  # the level of the same entry was not seen
    places = [await show(redis, POINTS) for _ in range(200)]
    async with player(api, address, cursor) as amelia:
        assert (await amelia.hear())["cursor"] == cursor
        frames = await amelia.hear_until(f"{places[-1]}.0")
        assert [frame["type"] for frame in frames] == ["level"] + ["points"] * 200
        assert [frame["cursor"] for frame in frames[1:]] == [f"{place}.0" for place in places]
        last = await show(redis, POINTS)
        assert (await amelia.hear())["cursor"] == f"{last}.0"


@pytest.mark.parametrize("cursor", ["1-0", "nonsense", "9999999999999999-0.3", "5.-1"])
async def test_a_cursor_that_cannot_be_resumed_brings_the_full_state(api: Api, address: str, cursor: str) -> None:
    redis = api.context.redis
    await redis.hset(sockets(P), PLAYER, "1")
    *_, last = [await show(redis, POINTS) for _ in range(3)]
    await redis.xtrim(feed(P, PLAYER), maxlen=2, approximate=False)
    async with player(api, address, cursor) as amelia:
        assert (await amelia.hear())["type"] == "welcome"
        resync = await amelia.hear()
        assert (resync["type"], resync["cursor"], resync["state"]["id"]) == ("resync", last, PLAYER)
        fresh = await show(redis, POINTS)
        assert (await amelia.hear())["cursor"] == f"{fresh}.0"


async def test_the_first_cursor_of_a_feed_that_lost_nothing_is_resumed(api: Api, address: str) -> None:
    await api.context.redis.hset(sockets(P), PLAYER, "1")
    place = await show(api.context.redis, POINTS)
    async with player(api, address, "0-0") as amelia:
        assert [(await amelia.hear())["type"] for _ in range(2)] == ["welcome", "points"]
        assert place


async def test_what_is_committed_while_sockets_come_and_go_arrives_once_each(api: Api, address: str) -> None:
    redis = api.context.redis
    seen: list[str] = []
    await redis.hset(sockets(P), PLAYER, "1")
    places = [await show(redis, POINTS)]
    cursor = "0-0"

    async def write() -> None:
        for _ in range(100):
            places.append(await show(redis, POINTS))  # noqa: PERF401 - the other side reads it meanwhile

    writing = asyncio.create_task(write())
    while len(seen) < 101:
        async with player(api, address, cursor) as amelia:
            assert (await amelia.hear())["type"] == "welcome"
            for _ in range(min(17, 101 - len(seen))):
                cursor = (await amelia.hear())["cursor"]
                seen.append(cursor)
    await writing
    assert seen == [f"{place}.0" for place in places]


async def test_an_entry_that_cannot_be_read_is_passed_over(api: Api, address: str) -> None:
    async with player(api, address) as amelia:
        await amelia.hear()
        await api.context.redis.xadd(feed(P, PLAYER), {"d": b"\xc1"})
        place = await show(api.context.redis, POINTS)
        assert (await amelia.hear())["cursor"] == f"{place}.0"


# --- what the client says ---------------------------------------------------------------------------------------------


async def test_receipts_become_events_of_the_player_once(api: Api, address: str, host: Host) -> None:
    async with player(api, address) as amelia:
        await amelia.hear()
        for what in ("seen", "seen", "clicked", "dismissed"):
            await amelia.say(type=what, message_id="req_1")
        await amelia.say(type="track", event="Round Finished")
        assert (await amelia.hear())["code"] == "not_allowed"
    entries = [entry.entry for entry in await host.logged()]
    assert [(e.player, e.name, e.properties) for e in entries if isinstance(e, Event)] == [
        (PLAYER, f"message_{what}", {"message_id": "req_1"}) for what in ("seen", "clicked", "dismissed")
    ]


async def test_a_marked_event_may_be_tracked(api: Api, address: str, host: Host) -> None:
    await api.publish({"events": {"round_finished": {"client": True}}})
    async with player(api, address) as amelia:
        await amelia.hear()
        await amelia.say(type="track", event="Round Finished", messageId="t-1", properties={"n": 1})
        assert await amelia.hear() == {"type": "accepted", "event_id": "t-1", "duplicate": False}
        await amelia.say(type="track", event="Round Finished", messageId="t-2", userId="bruno")
        assert (await amelia.hear())["code"] == "not_allowed"
    assert [e.entry.player for e in await host.logged() if isinstance(e.entry, Event)] == [PLAYER]


async def test_odd_messages_are_answered_with_an_error(api: Api, address: str) -> None:
    async with player(api, address) as amelia:
        await amelia.hear()
        await amelia.say(type="ack", cursor="0-0")
        for odd in ("{", "[]", '{"type": 1}', '{"type": "dance"}', "[" * 5_000):
            await amelia._connection.send(odd)
            assert (await amelia.hear())["code"] == "bad_message"
        await amelia._connection.send(b"\x00")
        assert (await amelia.hear())["code"] == "bad_message"


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hello",
    [
        pytest.param({"type": "hello", "token": "nonsense"}, id="no token"),
        pytest.param({"type": "ack", "cursor": "1-0"}, id="not hello"),
        pytest.param({}, id="nothing"),
    ],
)
async def test_a_bad_hello_ends_the_socket(address: str, hello: dict[str, Any]) -> None:
    async with dialled(address) as stranger:
        await stranger.say(**hello)
        assert await stranger.closed() == 1008


async def test_without_hello_the_socket_ends(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.socket.HELLO_WITHIN_S", 0.1)
    async with dialled(address) as silent:
        assert await silent.closed() == 1008


async def test_the_socket_ends_with_its_token(api: Api, address: str) -> None:
    token = (await api.post(f"/v1/players/{PLAYER}/token", {"ttl_s": 1})).json()["token"]
    async with dialled(address) as amelia:
        await amelia.say(type="hello", token=token)
        assert (await amelia.hear())["type"] == "welcome"
        assert await amelia.closed() == 1008


async def test_too_many_messages_end_the_socket(api: Api, address: str) -> None:
    async with player(api, address) as flood:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(101):
                await flood.say(type="ack", cursor="0-0")
        assert await flood.closed() == 1008


async def test_a_frame_over_64_kb_ends_the_socket(api: Api, address: str) -> None:
    async with player(api, address) as heavy:
        await heavy.say(type="track", event="x" * 65_536)
        assert await heavy.closed() == 1009


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        (None, False),
        ("null", False),
        ("https://app.example.com.evil", False),
        ("https://app.example.com:8443", False),
        ("http://app.example.com", False),
        ("https://evil.example.com", False),
    ],
)
async def test_only_allowed_origins_may_connect(server: Server, made: Redis, origin: str | None, allowed: bool) -> None:
    assert made
    settings = settings_of(server, socket_origins=("https://app.example.com",))
    async with opened_api(settings) as strict, listening(strict.app) as address:
        if allowed:
            async with dialled(address, origin=origin) as player:
                await player.say(type="hello", token=await strict.token(PLAYER))
                assert (await player.hear())["type"] == "welcome"
        else:
            with pytest.raises(InvalidStatus) as refused:
                async with dialled(address, origin=origin):
                    pass
            assert refused.value.response.status_code == 403


async def test_another_subprotocol_is_refused(address: str) -> None:
    protocols: Any = ["chat.v9"]
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://{address}/v1/ws", subprotocols=protocols):
            pass


async def test_a_slow_reader_is_cut_and_delays_nobody(api: Api, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.socket.SEND_WITHIN_S", 0.5)
    redis = api.context.redis
    long = LevelChanged("main", "x" * 60_000)
    token, other = await api.token("slow"), await api.token("quick")
    host_, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host_, int(port), limit=1024)
    writer.write(
        f"GET /v1/ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    hello = json.dumps({"type": "hello", "token": token}).encode()
    writer.write(b"\x81\xfe" + len(hello).to_bytes(2, "big") + bytes(4) + hello)  # masked with zeros
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # this one reads no more

    async with dialled(address) as quick:
        await quick.say(type="hello", token=other)
        await quick.hear()

        async def connected() -> bool:
            return api.context.feeds.connected == 2 and bool(
                await redis.hexists(sockets(partition_of("slow", PARTITIONS)), "slow")
            )

        await eventually(connected, "both sockets")

        async def cut() -> bool:
            await show(redis, long, name="slow")
            place = await show(redis, POINTS, name="quick")
            async with asyncio.timeout(1):
                assert (await quick.hear())["cursor"] == f"{place}.0"
            return not api.context.feeds.online("slow")

        await eventually(cut, "the slow socket to be cut", 20)
        assert api.context.counts["sockets_cut"] == 1
        assert api.context.feeds.connected == 1
    writer.close()


async def test_after_a_restart_of_the_store_nothing_was_missed() -> None:
    with data_dir() as data:
        server = launch(binary_of("valkey"), data)
        redis = connect_store(server.url)
        await load_functions(redis)
        await open_store(redis, partitions=PARTITIONS, clock="store", seed="seed")
        try:
            async with (
                opened_api(settings_of(server)) as api,
                listening(api.app) as address,
                player(api, address) as amelia,
            ):
                await amelia.hear()
                first = await show(redis, POINTS)
                assert (await amelia.hear())["cursor"] == f"{first}.0"
                server.stop()
                server = launch(binary_of("valkey"), data)
                await redis.connection_pool.disconnect()
                record = encode_record(HistoryRecord("m-2", "bet_placed", 1, (POINTS,)))
                unheard = await redis.xadd(feed(P, PLAYER), {"d": record})  # nobody may be subscribed yet
                assert (await amelia.hear())["cursor"] == f"{unheard.decode()}.0"
                again = await show(redis, POINTS)
                assert (await amelia.hear())["cursor"] == f"{again}.0"
        finally:
            await redis.aclose()
            server.stop()
