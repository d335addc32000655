"""What the links of messages do, and what they refuse to do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.clock import new_id
from api import hosted_links, links
from api.pace import Pace
from domain.dispatch import Dispatch
from domain.entries import Event, Fact, decode_entry, encode_entry
from domain.ids import partition_of
from domain.links import Link, LinkKind, sign
from store.keys import CHANNELS, PLAYERS, TOWER, mute
from store.ports import Commit, Settlement
from store.queue import RedisQueue
from store.redis_lane import RedisLane
from tests.api.world import PARTITIONS, TOKEN_SECRET, World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

TARGET = "https://shop.example/spring?a=1&b=2"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"}
REQUEST = "req_1_0123456789abcdef01234567"


@pytest.fixture
async def idle(server: Server, redis: Redis) -> AsyncIterator[World]:
    """A gateway without hosts: what it appends stays in the logs."""
    async with world_of(server, redis, hosts=False) as made:
        made.http.headers.pop("authorization")
        made.http.headers.update(BROWSER)
        yield made


@pytest.fixture
async def world(server: Server, redis: Redis) -> AsyncIterator[World]:
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nothing counted."""
    monkeypatch.setattr(links, "_clicks", Pace(links.CLICKS_PER_MINUTE))
    monkeypatch.setattr(hosted_links, "_presses", Pace(hosted_links.PRESSES_PER_MINUTE))


def token(world: World, kind: LinkKind, player: str = "amelia", **of: Any) -> str:
    of = {"request": REQUEST, "channel": "email", "issued_at": world.context.clock.now_ms(), **of}
    return sign(TOKEN_SECRET, Link(kind, player, **of))


async def logged(redis: Redis) -> list[Event]:
    """Return the events in the players' logs."""
    found = []
    for p in range(PARTITIONS):
        for _, fields in await redis.xrange(PLAYERS.log(p)):
            if isinstance(entry := decode_entry(fields[b"e"]), Event):
                found.append(entry)
    return found


async def marks(redis: Redis, player: str) -> set[str]:
    value = await redis.hget(mute(partition_of(player, PARTITIONS)), player)
    return set(value.decode().splitlines()) if value else set()


async def test_a_click_goes_to_the_signed_target_and_each_link_counts_once_a_minute(
    idle: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MINUTE_MS", 86_400_000)  # the test may run over the end of a minute
    path = f"/r/{token(idle, 'click', target=TARGET, template='spring', purpose='promo')}"
    for _ in range(20):
        answer = await idle.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["referrer-policy"] == "no-referrer"
    await idle.http.get(f"/r/{token(idle, 'click', target=TARGET + '&c=3')}")
    first, second = await logged(idle.redis)
    assert (first.properties["url"], second.properties["url"]) == (TARGET, TARGET + "&c=3")
    assert (first.name, first.type, first.player) == ("message_clicked", "message", "amelia")
    assert first.properties == {
        "message_id": REQUEST, "channel": "email", "template": "spring", "purpose": "promo", "url": TARGET,
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"User-Agent": "WhatsApp/2.23.20.0"}, id="a messenger's preview"),
        pytest.param({"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, id="a crawler"),
        pytest.param({"User-Agent": "facebookexternalhit/1.1"}, id="another preview"),
        pytest.param({"Sec-Purpose": "prefetch;prerender"}, id="a browser that loads ahead"),
        pytest.param({"X-Moz": "prefetch"}, id="an older browser that loads ahead"),
    ],
)
async def test_programs_that_look_first_are_redirected_and_do_not_count(idle: World, headers: dict[str, str]) -> None:
    answer = await idle.http.get(f"/r/{token(idle, 'click', target=TARGET)}", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    await idle.http.get(f"/o/{token(idle, 'open')}.gif", headers=headers)
    assert await logged(idle.redis) == []


async def test_head_counts_for_nothing(idle: World) -> None:
    assert (await idle.http.head(f"/r/{token(idle, 'click', target=TARGET)}")).status_code == 302
    assert (await idle.http.head(f"/o/{token(idle, 'open')}.gif")).status_code == 200
    assert await logged(idle.redis) == []


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("javascript:alert(1)", id="a script"),
        pytest.param("data:text/html,<script>", id="data"),
        pytest.param("//evil.example/", id="without a scheme"),
        pytest.param("https://good.example\r\nSet-Cookie: a=b", id="a header smuggled in"),
        pytest.param("https://good.example\\@evil.example", id="a backslash"),
        pytest.param("ftp://files.example/", id="another protocol"),
        pytest.param("", id="nowhere"),
    ],
)
async def test_a_target_that_is_no_web_address_is_not_gone_to(idle: World, target: str) -> None:
    answer = await idle.http.get(f"/r/{token(idle, 'click', target=target)}")
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert await logged(idle.redis) == []


async def test_a_link_counts_at_most_so_often_a_minute_and_goes_on_redirecting(
    idle: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "_clicks", Pace(2))
    path = f"/r/{token(idle, 'click', target=TARGET)}"
    assert [(await idle.http.get(path)).status_code for _ in range(4)] == [302] * 4
    assert idle.context.counts["clicked_not_counted"] == 2


async def test_an_open_counts_once_a_minute(idle: World) -> None:
    path = f"/o/{token(idle, 'open', template='spring')}.gif"
    answers = [await idle.http.get(path) for _ in range(3)]
    assert {len(answer.content) for answer in answers} == {43}
    assert answers[0].headers["content-type"] == "image/gif"
    assert "no-store" in answers[0].headers["cache-control"]
    opens = await logged(idle.redis)
    minutes = {event.occurred_at // 60_000 for event in opens}
    assert len(opens) == len(minutes) <= 2  # 2: the tests crossed a minute
    assert opens[0].name == "message_opened"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("/r/{}", id="click"),
        pytest.param("/o/{}.gif", id="open"),
        pytest.param("/u/{}", id="unsubscribe"),
        pytest.param("/preferences/{}", id="preferences"),
        pytest.param("/confirm/{}", id="confirm"),
    ],
)
async def test_hostile_tokens_do_nothing(idle: World, form: str) -> None:
    good = token(idle, "status", target=TARGET)  # ours, of a kind that no page has
    flipped = good[:-1] + ("A" if good[-1] != "A" else "B")
    forged = sign("another secret of thirty-two bytes", Link("click", "amelia", target=TARGET))
    for hostile in (good, flipped, forged, "x", "%00", "%D0%B0", "....", "=" * 50, "A" * 5_000):
        answer = await idle.http.get(form.format(hostile))
        assert answer.status_code in (404, 422), (hostile[:40], answer.status_code)
        if not form.startswith(("/r", "/o")):
            posted = await idle.http.post(form.format(hostile), content=b"List-Unsubscribe=One-Click")
            assert posted.status_code in (404, 422), (hostile[:40], posted.status_code)
    assert await logged(idle.redis) == []


@pytest.mark.parametrize(
    ("kind", "path", "days"),
    [
        ("click", "/r/{}", 801),
        ("open", "/o/{}.gif", 801),
        ("unsubscribe", "/u/{}", 3_661),
        ("preferences", "/preferences/{}", 401),
        ("confirm", "/confirm/{}", 31),
    ],
)
async def test_a_link_that_is_too_old_says_so(idle: World, kind: LinkKind, path: str, days: int) -> None:
    old = token(idle, kind, target=TARGET, issued_at=idle.context.clock.now_ms() - days * hosted_links.DAY_MS)
    assert (await idle.http.get(path.format(old))).status_code == 410
    young = token(idle, kind, target=TARGET, issued_at=idle.context.clock.now_ms() - (days - 2) * hosted_links.DAY_MS)
    assert (await idle.http.get(path.format(young))).status_code in (200, 302)


async def test_a_get_never_unsubscribes(idle: World) -> None:
    answer = await idle.http.get(f"/u/{token(idle, 'unsubscribe', target='promo')}")
    assert answer.status_code == 200
    assert 'method="post"' in answer.text
    assert await logged(idle.redis) == []
    assert await marks(idle.redis, "amelia") == set()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", id="a form"),
        pytest.param(
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            id="many parts",
        ),
        pytest.param(b"List-Unsubscribe=One-Click", "text/plain", id="another type"),
        pytest.param(b"", "application/octet-stream", id="nothing"),
        pytest.param(b"\xff\xfe&=&&=%%%" + b"a=1&" * 3_000, "application/x-www-form-urlencoded", id="rubbish"),
    ],
)
async def test_one_click_unsubscribes_whatever_the_body_is(idle: World, body: bytes, content_type: str) -> None:
    path = f"/u/{token(idle, 'unsubscribe', target='casino/email', purpose='promo')}"
    answer = await idle.http.post(path, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    assert "set-cookie" not in answer.headers
    assert await marks(idle.redis, "amelia") == {"casino/email"}
    changed, receipt = await logged(idle.redis)
    assert (changed.name, changed.properties["granted"], changed.properties["source"]) == (
        "consent_changed", False, "one_click",
    )  # fmt: skip
    assert (changed.properties["product"], changed.properties["channel"]) == ("casino", "email")
    assert REQUEST in changed.properties["proof"]
    assert (receipt.name, receipt.type, receipt.properties["message_id"]) == (
        "message_unsubscribed",
        "message",
        REQUEST,
    )


async def test_a_body_that_is_too_long_is_refused_and_changes_nothing(idle: World) -> None:
    path = f"/u/{token(idle, 'unsubscribe', target='promo')}"
    answer = await idle.http.post(path, content=b"x" * (hosted_links.FORM_MAX + 1))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert await marks(idle.redis, "amelia") == set()


async def test_the_token_of_one_player_never_concerns_another(idle: World) -> None:
    await idle.http.post(f"/u/{token(idle, 'unsubscribe', 'amelia', target='promo')}")
    assert await marks(idle.redis, "amelia") == {"promo"}
    assert await marks(idle.redis, "basil") == set()


async def test_pressing_without_end_is_slowed(idle: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_links, "_presses", Pace(1))
    path = f"/u/{token(idle, 'unsubscribe', target='promo')}"
    assert (await idle.http.post(path)).status_code == 200
    answer = await idle.http.post(path)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


async def test_who_unsubscribed_is_told_so_and_may_undo_it(world: World) -> None:
    path = f"/u/{token(world, 'unsubscribe', target='promo')}"
    assert "Offers and promotions" in (await world.http.post(path)).text

    async def page(said: str) -> str:
        async with asyncio.timeout(10):
            while said not in (text := (await world.http.get(path)).text):
                pass
            return text

    assert 'value="undo"' in await page("You are unsubscribed")
    undone = await world.http.post(path, data={"action": "undo"})
    assert "You are subscribed again" in undone.text
    assert 'value="One-Click"' in await page("Stop these messages")
    async with asyncio.timeout(10):
        while await marks(world.redis, "amelia"):
            pass


async def test_pages_speak_the_players_language_else_the_browsers(world: World) -> None:
    path = f"/u/{token(world, 'unsubscribe', target='promo')}"
    russian = await world.http.get(path, headers={"Accept-Language": "de, ru;q=0.8, en;q=0.5"})
    assert '<html lang="ru">' in russian.text
    await world.happen("amelia", "seen", "m-1", traits={"locale": "uk-UA"})
    assert '<html lang="uk">' in (await world.http.get(path, headers={"Accept-Language": "ru"})).text
    assert '<html lang="en">' in (await world.http.get("/u/nonsense")).text


async def test_pages_keep_their_address_to_themselves(idle: World) -> None:
    answer = await idle.http.get(f"/preferences/{token(idle, 'preferences')}")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"].startswith("noindex")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in answer.text


async def test_a_client_cannot_say_that_a_message_was_opened(world: World) -> None:
    event = {"type": "message", "event": "message_opened", "userId": "amelia", "messageId": "m-1"}
    answer = await world.http.post("/v1/track", json=event)
    batch = await world.http.post("/v1/batch", json={"batch": [event]})
    assert [event.type for event in await logged(world.redis)] == ["track"]  # by its path it is an event like any
    assert batch.json()["rejected"], batch.text
    assert answer.status_code == 200


async def test_one_click_stops_what_is_cleared_already_and_waits_for_a_provider(idle: World) -> None:
    """The 200 is the promise: a claim after it is refused, whatever the player's turns know."""
    p = partition_of("amelia", PARTITIONS)
    now = idle.context.clock.now_ms()
    towers = RedisLane(idle.redis, TOWER)
    owner = await towers.acquire(p, "t1", new_id(), 60_000)
    body = encode_entry(Fact("amelia", "locale", "en", now))
    told = await idle.context.intake.append_internal(p, "fact-1", body, TOWER)
    waiting = [
        Dispatch(id_, "amelia", "email", "promo", "spring", {}, now, now + 60_000, now + 60_000, ("promo", "email"))
        for id_ in ("req_1_first", "req_1_second")
    ]
    commit = Commit(owner.offset, told.offset, 1, dispatches=waiting)
    ((verdict, _),) = await towers.commit([(owner.token, commit)])
    assert verdict == "OK"
    couriers, queue = RedisLane(idle.redis, CHANNELS), RedisQueue(idle.redis)
    courier = await couriers.acquire(p, "c1", new_id(), 60_000)
    (first,) = await queue.claim(courier.token, "c1:1", [("email", "bulk", 1)])
    assert first.refused == ""
    assert await queue.settle([Settlement(p, "amelia", first.dispatch.id, "c1:1")]) == [True]

    answer = await idle.http.post(
        f"/u/{token(idle, 'unsubscribe', target='promo')}", content=b"List-Unsubscribe=One-Click"
    )
    assert answer.status_code == 200
    (second,) = await queue.claim(courier.token, "c1:2", [("email", "bulk", 1)])
    assert (second.dispatch.id, second.refused) == ("req_1_second", "muted")
