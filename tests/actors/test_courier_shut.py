"""Lines of channels that have no room: what must not be sent ends all the same, and towers know. Time is virtual."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from actors.courier.closing import OPEN, Closure, Teller
from actors.courier.courier import SWEEP_MOST
from channels.ports import Parcel, Result, Retry
from domain.ids import partition_of
from store.closures import Closures
from store.intake import DEDUPE_BUCKET_MS
from tests.actors.post import PARTITIONS, Office, Provider, message, now_ms, run, takes_all
from tests.simulation.model_gates import set_mute, set_stop

MINUTE_S = 60


async def is_down(_: Parcel) -> Result:
    return Retry("connection refused")


def words(office: Office) -> Counter[str]:
    return Counter(word for _, word in office.outcomes())


def soon(office: Office, seconds: int, **more: Any) -> dict[str, Any]:
    """Return the fields of a message that is late and expired in so many seconds."""
    del office
    until = now_ms() + seconds * 1_000
    return {"send_until": until, "expires_at": until, **more}


def test_a_spent_budget_does_not_keep_what_expired() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.documents["policies"] = {"default": {"channels": {"email": {"per_day": 5}}}}
        office.clear(*(message(f"r{n}", f"p{n}", **soon(office, 600)) for n in range(30)))
        office.start()
        await asyncio.sleep(599)
        assert (words(office), office.waiting()) == (Counter(sent=5), 25)
        await asyncio.sleep(5)
        assert (words(office), office.waiting()) == (Counter(sent=5, expired=25), 0)
        assert len(provider.parcels) == 5

    run(story)


@pytest.mark.parametrize("ends", ["stopped", "muted", "withdrawn", "returned"])
def test_what_was_stopped_meanwhile_ends_while_the_provider_is_down(ends: str) -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(is_down))
        office.clear(*(message(f"probe-{n}", f"a{n}") for n in range(5)))
        office.start()
        await asyncio.sleep(1)
        until = now_ms() + 1_000 if ends == "returned" else now_ms() + 3_600_000
        office.clear(message("r1", "bob", send_until=until), message("r2", "cleo"))
        shared = office.store.of(partition_of("bob", PARTITIONS))
        match ends:
            case "stopped":
                set_stop(shared, "bob", "harm", "")
            case "muted":
                set_mute(shared, True, "bob", "email")
            case "withdrawn":
                shared.queue.voids["r1"] = "goal_met"
        before = len(office.providers["mail"].parcels)
        await asyncio.sleep(2.5)
        assert len(office.providers["mail"].parcels) == before, "the breaker is open"
        assert office.outcomes("bob") == [("r1", "stopped" if ends == "muted" else ends)]
        assert office.outcomes("cleo") == []

    run(story)


def test_a_long_line_up_is_swept_to_its_end() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(is_down))
        office.clear(*(message(f"r{n:03d}", f"p{n:03d}") for n in range(SWEEP_MOST * PARTITIONS * 3)))
        office.start()
        await asyncio.sleep(1)
        for partition in range(PARTITIONS):
            queue = office.store.of(partition).queue
            queue.voids.update(dict.fromkeys(list(queue.dispatches)[-2:], "goal_met"))
        await asyncio.sleep(30)
        assert words(office)["withdrawn"] == 2 * PARTITIONS

    run(story)


def test_messages_of_a_connector_that_cannot_be_made_are_given_back_and_the_tower_is_told() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", None)
        del office.providers["mail"]
        office.documents["policies"] = {"default": {"channels": {"email": {"per_day": 100}}}}
        office.clear(message("r1", "p1"), message("r2", "p2", expires_at=now_ms() + 2_000, send_until=now_ms() + 2_000))
        office.start()
        await asyncio.sleep(3.5)
        assert office.outcomes() == [("r2", "expired")], "for seconds it may be that it is only just published"
        await asyncio.sleep(3.5)
        assert sorted(office.outcomes()) == [("r1", "returned"), ("r2", "expired")]
        assert office.events("p1")[0].properties["detail"] == "channel_not_available"
        assert {(c.open, c.reason) for p in range(PARTITIONS) for c in office.told(p)} == {(False, "provider_down")}
        assert office.store.spent.get(("email", "2026-03-02"), 0) == 0, "it took nothing from the budget"
        office.providers["mail"] = Provider(takes_all)
        await asyncio.sleep(MINUTE_S)
        assert all(office.told(p)[-1].open for p in range(PARTITIONS))

    run(story)


def test_a_connector_that_cannot_be_made_leaves_its_messages_to_another_that_works() -> None:
    async def story() -> None:
        office, works = Office(), Provider(takes_all)
        office.connector("broken", None)
        del office.providers["broken"]
        office.connector("works", works, order=2)
        office.clear(message("r1"))
        office.start()
        await asyncio.sleep(10)
        assert office.outcomes() == [("r1", "sent")]
        assert all(not office.told(p) for p in range(PARTITIONS))

    run(story)


def test_a_channel_whose_connector_is_removed_while_it_is_closed_is_told_open() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(is_down))
        office.clear(*(message(f"r{n}", f"p{n}") for n in range(6)))
        office.start()
        await asyncio.sleep(3)
        assert [c.open for c in office.told()] == [False]
        office.documents = {"connectors": {}}
        await asyncio.sleep(3)
        assert [c.open for c in office.told()] == [False, True]

    run(story)


DAY = "2026-03-02"


def test_a_budget_that_only_seemed_spent_opens_although_nothing_waits_for_it() -> None:
    """Another courier held the last places and gave them back; the towers hold all since, so nobody would ask again."""

    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.documents["policies"] = {"default": {"channels": {"email": {"per_day": 5}}}}
        office.store.spend("email", 5, 5)
        office.clear(message("r1", expires_at=now_ms() + 5_000, send_until=now_ms() + 5_000))
        office.start()
        await asyncio.sleep(10)
        assert [(c.open, c.reason) for c in office.told()] == [(False, "budget_spent")]
        assert office.waiting() == 0
        await asyncio.sleep(2 * MINUTE_S)
        assert [c.open for c in office.told()] == [False], "it is spent indeed"
        office.store.refund("email", 5)
        await asyncio.sleep(MINUTE_S + 1)
        assert [c.open for c in office.told()] == [False, True]
        assert office.store.spent["email", DAY] == 0, "what the question took went back"

    run(story)


def test_retries_that_are_due_later_hold_no_place_of_the_budget() -> None:
    async def story() -> None:
        office = Office()
        queue, held = office.queue, []
        spend = queue.spend

        async def noted(channel: str, wanted: int, per_day: int) -> int:
            held.append(wanted)
            return int(await spend(channel, wanted, per_day))

        queue.spend = noted
        office.connector("mail", Provider(is_busy))
        office.documents["policies"] = {"default": {"channels": {"email": {"per_day": 50}}}}
        office.clear(*(message(f"r{n}", f"p{n}") for n in range(40)))
        office.start()
        await asyncio.sleep(3)
        assert max(held) > 4, "it takes more while they are used"
        held.clear()
        await asyncio.sleep(0.5)
        assert held == []
        await asyncio.sleep(4)
        assert office.store.spent["email", DAY] == 0

    async def is_busy(_: Parcel) -> Result:
        return Retry("busy", is_provider=False)

    run(story)


def test_a_channel_is_told_open_again_by_the_courier_that_had_told_it_closed_before() -> None:
    """X tells closed and open, and gives the partition away; Y tells closed and dies; X, with it again, open."""

    async def story() -> None:
        office = Office()
        closures = Closures(office.redis, office.intake)
        x, y = Teller(closures, "x"), Teller(closures, "y")
        down = Closure("provider_down", 0)
        for closure in (down, OPEN):
            x.note("email", closure)
            await x.tell([0], ["email"], now_ms())
        await x.tell([], ["email"], now_ms())
        y.note("email", down)
        await y.tell([0], ["email"], now_ms())
        await x.tell([0], ["email"], now_ms())
        assert [c.open for c in office.told()] == [False, True, False, True]
        assert await x.tell([0], ["email"], now_ms()) == 0
        assert set(office.store.of(0).expires) == {str(now_ms() // DEDUPE_BUCKET_MS)}, (
            "their keys are not kept for ever"
        )

    run(story)
