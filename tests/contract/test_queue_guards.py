"""Each guard of the queue alone: with it a harm cannot happen, without it the harm happens. As ``test_guards``."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.entries import decode_entry
from store.keys import rate, spent
from store.ports import Refused, Settlement, Verdict
from tests.contract.field import ANN, Field, body, dispatch
from tests.contract.script import HOUR
from tests.contract.sides import START, ModelSide, RealSide

Change = tuple[str, str]

NO_STOP: Change = ("if d[5] ~= '1' and stopped(t, d[1], at) then", "if false then")
NO_MUTE: Change = ("if muted(t, d[1], d[6]) then", "if false then")
NO_LATE: Change = ("if at >= tonumber(d[4]) then", "if false then")
NO_VOID: Change = ("if void then return", "if false then return")
NO_TOKEN: Change = ("(c and c[1] == r[2])", "c")
NO_HEAD: Change = ("== 1 then -- it was idle", "> 0 then")
NO_ONCE: Change = ("if old then leave(", "if false then leave(")
NO_NEXT: Change = ("if redis.call('HEXISTS', t .. 'c:claims', d[1]) == 1 then", "if false then")
NO_MARK: Change = ("if f[4] == '' then redis.call('HSET', t .. 'infl:' .. f[2], f[3], claimer) end", "")
NO_WAIT: Change = ("redis.call('ZREM', f[1], f[2])", "")
NO_ORDER: Change = ("if later(id, off) then return true end", "")
NO_SEEN: Change = ("local kept = not seen[r[1]] and", "local kept =")


async def sent(field: Field, **how: Any) -> int:
    """Claim and send; how many messages went out."""
    return sum(not claim.refused for claim in await field.claim(**how))


async def an_excluded_player_is_sent_a_message(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.exclude("self_exclusion")
    return await sent(field)


async def a_withdrawn_consent_is_overlooked(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.intake.mute(ANN, "sms", True, body("x"))
    return await sent(field)


async def a_message_goes_out_in_quiet_hours(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.side.set_clock(START + HOUR)
    return await sent(field)


async def a_message_whose_goal_was_met_goes_out(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.write(voids=[("r1", "goal")])
    return await sent(field)


async def a_claim_is_settled_by_another(field: Field) -> int:
    """One that thinks the claimer dead: what became of it would be told twice, differently."""
    await field.clear(dispatch("r1"))
    await field.claim(by="one")
    told = await field.queue.settle(
        [
            Settlement(0, ANN, "r1", "two", entries=(body("unknown"),)),
            Settlement(0, ANN, "r1", "one", entries=(body("sent"),)),
        ]
    )
    return int(told != [False, True])


async def two_messages_of_a_line_are_in_flight(field: Field) -> int:
    """The second came while the first was with its provider: they might arrive in the other order."""
    await field.clear(dispatch("r1"))
    await field.claim()
    await field.clear(dispatch("r2"))
    return await sent(field)


async def a_message_is_put_into_its_line_twice(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.clear(dispatch("r1"))
    await field.claim()
    await field.settle("r1")
    try:
        return await sent(field)
    except Refused as refused:
        return int(refused.verdict is Verdict.BROKEN)  # its line stands for ever


async def a_message_that_is_cleared_again_in_flight_is_lost(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.claim()
    await field.clear(dispatch("r1", channel="email"))
    try:
        await field.settle("r1")
        return 1 - await sent(field, rooms=[("email", "bulk", 9)])
    except Refused as refused:
        return int(refused.verdict is Verdict.BROKEN)


async def an_exclusion_is_confirmed_while_a_message_is_with_its_provider(field: Field) -> int:
    await field.clear(dispatch("r1"))
    return await sent(field) - await field.exclude("self_exclusion")


async def a_head_is_claimed_twice(field: Field) -> int:
    await field.clear(dispatch("r1"))
    await field.claim()
    return await sent(field)


async def a_settlement_comes_twice_in_a_call(field: Field) -> int:
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.claim()
    again = Settlement(0, ANN, "r1", "one", entries=(body("sent"),))
    await field.queue.settle([again, again])
    return len(await field.log()) - 1


async def an_older_readmission_undoes_a_confirmed_exclusion(field: Field) -> int:
    old = (await field.intake.append_internal(0, "readmitted", body("old"))).offset
    await field.clear(dispatch("r1"))
    assert await field.exclude("self_exclusion") == 0
    await field.turn(old, lifts=[(ANN, "self_exclusion")])
    return await sent(field)


Scenario = Callable[[Field], Awaitable[int]]
GUARDS: list[tuple[Change, str, Scenario]] = [
    (NO_STOP, "claim-stop", an_excluded_player_is_sent_a_message),
    (NO_MUTE, "claim-mute", a_withdrawn_consent_is_overlooked),
    (NO_LATE, "claim-late", a_message_goes_out_in_quiet_hours),
    (NO_ORDER, "gate-order", an_older_readmission_undoes_a_confirmed_exclusion),
    (NO_VOID, "", a_message_whose_goal_was_met_goes_out),
    (NO_TOKEN, "settle-token", a_claim_is_settled_by_another),
    (NO_HEAD, "line-head", two_messages_of_a_line_are_in_flight),
    (NO_ONCE, "enqueue-once", a_message_is_put_into_its_line_twice),
    (NO_NEXT, "enqueue-flying", a_message_that_is_cleared_again_in_flight_is_lost),
    (NO_MARK, "", an_exclusion_is_confirmed_while_a_message_is_with_its_provider),
    (NO_WAIT, "", a_head_is_claimed_twice),
    (NO_SEEN, "", a_settlement_comes_twice_in_a_call),
]


@pytest.mark.parametrize(("guard", "scenario"), [(g, s) for g, _, s in GUARDS], ids=[s.__name__ for *_, s in GUARDS])
async def test_a_guard_of_the_library_prevents_its_harm_and_nothing_else_does(
    redis: Redis, guard: Change, scenario: Scenario
) -> None:
    assert await scenario(await Field(await RealSide.of(redis)).opened()) == 0, "with the guard the harm happened"
    await redis.flushall()
    without = await Field(await RealSide.of(redis, guard)).opened()
    assert await scenario(without) > 0, "without the guard nothing happened: this test shows nothing"


@pytest.mark.parametrize(("name", "scenario"), [(n, s) for _, n, s in GUARDS if n])
async def test_a_guard_of_the_model_prevents_its_harm_and_nothing_else_does(name: str, scenario: Scenario) -> None:
    assert await scenario(await Field(ModelSide()).opened()) == 0
    assert await scenario(await Field(ModelSide(frozenset({name}))).opened()) > 0


# Half of a step


async def test_half_a_claim_stops_the_channels_for_a_person(redis: Redis) -> None:
    """The mark of what is in flight cannot be written after the claim was: nothing may build upon it."""
    field = await Field(await RealSide.of(redis)).opened()
    await field.clear(dispatch("r1"))
    await redis.set("{0}:infl:ann", "of another type")
    with pytest.raises(Refused, match="BROKEN half claim"):
        await field.claim()
    with pytest.raises(Refused, match="BROKEN half claim"):
        await field.claim()
    with pytest.raises(Refused, match="BROKEN half claim"):
        await field.settle("r1")
    with pytest.raises(Refused, match="BROKEN half claim"):
        await field.channels.acquire(0, "courier-2", "c2", HOUR)
    assert await field.write(dispatches=[dispatch("r2")]) is Verdict.OK, "the other lanes go on"


async def test_half_a_settlement_stops_the_channels_for_a_person(redis: Redis) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    await field.clear(dispatch("r1"))
    await field.claim()
    await redis.set("{0}:dead", "of another type")
    with pytest.raises(Refused, match="BROKEN half settlement"):
        await field.settle("r1", entries=(body("sent"),), dead=b"letter")
    assert await field.channels.renew([field.lease], HOUR) == [Verdict.BROKEN]


async def test_half_a_commit_with_dispatches_stops_the_tower_for_a_person(redis: Redis) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    await redis.set("{0}:c:line:sms:bulk:ann", "of another type")
    assert await field.write(dispatches=[dispatch("r1")]) is Verdict.BROKEN
    assert await field.write() is Verdict.BROKEN


@pytest.mark.parametrize(
    ("key", "why"), [("{0}:c:d", "has no head"), ("{0}:c:line:sms:bulk:ann", "has no head")], ids=["dispatch", "line"]
)
async def test_a_line_that_lost_something_claims_nothing(redis: Redis, key: str, why: str) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    await field.clear(dispatch("r1"))
    await redis.delete(key)
    with pytest.raises(Refused, match=why):
        await field.claim()
    assert not await redis.exists("{0}:c:claims")


async def test_a_claim_whose_line_was_changed_is_not_settled(redis: Redis) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    await field.clear(dispatch("r1"))
    await field.claim()
    await redis.lpush("{0}:c:line:sms:bulk:ann", "r0")
    with pytest.raises(Refused, match="is not the head"):
        await field.settle("r1", entries=(body("sent"),))
    assert await field.log() == []


async def test_a_mark_and_a_settlement_are_refused_before_they_are_asked_for(redis: Redis) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    for mark in ("", "a\nb"):
        with pytest.raises(ValueError, match="expected a mark of one line"):
            await field.intake.mute(ANN, mark, True, body("x"))
    for parts in ({"entries": (body("x"),)}, {"dead": b"x"}):
        with pytest.raises(ValueError, match="kept for another try"):
            await field.settle("r1", due=1, **parts)


# What ends by itself


async def test_counts_of_a_day_and_rates_are_forgotten_in_time(redis: Redis) -> None:
    field = await Field(await RealSide.of(redis)).opened()
    await field.write(tallies=[("2100-01-01", "cleared", 1)])
    await redis.expire("{0}:tally:2100-01-01", 1_000)
    await field.write(tallies=[("2100-01-01", "cleared", 1), ("2100-01-02", "cleared", 1)])
    await field.queue.take("twilio", 1, per_s=2, burst=10)
    await field.queue.spend("sms", 1, 5)
    assert await redis.ttl("{0}:tally:2100-01-01") <= 1_000, "from the first count on"
    assert 399 * 86_400 < await redis.ttl("{0}:tally:2100-01-02") <= 400 * 86_400
    assert 60_000 < await redis.pttl(rate("twilio")) <= 65_000
    assert 2 * 86_400 < await redis.ttl(spent("sms", "2100-01-01")) <= 3 * 86_400


async def test_a_budgets_day_is_the_calendars(redis: Redis) -> None:
    side = await RealSide.of(redis)
    days = ["1999-12-31", "2000-02-29", "2026-11-22", "2028-02-29", "2028-03-01", "2100-02-28", "2100-03-01"]
    for n, day in enumerate(days):
        midnight = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1_000)
        for now in (midnight, midnight + 24 * HOUR - 1):
            await side.set_clock(now)
            await side.queue().spend(f"channel-{n}", 1, 9)
        assert await redis.get(spent(f"channel-{n}", day)) == b"2"


# Stored bytes


async def test_what_the_queue_keeps_stays_readable(redis: Redis) -> None:
    """The bytes of a store that this version wrote when it was new; a claim of them, as any later version reads it."""
    field = await Field(await RealSide.of(redis)).opened()
    kept = bytes.fromhex(KEPT)
    await redis.hset("{0}:c:d", "r1", kept)
    await redis.rpush("{0}:c:line:sms:bulk:ann", "r1")
    await redis.zadd("{0}:c:due:sms:bulk", {"ann": START})
    (claim,) = await field.claim()
    assert claim.dispatch == dispatch("r1")
    await field.settle("r1")
    await field.clear(dispatch("r1"))
    assert await redis.hget("{0}:c:d", "r1") == kept
    await redis.hset("{0}:c:claims", "r1", bytes.fromhex(CLAIMED))
    await redis.hset("{0}:infl:ann", "r1", "one")
    ((found),) = await field.queue.in_flight([0])
    assert (found.token, found.claimed_at, found.tries, found.refused) == ("one", START, 2, "late")
    assert await field.settle("r1", entries=(body("x"),))
    assert decode_entry((await redis.xrange("{0}:log"))[-1][1][b"e"]).ref == "x"  # type: ignore[union-attr]


KEPT = (
    "97a3616e6ea3736d73a462756c6bad34313032343438343030303030a13093a570726f6d6fa3736d73a6736d733a6431da00"
    "509da27231a3616e6ea3736d73a570726f6d6fa46e65777381a474657874a24869cf000003bb2cc3d800cf000003bb2cfac6"
    "80cf000003bb2eb23a8093a570726f6d6fa3736d73a6736d733a6431a0a000"
)
CLAIMED = "97a36f6e65ad34313032343434383030303030a132a46c617465a3616e6ea3736d73a462756c6b"
