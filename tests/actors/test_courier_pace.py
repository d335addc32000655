"""How fast a courier sends, how much, and what goes first. Time is virtual."""

import asyncio
from typing import Any

import pytest

from channels.ports import Rejected, Sent
from tests.actors.post import Office, Provider, answers, message, never, now_ms, run, takes_all


@pytest.mark.parametrize(
    ("rate", "burst", "seconds", "at_most"), [(10, 1, 10, 102), (50, 20, 4, 222), (0.5, 1, 20, 12)]
)
def test_a_connector_sends_no_faster_than_its_rate(rate: float, burst: int, seconds: float, at_most: int) -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider, rate_per_s=rate, burst=burst)
        office.clear(*(message(f"req-{n}", f"player-{n}") for n in range(400)))
        office.start()
        await asyncio.sleep(seconds)
        assert 0.9 * rate * seconds <= len(provider.parcels) <= at_most

    run(story)


def test_no_more_than_its_places_are_in_flight_and_some_are_kept_for_urgent_ones() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(never)
        office.connector("mail", provider, in_flight_max=8)
        office.clear(*(message(f"bulk-{n}", f"player-{n}") for n in range(50)))
        office.start()
        await asyncio.sleep(3)
        assert len(provider.parcels) == 6
        office.clear(*(message(f"urgent-{n}", f"player-{n}", purpose="service") for n in range(10)))
        await asyncio.sleep(1)
        assert provider.ids[6:] == ["urgent-0", "urgent-1"] or len(provider.ids) == 8
        assert all(name.startswith("urgent") for name in provider.ids[6:])

    run(story)


def test_urgent_messages_go_before_a_broadcast() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider, rate_per_s=20, burst=1)
        office.clear(*(message(f"bulk-{n}", f"player-{n}") for n in range(200)))
        office.start()
        await asyncio.sleep(2)
        office.clear(*(message(f"urgent-{n}", f"player-{n}", purpose="transactional") for n in range(10)))
        cleared = len(provider.parcels)
        await asyncio.sleep(1)
        place = [name.startswith("urgent") for name in provider.ids[cleared:]]
        assert sum(place) == 10
        assert place.index(True) <= 2

    run(story)


def test_the_budget_of_a_day_is_kept_and_urgent_messages_pass_it() -> None:
    async def story() -> None:
        policy: dict[str, Any] = {"channels": {"email": {"per_day": 5}}}
        office, provider = Office({"policies": {"default": policy}}), Provider(takes_all)
        office.connector("mail", provider)
        await asyncio.sleep(16 * 3_600 - 30)  # to half a minute before midnight
        until = now_ms() + 3 * 86_400_000
        office.clear(*(message(f"req-{n}", f"p-{n}", send_until=until, expires_at=until) for n in range(12)))
        office.start()
        await asyncio.sleep(20)
        assert len(provider.parcels) == 5
        assert (office.told()[-1].reason, office.told()[-1].until) == ("budget_spent", 1_772_496_000_000)
        office.clear(message("urgent", purpose="service"))
        await asyncio.sleep(1)
        assert provider.ids[-1] == "urgent"
        await asyncio.sleep(20)
        assert len(provider.parcels) == 5 + 1 + 5
        assert [entry.open for entry in office.told()] == [False, True, False]

    run(story)


def test_what_was_not_sent_is_given_back_to_the_budget() -> None:
    async def story() -> None:
        policy: dict[str, Any] = {"channels": {"email": {"per_day": 5}}}
        office = Office({"policies": {"default": policy}})
        office.connector("mail", Provider(answers(*[Rejected("no")] * 8, Sent())))
        office.clear(*(message(f"req-{n}", f"player-{n}") for n in range(12)))
        office.start()
        await asyncio.sleep(100)
        assert [outcome for _, outcome in office.outcomes()].count("sent") == 4

    run(story)


def test_a_channel_sends_no_faster_than_its_policy_says() -> None:
    async def story() -> None:
        policy: dict[str, Any] = {"channels": {"email": {"per_s": 2}}}
        office, provider = Office({"policies": {"default": policy}}), Provider(takes_all)
        office.connector("mail", provider)
        office.clear(*(message(f"req-{n}", f"player-{n}") for n in range(60)))
        office.start()
        await asyncio.sleep(10)
        assert 18 <= len(provider.parcels) <= 24

    run(story)
