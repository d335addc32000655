"""What a provider reports over its own connection: receipts in the logs of those it is about."""

import pytest
from redis.asyncio import Redis

from actors.courier.inbound import LATENESS_MAX_MS, Inbox
from channels.ports import Inbound
from crm.addresses import digest_of
from crm.identity.duplicates import key_actor
from domain.entries import Event
from domain.ids import partition_of
from domain.player import Identity, Snapshot, all_parts
from domain.receipts import outcome_of
from store.intake import Intake
from store.keys import PLAYERS
from store.ports import Unavailable
from store.provider_ids import Posted, ProviderIds
from store.redis_lane import RedisLane
from tests.actors.hands import HandClock

pytestmark = pytest.mark.redis
PARTITIONS = 4
NOW = 1_772_438_400_000
POSTED = Posted("ada", "req-1", "sms", "hello", "promo", "0123456789abcdef")


async def told(redis: Redis, *inbound: Inbound, bound: int = 0) -> list[Event]:
    """Let an inbox take reports; what is in the logs then."""
    intake, ids = Intake(redis, PARTITIONS, bound=bound, keep_ms=1_000_000), ProviderIds(redis)
    inbox = Inbox(redis, intake, ids, HandClock(NOW), connector="smsc", channel="sms")
    for each in inbound:
        await inbox.take(each)
    read = await RedisLane(redis, PLAYERS).read(dict.fromkeys(range(PARTITIONS), "0-0"), 100, 1)
    return [entry.entry for p in sorted(read) for entry in read[p] if isinstance(entry.entry, Event)]


async def test_a_report_goes_to_the_player_whose_message_it_is_once(redis: Redis) -> None:
    await ProviderIds(redis).remember([("smsc", "77", POSTED)])
    report = Inbound("delivered", at=NOW - 5_000, provider_id="77")
    (event,) = await told(redis, report, report)
    assert (event.player, outcome_of(event), event.occurred_at) == ("ada", "delivered", NOW - 5_000)
    assert event.properties["message_id"] == "req-1"
    assert event.properties["address"] == POSTED.address


async def test_a_reply_goes_to_everybody_who_has_that_phone(redis: Redis) -> None:
    actor = key_actor("phone", "+447700900123")
    parts = all_parts(Snapshot(actor, identity=Identity(claims={"ada": {}, "bob": {}})))
    await redis.hset(PLAYERS.state(partition_of(actor, PARTITIONS), actor), mapping=parts)
    events = await told(redis, Inbound("replied", address="+447700900123", detail="STOP"))
    assert {event.player for event in events} == {"ada", "bob"}
    assert events[0].properties["detail"] == "STOP"
    assert events[0].properties["address"] == digest_of("+447700900123")


async def test_what_is_nobodys_is_dropped(redis: Redis) -> None:
    nobodys = [
        Inbound("delivered", provider_id="99"),
        Inbound("replied", address="+1"),
        Inbound("invented", player="ada"),
    ]
    assert await told(redis, *nobodys) == []


async def test_only_couriers_say_how_a_claim_ended_and_no_clock_of_1970_is_believed(redis: Redis) -> None:
    await ProviderIds(redis).remember([("smsc", "77", POSTED)])
    words = ("sent", "returned", "stopped", "withdrawn", "expired", "unknown")
    assert await told(redis, *(Inbound(word, provider_id="77") for word in words)) == []
    (event,) = await told(redis, Inbound("delivered", at=1, provider_id="77"))
    assert event.occurred_at == NOW - LATENESS_MAX_MS


async def test_a_full_partition_leaves_it_with_the_provider(redis: Redis) -> None:
    await told(redis, Inbound("replied", player="ada", detail="one"))
    with pytest.raises(Unavailable):
        await told(redis, Inbound("replied", player="ada", detail="two"), bound=1)
