"""A courier in trouble: providers down, exclusions in between, deaths, lost answers, shutdown. Time is virtual."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from actors.courier.courier import ENDS_WITHIN_MS
from channels.ports import Parcel, Result, Retry, Sent, Unclear
from domain.dispatch import Dispatch
from domain.ids import partition_of
from store.keys import ASSIGNMENT, ENDED, LIVES
from store.ports import Claim, Settlement, Token, Unavailable
from tests.actors.post import PARTITIONS, Office, Provider, message, now_ms, run, takes_all
from tests.simulation.model_gates import set_mute, set_stop

MINUTE_S = 60


@pytest.fixture
def calm_looks() -> Iterator[None]:
    """Look for messages once a second instead of ten times: for stories of an hour."""
    with patch.multiple("actors.courier.courier", POLL_S=1.0):
        yield


async def drained(office: Office, within_s: float) -> None:
    """Wait until nothing waits any more."""
    async with asyncio.timeout(within_s):
        while office.waiting():  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(5)


def exclude(office: Office, player: str) -> int:
    """Exclude a player; how many sends are still in flight, so that the exclusion is not confirmed yet."""
    shared = office.store.of(partition_of(player, PARTITIONS))
    set_stop(shared, player, "self_exclusion", "")
    return len(shared.in_flight.get(player, {}))


class Gate:
    """A provider's answer that waits for the test."""

    def __init__(self, result: Result | None = None) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        self.result = result or Sent()

    async def __call__(self, _: Parcel) -> Result:
        self.reached.set()
        await self.opened.wait()
        return self.result


@pytest.mark.usefixtures("calm_looks")
@pytest.mark.parametrize("purpose", ["promo", "service"])
def test_a_provider_down_for_20_minutes_loses_nothing_and_keeps_order(purpose: str) -> None:
    async def story() -> None:
        office = Office()
        back_at = now_ms() + 20 * MINUTE_S * 1_000

        async def is_down(parcel: Parcel) -> Result:
            return Retry("connection refused") if now_ms() < back_at else await takes_all(parcel)

        provider = Provider(is_down)
        office.connector("mail", provider)
        wanted = [message(f"{n}-of-p{p}", f"p{p}", purpose=purpose) for n in range(3) for p in range(10)]
        office.clear(*wanted)
        courier = office.start()
        await asyncio.sleep(10)
        assert courier.heartbeat.channels["email"]["connectors"]["mail"]["breaker"] == "open"
        for partition in range(PARTITIONS):
            assert [(c.open, c.reason) for c in office.told(partition)][:1] == [(False, "provider_down")]
        await asyncio.sleep(19 * MINUTE_S)
        assert len(provider.parcels) < 40, "its breaker spares it: 20 minutes of the ladder alone are 90 tries and more"
        await drained(office, 60 * MINUTE_S)
        await asyncio.sleep(5)
        assert sorted(office.outcomes()) == sorted((each.id, "sent") for each in wanted)
        for p in range(10):
            sent = [request for request, _ in office.outcomes(f"p{p}")]
            assert sent == [f"{n}-of-p{p}" for n in range(3)]
        assert courier.heartbeat.channels["email"]["connectors"]["mail"]["breaker"] == "closed"
        for partition in range(PARTITIONS):
            assert office.told(partition)[-1].open
        assert office.waiting() == 0

    run(story)


def test_a_closed_channel_that_nothing_waits_for_is_given_another_chance() -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)

        async def is_down(_: Parcel) -> Result:
            return Retry("connection refused")

        provider.do = is_down
        office.connector("mail", provider)
        office.clear(*(message(f"req-{n}", f"p{n}", expires_at=now_ms() + 1_000) for n in range(5)))
        office.start()
        await asyncio.sleep(2)
        assert not office.told()[-1].open
        assert office.waiting() == 0
        await asyncio.sleep(6)
        assert office.told()[-1].open, "who is asked for nothing cannot show that it works again"

    run(story)


def test_an_exclusion_between_clearance_and_sending_stops_the_message() -> None:
    async def story() -> None:
        office, gate = Office(), Gate()
        office.connector("mail", Provider(gate))
        office.clear(message("first"), message("second"), message("notice", purpose="legal"))
        office.start()
        await gate.reached.wait()
        assert exclude(office, "amelia") >= 1, "what is being sent is not stopped any more: the exclusion waits for it"
        gate.opened.set()
        await asyncio.sleep(1)
        assert dict(office.outcomes()) == {"first": "sent", "second": "stopped", "notice": "sent"}
        assert exclude(office, "amelia") == 0
        office.clear(message("third"))
        await asyncio.sleep(1)
        assert dict(office.outcomes())["third"] == "stopped"

    run(story)


def test_a_retry_looks_again_whether_it_may_be_sent() -> None:
    async def story() -> None:
        office, gate = Office(), Gate(Retry("busy", is_provider=False))
        provider = Provider(gate)
        office.connector("mail", provider)
        office.clear(message("req-1"))
        office.start()
        await gate.reached.wait()
        exclude(office, "amelia")
        gate.opened.set()
        await asyncio.sleep(60)
        assert office.outcomes() == [("req-1", "stopped")]
        assert len(provider.parcels) == 1

    run(story)


def cut(office: Office, what: str) -> dict[str, Any]:
    """Let something happen between clearance and claim; how the message was cleared."""
    shared = office.store.of(partition_of("amelia", PARTITIONS))
    match what:
        case "muted":
            set_mute(shared, True, "amelia", "email")
        case "withdrawn":
            shared.queue.voids["req-1"] = "goal_met"
        case "late":
            return {"send_until": now_ms() - 1}
        case "expired":
            return {"send_until": now_ms() - 1, "expires_at": now_ms()}
    return {}


@pytest.mark.parametrize(
    ("what", "outcome", "detail"),
    [
        ("muted", "stopped", "muted"),
        ("withdrawn", "withdrawn", "goal_met"),
        ("late", "returned", "late"),
        ("expired", "expired", "late"),
    ],
)
def test_what_the_store_refuses_is_told_and_not_sent(what: str, outcome: str, detail: str) -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        given = cut(office, what)
        office.clear(message("req-1", **given))
        cut(office, what)
        office.start()
        await asyncio.sleep(1)
        (event,) = office.events()
        assert (event.name, event.properties["detail"]) == (f"message_{outcome}", detail)
        assert not provider.parcels
        assert office.in_flight() == 0

    run(story)


@pytest.mark.parametrize(("purpose", "becomes", "sends"), [("promo", "unknown", 1), ("service", "sent", 2)])
def test_a_death_between_claim_and_settlement(purpose: str, becomes: str, sends: int) -> None:
    async def story() -> None:
        office, gate = Office(), Gate()
        provider = Provider(gate)
        office.connector("mail", provider)
        office.clear(message("req-1", purpose=purpose), message("req-2", purpose=purpose))
        office.start()
        await gate.reached.wait()
        died = office.kill(is_known=False)
        provider.do = takes_all
        office.start()
        await asyncio.sleep(30)
        assert office.outcomes() == [], "paused or dead, nobody knows: however old the claim is, it is left alone"
        assert provider.ids == ["req-1"]
        office.dead.add(died)
        await asyncio.sleep(5)
        assert office.outcomes() == [("req-1", becomes), ("req-2", "sent")]
        assert provider.ids.count("req-1") == sends
        assert list(office.redis.hashes[ENDED]) == [died]
        assert office.in_flight() == office.waiting() == 0

    run(story)


def test_the_dead_of_another_machine_is_known_when_the_next_of_its_name_starts() -> None:
    async def story() -> None:
        office, gate = Office(), Gate()
        office.connector("mail", Provider(gate))
        office.clear(message("req-1"))
        office.start("courier-0")
        await gate.reached.wait()
        office.kill("courier-0", is_known=False)
        for life, said in office.redis.hashes[LIVES].items():
            office.redis.hashes[LIVES][life] = said.replace('"here"', '"elsewhere"')
        office.start("courier-1")
        await asyncio.sleep(10)
        assert office.outcomes() == []
        office.start("courier-0", owns=range(0))
        await asyncio.sleep(5)
        assert office.outcomes() == [("req-1", "unknown")]

    run(story)


def test_a_message_that_ends_its_process_every_time_fails_in_the_end() -> None:
    async def story() -> None:
        office = Office()
        office.clear(message("poison", purpose="service"))
        lives = 0
        while office.waiting() and lives < 20:
            lives += 1
            gate = Gate()
            office.connector("mail", Provider(gate))
            office.start()
            reached = asyncio.ensure_future(gate.reached.wait())
            await asyncio.wait([reached], timeout=10)
            reached.cancel()
            office.kill()
        assert office.outcomes() == [("poison", "failed")]
        assert lives == 8
        assert [letter.detail for letter in office.letters()] == ["courier_died"]

    run(story)


def test_a_courier_that_was_relieved_still_settles_what_it_sent() -> None:
    async def story() -> None:
        office, gate = Office(), Gate()
        provider = Provider(gate)
        office.connector("mail", provider)
        office.clear(message("req-1"), message("req-2"))
        office.start("courier-0")
        await gate.reached.wait()
        office.start("courier-1")
        await asyncio.sleep(3)
        gate.opened.set()
        await asyncio.sleep(1)
        assert office.outcomes() == [("req-1", "sent"), ("req-2", "sent")]
        assert provider.ids == ["req-1", "req-2"]

    run(story)


class Wire:
    """The way to the queue, on which calls and answers get lost."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.lost: dict[str, list[str]] = {}  # method -> what happens to the next calls: lost, mute

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            fate = self.lost.get(name, [])
            if fate and fate[0] == "lost":
                fate.pop(0)
                raise Unavailable("it never arrived")
            answer = await getattr(self._queue, name)(*args, **kwargs)
            if fate and (name != "claim" or answer):
                fate.pop(0)
                raise Unavailable("its answer was lost")
            return answer

        return call


@pytest.mark.parametrize("fate", ["lost", "mute"])
@pytest.mark.parametrize("method", ["claim", "settle", "waiting", "claimed", "take"])
@pytest.mark.parametrize("purpose", ["promo", "service"])
def test_a_call_or_answer_that_gets_lost_loses_and_doubles_nothing(fate: str, method: str, purpose: str) -> None:
    async def story() -> None:
        office, provider = Office(), Provider(takes_all)
        wire = Wire(office.queue)
        office.connector("mail", provider)
        office.clear(message("req-1", purpose=purpose), message("req-2", purpose=purpose))
        wire.lost[method] = [fate, fate]
        office.start(queue=wire)
        await asyncio.sleep(5)
        assert wire.lost[method] == []
        assert office.outcomes() == [("req-1", "sent"), ("req-2", "sent")]
        assert provider.ids == ["req-1", "req-2"]

    run(story)


def test_a_claim_that_arrives_late_in_a_partition_that_was_lost_is_found() -> None:
    """The call is still on its way when its answer is given up, and the partition moves meanwhile."""

    class Late:
        def __init__(self, queue: Any) -> None:
            self._queue = queue
            self.arrived: list[Claim] = []

        def __getattr__(self, name: str) -> Any:
            return getattr(self._queue, name)

        async def claim(self, token: Token, claimer: str, rooms: list[tuple[str, str, int]]) -> list[Claim]:
            if not self.arrived:
                self.arrived = await self._queue.claim(token, claimer, rooms)
                if self.arrived:
                    for partition in range(PARTITIONS):  # the director gives all to another
                        office.redis.hashes[ASSIGNMENT][f"channels:{partition}"] = "courier-1"
                    raise Unavailable("its answer was lost")
            return await self._queue.claim(token, claimer, rooms)

    office: Office

    async def story() -> None:
        nonlocal office
        office, provider = Office(), Provider(takes_all)
        office.connector("mail", provider)
        office.clear(message("req-1"))
        office.start("courier-0", queue=Late(office.queue))
        await asyncio.sleep(0.3)
        office.start("courier-1")
        await asyncio.sleep(5)
        assert office.outcomes() == [("req-1", "sent")]
        assert provider.ids == ["req-1"]

    run(story)


def test_a_settlement_whose_answer_is_lost_never_ends_the_next_try() -> None:
    """The same settlement again must not touch the message claimed anew: each call claims under a token of its own."""

    async def story() -> None:
        office, gate = Office(), Gate()
        provider = Provider(gate)
        office.connector("mail", provider)
        office.clear(message("req-1", purpose="service"))
        settled: list[Settlement] = []
        queue, settle = office.queue, office.queue.settle

        async def noted(settlements: list[Settlement]) -> list[bool]:
            settled.extend(settlements)
            done: list[bool] = await settle(settlements)
            return done

        queue.settle = noted
        gate.result = Retry("busy", is_provider=False)
        gate.opened.set()
        office.start()
        await asyncio.sleep(1)
        gate.opened.clear()
        gate.reached.clear()
        await gate.reached.wait()
        assert await settle(settled) == [False], "the old one, again and late"
        assert office.in_flight() == 1
        gate.result = Sent()
        gate.opened.set()
        await asyncio.sleep(1)
        assert office.outcomes() == [("req-1", "sent")]

    run(story)


@pytest.mark.parametrize("takes_s", [0.5, 9.0])
def test_a_shutdown_lets_what_is_in_flight_end_and_leaves_the_rest_waiting(takes_s: float) -> None:
    async def slow(_: Parcel) -> Result:
        await asyncio.sleep(takes_s)
        return Sent()

    async def story() -> None:
        office, provider = Office(), Provider(slow)
        office.connector("mail", provider, in_flight_max=4)
        office.clear(*(message(f"req-{n}", f"p{n}") for n in range(20)))
        office.start()
        await asyncio.sleep(0.4)
        begun = len(provider.parcels)
        assert begun
        await office.stop()
        assert len(office.outcomes()) == len(provider.parcels) == begun
        assert office.in_flight() == 0
        assert office.waiting() == 20 - begun
        assert provider.is_closed
        assert not office.redis.hashes[LIVES], "it leaves nothing for a successor"
        office.start()
        await asyncio.sleep(60)
        assert sorted(office.outcomes()) == sorted((f"req-{n}", "sent") for n in range(20))

    run(story)


def test_a_shutdown_while_the_store_is_gone_ends_in_time_and_leaves_it_to_the_successor() -> None:
    async def story() -> None:
        office, gate = Office(), Gate()
        provider = Provider(gate)
        wire = Wire(office.queue)
        office.connector("mail", provider)
        office.clear(message("req-1"))
        courier = office.start(queue=wire)
        await gate.reached.wait()
        wire.lost["settle"] = ["lost"] * 10_000
        gate.opened.set()
        before = now_ms()
        await office.stop()
        assert now_ms() - before <= ENDS_WITHIN_MS + 1_000
        assert courier.heartbeat.incarnation in office.redis.hashes[LIVES]
        office.dead.add(courier.heartbeat.incarnation)
        office.start()
        await asyncio.sleep(5)
        assert office.outcomes() == [("req-1", "unknown")]

    run(story)


def test_the_next_courier_tells_that_a_channel_is_open_again() -> None:
    async def story() -> None:
        async def is_down(_: Parcel) -> Result:
            return Retry("connection refused")

        office, provider = Office(), Provider(is_down)
        office.connector("mail", provider)
        office.clear(*(message(f"req-{n}", f"p{n}") for n in range(6)))
        office.start()
        await asyncio.sleep(2)
        assert [each.open for each in office.told()] == [False]
        office.kill()
        provider.do = takes_all
        office.start()
        await asyncio.sleep(5)
        assert [each.open for each in office.told()] == [False, True]

    run(story)


@pytest.mark.usefixtures("calm_looks")
@pytest.mark.parametrize("seed", range(10))
def test_whatever_providers_do_every_message_lands_once_and_in_order(seed: int) -> None:
    """Several couriers come and go; providers are down, unclear, slow; at the end everything has one landing."""
    draw = Random(seed)
    taken: list[tuple[str, str]] = []

    async def moody(parcel: Parcel) -> Result:
        await asyncio.sleep(draw.uniform(0.01, 2))
        roll = draw.random() if now_ms() < calm_at else 0.9
        if roll < 0.2:
            return Retry("busy", is_provider=draw.random() < 0.5, after_s=draw.choice([0, 3]))
        taken.append((parcel.player, parcel.id))
        await asyncio.sleep(draw.uniform(0, 1))
        return Unclear("cut off") if roll < 0.35 else Sent(f"its-{parcel.id}")

    calm_at = 0

    async def story() -> None:
        nonlocal calm_at
        calm_at = now_ms() + 40_000
        office = Office()
        for name in ("one", "two"):
            office.connector(
                name, Provider(moody), rate_per_s=draw.choice([5, 50]), in_flight_max=draw.choice([1, 4, 16])
            )
        wanted: list[Dispatch] = []
        office.start("courier-0")
        for n in range(40):
            player = f"p{draw.randrange(6)}"
            wanted.append(message(f"{n:02d}", player, purpose=draw.choice(["promo", "service"])))
            office.clear(wanted[-1])
            await asyncio.sleep(draw.uniform(0, 1))
            if draw.random() < 0.15 and len(office.dead) < 4:  # each costs those at least once a step of the ladder
                office.kill()
                office.start("courier-0", owns=range(draw.randrange(PARTITIONS + 1)))
            if draw.random() < 0.1 and "courier-1" not in office.couriers:
                office.start("courier-1")
        await drained(office, 60 * MINUTE_S)
        assert sorted(request for request, _ in office.outcomes()) == sorted(each.id for each in wanted)
        assert office.waiting() == office.in_flight() == 0
        once = {each.id for each in wanted if each.once}
        assert all(sum(request == name for _, request in taken) <= 1 for name in once)
        for player in {each.player for each in wanted}:
            for lane in ("urgent", "bulk"):
                line = {each.id for each in wanted if each.player == player and each.lane == lane}
                went = list(dict.fromkeys(request for who, request in taken if who == player and request in line))
                assert went == sorted(went)

    run(story)
