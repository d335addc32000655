"""Connectors that are slow to close, wrong, or answer late; and what of claims is read. Time is virtual."""

import asyncio
from typing import Any

from actors.courier.breaker import IN_A_ROW
from actors.courier.providers import Provider as Connected
from channels.ports import Rejected, Retry, Sent
from tests.actors.post import Office, Provider, message, run, takes_all

NOW = 1_772_438_400_000


def test_a_connector_that_is_slow_to_close_holds_up_nobody() -> None:
    async def story() -> None:
        office, old = Office(), Provider(takes_all)

        async def never() -> None:
            await asyncio.Event().wait()

        old.close = never  # type: ignore[method-assign]
        office.connector("mail", old)
        courier = office.start()
        await asyncio.sleep(2)
        office.connector("mail", Provider(takes_all), order=1)
        await asyncio.sleep(1.5)
        beat = courier.heartbeat.beat
        office.clear(message("r1"))
        await asyncio.sleep(1)
        assert office.outcomes() == [("r1", "sent")]
        assert courier.heartbeat.beat > beat
        await office.stop()
        assert any("did not close in order" in line for line in office.log)

    run(story)


def test_a_document_that_nobody_should_have_published_ends_no_courier() -> None:
    async def story() -> None:
        office = Office()
        office.connector("mail", Provider(takes_all))
        office.connector("wrong", Provider(takes_all), kind="webhook", rate_per_s="fast")
        office.connector("odd", Provider(takes_all), kind=["webhook"])  # type: ignore[arg-type]
        office.clear(message("r1"))
        courier = office.start()
        await asyncio.sleep(1)
        assert office.outcomes() == [("r1", "sent")]
        assert "rate_per_s" in courier.heartbeat.channels["webhook"]["connectors"]["wrong"]["error"]

    run(story)


def connected() -> Connected:
    return Connected("mail", {"kind": "smtp"}, lambda _: None)


def opened(provider: Connected, began: int | None = None) -> int:
    """Let its breaker open; when."""
    for _ in range(IN_A_ROW):
        at = provider.begun(NOW)
        provider.ended(Retry("down"), NOW, at if began is None else began)
    return provider.breaker.until


def test_only_the_probe_closes_a_breaker_not_what_went_out_before_it_opened() -> None:
    provider = connected()
    early = [provider.begun(NOW) for _ in range(3)]
    until = opened(provider)
    probe = provider.begun(until)
    assert provider.breaker.is_probing
    for result, began in zip((Sent(), Rejected("no"), Retry("down")), early, strict=True):
        provider.ended(result, until, began)
        assert (provider.breaker.until, provider.breaker.is_probing) == (until, True)
    provider.ended(Sent(), until, probe)
    assert not provider.breaker.until
    assert provider.in_flight == 0


def test_an_answer_that_is_older_than_two_openings_says_nothing_either() -> None:
    provider = connected()
    early = provider.begun(NOW)
    until = opened(provider)
    provider.ended(Retry("down"), until, provider.begun(until))
    later = provider.breaker.until
    assert later > until
    probe = provider.begun(later)
    provider.ended(Sent(), later, early)
    assert provider.breaker.is_probing
    provider.ended(Retry("down"), later, probe)
    assert provider.breaker.until > later


def test_what_claims_are_of_is_read_only_for_those_that_nobody_else_settles() -> None:
    async def story() -> None:
        office = Office()
        asked: list[Any] = []
        queue, read = office.queue, office.queue.in_flight

        async def noted(partitions: list[int], only: Any = None) -> Any:
            asked.append((partitions, set(only)))
            return await read(partitions, only)

        queue.in_flight = noted
        stuck = asyncio.Event()

        async def waits(_: Any) -> Sent:
            await stuck.wait()
            return Sent()

        office.connector("mail", Provider(waits))
        office.clear(*(message(f"r{n}", f"p{n}") for n in range(4)))
        office.start()
        await asyncio.sleep(5)
        assert (office.in_flight(), asked) == (4, [])
        office.kill()
        office.start()
        await asyncio.sleep(3)
        assert {request for _, some in asked for request in some} == {"r0", "r1", "r2", "r3"}
        assert sorted(office.outcomes()) == [(f"r{n}", "unknown") for n in range(4)]

    run(story)
