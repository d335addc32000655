"""What a courier sends, to whom, by which connector; and what the player's log is told of it. Time is virtual."""

import asyncio
from typing import Any

import pytest

from actors.courier.ladder import LADDER_S
from channels.ports import Parcel, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from domain.ids import partition_of
from domain.links import read
from store.ports import Unavailable
from store.provider_ids import Posted, ProviderIds
from tests.actors.post import (
    PARTITIONS,
    SECRET,
    Office,
    Provider,
    answers,
    message,
    never,
    now_ms,
    run,
    takes_all,
)


async def breaks(_: Parcel) -> Result:
    raise ZeroDivisionError("one over nothing")


def test_a_cleared_message_is_sent_and_its_player_is_told() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(1)
        (event,) = office.events("amelia")
        assert (event.name, event.type, event.source) == ("message_sent", "message", "channel:email")
        assert event.properties["connector"] == "mail"
        assert event.properties["address"] == Address("email", "amelia@example.com").digest
        assert office.in_flight() == office.waiting() == 0
        posted = await ProviderIds(office.redis).find("mail", "its-req-1")
        assert posted == Posted("amelia", "req-1", "email", "hello", "promo", event.properties["address"])

    run(story)


def test_only_partitions_with_something_due_are_asked_for_claims() -> None:
    async def story() -> None:
        office, asked = Office(), []
        claim = office.queue.claim

        async def noted(token: Any, *rest: Any) -> Any:
            asked.append(token.partition)
            return await claim(token, *rest)

        office.queue.claim = noted
        office.connector("mail", Provider(takes_all))
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(1)
        assert office.outcomes() == [("req-1", "sent")]
        assert asked == [partition_of("amelia", PARTITIONS)]

    run(story)


def test_a_parcel_carries_signed_links_and_a_second_try_is_the_same_to_the_byte() -> None:
    async def story() -> None:
        office = Office()
        provider = Provider(answers(Retry("busy", is_provider=False), Sent()))
        office.connector("mail", provider)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(10)
        (_, first), (_, second) = provider.parcels
        assert first.unsubscribe_url.startswith("https://play.example/u/")
        link = read(SECRET, first.unsubscribe_url.rpartition("/")[2], "unsubscribe")
        assert link is not None
        assert (link.player, link.request, link.channel) == ("amelia", "req-1", "email")
        status = read(SECRET, first.status_url.rpartition("=")[2], "status")
        assert status is not None
        assert first.status_url.startswith("https://play.example/v1/hooks/mail?t=")
        assert (first.content, first.unsubscribe_url, first.status_url) == (
            second.content, second.unsubscribe_url, second.status_url,
        )  # fmt: skip

    run(story)


@pytest.mark.parametrize(("purpose", "has_one"), [("promo", True), ("reward", True), ("service", False)])
def test_nobody_unsubscribes_from_what_must_reach_them(purpose: str, has_one: bool) -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.clear(message("req-1", purpose=purpose))
        office.start()
        await asyncio.sleep(1)
        assert bool(provider.parcels[0][1].unsubscribe_url) is has_one

    run(story)


@pytest.mark.parametrize(
    ("results", "purpose", "is_idempotent", "outcomes", "tries"),
    [
        pytest.param([Rejected("no such template")], "promo", False, ["failed"], 1, id="rejected: failed"),
        pytest.param(
            [Rejected("no such mailbox", is_address_dead=True)], "promo", False, ["bounced", "failed"], 1,
            id="a dead address: bounced, then failed",
        ),
        pytest.param(
            [Rejected("opted out", is_unsubscribed=True)], "promo", False, ["unsubscribed", "failed"], 1,
            id="a player who told the provider to stop",
        ),
        pytest.param([Retry("later"), Sent()], "promo", False, ["sent"], 2, id="retry: sent the second time"),
        pytest.param([Unclear("cut off"), Sent()], "promo", False, ["unknown"], 1, id="unclear marketing: never again"),
        pytest.param([Unclear("cut off"), Sent()], "service", False, ["sent"], 2, id="unclear service: again"),
        pytest.param([Unclear("cut off"), Sent()], "promo", True, ["sent"], 2, id="unclear, but it knows ids"),
        pytest.param([Retry("later")], "promo", False, ["failed"], 1, id="after the last step: failed"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_message(
    results: list[Result], purpose: str, is_idempotent: bool, outcomes: list[str], tries: int
) -> None:
    async def story() -> None:
        office = Office()
        provider = Provider(answers(*results), is_idempotent=is_idempotent)
        office.connector("mail", provider)
        office.clear(message("req-1", purpose=purpose))
        if results == [Retry("later")]:
            office.store.of(partition_of("amelia", PARTITIONS)).queue.tries["req-1"] = len(LADDER_S)
        office.start()
        await asyncio.sleep(10)
        assert [outcome for _, outcome in office.outcomes()] == outcomes
        assert provider.ids == ["req-1"] * tries
        assert office.in_flight() == office.waiting() == 0
        assert len(office.letters()) == (outcomes[-1] == "failed")

    run(story)


def test_a_bounce_names_the_dead_address() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(answers(Rejected("no such mailbox", is_address_dead=True))))
        office.clear(message("req-1", address="another"))
        office.start()
        await asyncio.sleep(1)
        bounced, failed = office.events()
        assert bounced.properties["is_address_dead"] is True
        assert bounced.properties["address"] == Address("email", "amelia@example.com").digest
        assert failed.properties["detail"] == "no such mailbox"
        (letter,) = office.letters()
        assert (letter.code, letter.player, letter.event_id) == ("message_failed", "amelia", "req-1")
        assert letter.is_message

    run(story)


def test_a_message_that_would_be_tried_after_its_time_has_expired() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(answers(Retry("later"))))
        office.clear(message("req-1", expires_at=now_ms() + 20_000))
        office.start()
        await asyncio.sleep(60)
        assert office.outcomes() == [("req-1", "expired")]

    run(story)


@pytest.mark.parametrize(
    ("addresses", "suppressed", "outcome", "detail"),
    [
        pytest.param({}, frozenset(), "failed", "no_address", id="no address any more"),
        pytest.param({}, frozenset({"email"}), "stopped", "suppressed", id="all of them are suppressed"),
        pytest.param({"email": (Address("phone", "+1"),)}, frozenset(), "failed", "no_address", id="none that fits"),
    ],
)
def test_a_player_who_cannot_be_reached(
    addresses: dict[str, tuple[Address, ...]], suppressed: frozenset[str], outcome: str, detail: str
) -> None:
    async def story() -> None:
        office, provider = Office(addresses={"amelia": addresses}), Provider(takes_all)
        office.suppressed["amelia"] = suppressed
        office.connector("mail", provider)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(1)
        (event,) = office.events()
        assert (event.name, event.properties["detail"]) == (f"message_{outcome}", detail)
        assert not provider.parcels
        assert not office.letters(), "another try would not mend it"

    run(story)


def test_a_push_goes_to_every_device_and_is_sent_when_one_takes_it() -> None:
    devices = (Address("web_push", "https://push.example/dead"), Address("web_push", "https://push.example/new"))
    phone = Address("fcm", "token")

    async def browsers(parcel: Parcel) -> Result:
        assert parcel.address is not None
        return Rejected("gone", is_address_dead=True) if parcel.address.value.endswith("dead") else Sent()

    async def story() -> None:
        office = Office(addresses={"amelia": {"push": (*devices, phone)}})
        web, apps = Provider(browsers, kinds=frozenset({"web_push"})), Provider(takes_all, kinds=frozenset({"fcm"}))
        office.connector("web", web, kind="web_push")
        office.connector("apps", apps, kind="fcm", order=1)
        office.clear(message("req-1", channel="push"))
        office.start()
        await asyncio.sleep(1)
        bounced, sent = office.events()
        assert (bounced.name, bounced.properties["address"]) == ("message_bounced", devices[0].digest)
        assert sent.name == "message_sent"
        assert len(web.parcels) == 2
        assert len(apps.parcels) == 1

    run(story)


def test_an_address_is_reached_by_the_connector_that_takes_its_kind() -> None:
    async def story() -> None:
        chat = Address("telegram", "4711")
        office = Office(addresses={"amelia": {"messenger": (chat,)}})
        whatsapp = Provider(takes_all, kinds=frozenset({"whatsapp"}))
        telegram = Provider(takes_all, kinds=frozenset({"telegram"}))
        office.connector("a-whatsapp", whatsapp, kind="whatsapp")
        office.connector("b-telegram", telegram, kind="telegram", order=1)
        office.clear(message("req-1", channel="messenger"))
        office.start()
        await asyncio.sleep(1)
        assert (whatsapp.ids, telegram.ids) == ([], ["req-1"])

    run(story)


def test_a_webhook_needs_no_address_and_has_no_links() -> None:
    async def story() -> None:
        office = Office(addresses={"amelia": {}})
        hook = Provider(answers(Unclear("cut off"), Sent()), kinds=frozenset(), is_idempotent=True)
        office.connector("crm", hook, kind="webhook")
        office.clear(message("req-1", channel="webhook"))
        office.start()
        await asyncio.sleep(10)
        assert office.outcomes() == [("req-1", "sent")]
        parcel = hook.parcels[0][1]
        assert (parcel.address, parcel.unsubscribe_url, parcel.preferences_url) == (None, "", "")

    run(story)


def test_the_lowest_order_that_works_is_used_and_the_next_one_while_its_breaker_is_open() -> None:
    async def story() -> None:
        office = Office()
        first, second = Provider(answers(Retry("down"))), Provider(takes_all)
        office.connector("z-first", first)
        office.connector("a-second", second, order=1)
        office.clear(*(message(f"req-{n}", f"player-{n}") for n in range(12)))
        office.start()
        await asyncio.sleep(1)
        assert len(first.parcels) == 1 + 2 + 4, "its breaker opened after five; the others had gone out with them"
        assert len(second.parcels) == 5
        assert office.told() == [], "the channel still sends"
        first.do = takes_all
        await asyncio.sleep(60)
        office.clear(message("req-last", "player-0"))
        await asyncio.sleep(1)
        assert first.ids[-1] == "req-last"

    run(story)


def test_an_adapter_that_raises_is_a_defect_told_once_and_its_message_unclear() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(breaks))
        office.clear(message("req-1"), message("req-2", "bob"))
        courier = office.start()
        await asyncio.sleep(1)
        assert sorted(office.outcomes()) == [("req-1", "unknown"), ("req-2", "unknown")]
        assert sum("ZeroDivisionError" in line for line in office.log) == 1
        await asyncio.sleep(1)
        assert courier.heartbeat.channels["email"]["connectors"]["mail"]["defect"] == 2

    run(story)


def test_an_adapter_that_never_answers_is_left_after_its_time_and_a_second() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(never), timeout_s=3)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(3.9)
        assert office.in_flight() == 1
        await asyncio.sleep(0.3)
        assert office.outcomes() == [("req-1", "unknown")]

    run(story)


def test_a_connector_that_cannot_be_made_is_down_and_tried_again() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.providers.clear()
        office.clear(message("req-1"))
        courier = office.start()
        await asyncio.sleep(2)
        assert office.told()[-1].reason == "provider_down"
        assert "KeyError" in courier.heartbeat.channels["email"]["connectors"]["mail"]["error"]
        await asyncio.sleep(6)
        assert office.outcomes() == [("req-1", "returned")], "its tower looks for another way"
        office.providers["mail"] = provider
        office.clear(message("req-2"))
        await asyncio.sleep(31)
        assert office.told()[-1].open
        assert office.outcomes() == [("req-1", "returned"), ("req-2", "returned")]
        office.clear(message("req-2"))
        await asyncio.sleep(1)
        assert office.outcomes()[2:] == [("req-2", "sent")]

    run(story)


def test_a_changed_connector_is_made_anew_and_the_old_one_closed_once_it_sends_nothing() -> None:
    async def story() -> None:
        gate = asyncio.Event()

        async def waits(_: Parcel) -> Result:
            await gate.wait()
            return Sent()

        office, old, new = Office(), Provider(waits), Provider(takes_all)
        office.connector("mail", old)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(1)
        office.connector("mail", new, rate_per_s=10)
        await asyncio.sleep(2)
        assert not old.is_closed, "it is still sending"
        gate.set()
        office.clear(message("req-2"))
        await asyncio.sleep(2)
        assert (old.is_closed, old.ids, new.ids) == (True, ["req-1"], ["req-2"])
        assert office.outcomes() == [("req-1", "sent"), ("req-2", "sent")]

    run(story)


def test_messages_of_a_channel_that_is_not_connected_any_more_go_back_to_the_tower() -> None:
    async def story() -> None:
        office = Office()
        office.clear(*(message(f"req-{n}", f"player-{n}") for n in range(70)))
        office.start()
        await asyncio.sleep(8)
        assert {outcome for _, outcome in office.outcomes()} == {"returned"}
        assert len(office.outcomes()) == 70
        assert {e.properties["detail"] for e in office.events()} == {"channel_not_available"}

    run(story)


def test_a_message_that_is_ahead_of_its_connector_waits_for_it() -> None:
    """The tower of a partition runs a new version before every courier has read it."""

    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(3)
        office.connector("mail", provider)
        await asyncio.sleep(8)
        assert office.outcomes() == [("req-1", "sent")]

    run(story)


def test_nothing_is_returned_while_the_programme_cannot_be_read() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        current = office.current

        async def fails() -> Any:
            raise Unavailable("no answer")

        office.current = fails  # type: ignore[method-assign]
        office.clear(message("req-1"))
        office.start()
        await asyncio.sleep(10)
        assert office.outcomes() == []
        office.current = current  # type: ignore[method-assign]
        await asyncio.sleep(2)
        assert office.outcomes() == [("req-1", "sent")]

    run(story)
