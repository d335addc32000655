"""Lines, claims and settlements on every store: the function library on real servers, and the model."""

from typing import Any

import pytest

from store.ports import Claim, Claimed, InFlight, Refused, Settlement, Token, Verdict, Waiting
from tests.contract.desk import side
from tests.contract.field import ANN, BOB, SMS, Field, body, dispatch
from tests.contract.script import HOUR
from tests.contract.sides import START, Side

__all__ = ["side"]  # the fixture: each implementation


# Ownership


async def test_the_channels_of_a_partition_are_owned_like_its_other_lanes(side: Side) -> None:
    field = await Field(side).opened()
    assert field.lease == Token(0, "1", "c1")
    new = await field.channels.acquire(0, "courier-2", "c2", HOUR)
    assert (new.token.epoch, new.offset) == ("2", "0-0")
    assert await field.channels.renew([field.lease, new.token], HOUR) == [Verdict.FENCED, Verdict.OK]
    with pytest.raises(Refused, match="HELD"):
        await field.channels.acquire(0, "courier-3", "c3", HOUR)
    await field.channels.release(new.token)
    assert (await field.channels.acquire(0, "courier-3", "c3", HOUR)).token.epoch == "3"


@pytest.mark.parametrize("token", [Token(0, "1", "c1"), Token(0, "2", "c1"), Token(0, "1", "c2")])
async def test_a_fenced_courier_claims_nothing(side: Side, token: Token) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"))
    field.lease = (await field.channels.acquire(0, "courier-2", "c2", HOUR)).token
    with pytest.raises(Refused, match="FENCED"):
        await field.claim(lease=token)
    assert await field.told() == [("r1", 0, "")]


# Lines


async def test_a_claim_brings_the_dispatch_as_it_was_cleared(side: Side) -> None:
    field = await Field(side).opened()
    sent = dispatch(
        "r1", content={"text": "Grüße, 日本", "n": 1, "deep": [{"a": None, "b": 1.5}]}, source="api", address="d1"
    )
    await field.clear(sent)
    assert await field.claim() == [Claim(0, sent, 0)]
    assert await field.queue.in_flight([0, 1]) == [InFlight(sent, "one", START, 0)]
    assert await field.queue.claimed([0, 1]) == [Claimed(0, "r1", "one")]
    assert await field.queue.in_flight([0, 1], {"r2"}) == []
    assert await field.queue.in_flight([0, 1], {"r1", "r2"}) == [InFlight(sent, "one", START, 0)]


async def test_only_the_head_of_a_line_is_claimed_and_the_next_after_it_is_settled(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.clear(dispatch("r3"))
    order = []
    for _ in range(3):
        ((request, _, _),) = await field.told()
        assert await field.told() == []
        order.append(request)
        assert await field.settle(request)
    assert (order, await field.told()) == (["r1", "r2", "r3"], [])


async def test_lines_of_other_players_channels_and_lanes_go_side_by_side(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(
        dispatch("r1"), dispatch("r2", BOB), dispatch("r3", channel="email"), dispatch("r4", purpose="service")
    )
    assert await field.told(rooms=[("email", "bulk", 9), ("sms", "urgent", 9)]) == [("r3", 0, ""), ("r4", 0, "")]
    assert await field.told() == [("r1", 0, ""), ("r2", 0, "")]


async def test_the_longest_due_come_first_and_no_more_than_there_is_room_for(side: Side) -> None:
    field = await Field(side).opened()
    for n, player in enumerate(("zoe", "ann", "bob")):
        await side.set_clock(START + n)
        await field.clear(dispatch(f"r{n}", player))
    assert await field.told(rooms=[("sms", "bulk", 2)]) == [("r0", 0, ""), ("r1", 0, "")]
    assert await field.told(rooms=[("sms", "bulk", 0)]) == []
    assert await field.told(rooms=[]) == []
    assert await field.told(rooms=[*SMS, *SMS]) == [("r2", 0, "")]


async def test_a_room_that_is_asked_for_twice_gives_each_head_once(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(*(dispatch(f"r{n}", f"p{n}") for n in range(4)))
    assert [r for r, _, _ in await field.told(rooms=[("sms", "bulk", 2), ("sms", "bulk", 3)])] == ["r0", "r1", "r2"]


async def test_an_id_that_is_cleared_again_while_it_waits_is_replaced_and_goes_to_the_end_of_its_new_line(
    side: Side,
) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r1", cleared_at=START + 1), dispatch("r2"))
    await field.clear(dispatch("r1", cleared_at=START + 2))
    assert await field.told() == [("r2", 0, "")]
    await field.clear(dispatch("r1", cleared_at=START + 3, channel="email"))
    assert await field.settle("r2")
    assert await field.told() == []
    ((claim),) = await field.claim([("email", "bulk", 9)])
    assert (claim.dispatch.cleared_at, claim.tries) == (START + 3, 0)
    assert await field.settle("r1")
    state = await side.dump(0)
    assert [key for key in state if key.startswith("c:") and key != "c:meta"] == []


async def test_the_place_of_one_that_goes_to_another_line_is_taken_at_once(side: Side) -> None:
    """Its tries and what it was taken back for were of the old clearance."""
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.claim()
    await field.settle("r1", due=START + HOUR)
    await field.write(voids=[("r1", "goal")])
    await field.clear(dispatch("r1", purpose="service"))
    assert await field.told(rooms=[*SMS, ("sms", "urgent", 9)]) == [("r2", 0, ""), ("r1", 0, "")]


@pytest.mark.parametrize("due", [0, START + HOUR], ids=["over", "kept"])
async def test_an_id_that_is_cleared_again_in_flight_waits_for_its_settlement(side: Side, due: int) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.claim()
    await field.write(voids=[("r1", "goal")])
    await field.clear(dispatch("r1", cleared_at=START + 1, channel="email"))
    await field.clear(dispatch("r1", cleared_at=START + 2, channel="email"))
    assert await field.told(rooms=[*SMS, ("email", "bulk", 9)]) == []
    assert await field.settle("r1", due=due)
    assert not await field.settle("r1")
    claims = await field.claim([*SMS, ("email", "bulk", 9)])
    assert [(c.dispatch.id, c.dispatch.cleared_at, c.tries, c.refused) for c in claims] == [
        ("r2", START, 0, ""), ("r1", START + 2, 0, "")
    ]  # fmt: skip
    assert [await field.settle("r1"), await field.settle("r2")] == [True, True]
    state = await side.dump(0)
    assert [key for key in state if key.startswith("c:") and key != "c:meta"] == []


async def test_what_was_cleared_again_in_flight_can_be_taken_back_too(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"))
    await field.claim()
    await field.clear(dispatch("r1", cleared_at=START + 1))
    await field.write(voids=[("r1", "goal")])
    await field.settle("r1")
    assert await field.told() == [("r1", 0, "withdrawn:goal")]
    await field.settle("r1")
    assert "c:void" not in await side.dump(0)


async def test_a_sweep_claims_only_what_must_not_be_sent(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(*(dispatch(f"r{n}", f"p{n}") for n in range(5)), dispatch("r5", "p0"))
    await field.clear(dispatch("late", "late", send_until=START), dispatch("other", "p1", channel="email"))
    await field.exclude("harm", player="p1")
    await field.intake.mute("p2", "sms", True, body("x"))
    await field.write(voids=[("r3", "goal"), ("r5", "goal")])
    claims, places = await field.queue.sweep(field.lease, "one", [("sms", "bulk", 0), ("sms", "urgent", 0)], 9)
    assert [(c.dispatch.id, c.refused) for c in claims] == [
        ("late", "late"), ("r1", "excluded"), ("r2", "muted"), ("r3", "withdrawn:goal")
    ]  # fmt: skip
    assert places == [0, 0]
    assert await field.exclude("harm", player="p0") == 0, "nothing is in flight"
    assert [f.refused for f in await field.queue.in_flight([0])] != []
    for claim in claims:
        assert await field.settle(claim.dispatch.id, player=claim.dispatch.player, entries=(body("ended"),))
    assert await field.arrived() == ["harm", "x", "harm", *["ended"] * 4]
    assert await field.told() == [("r0", 0, "excluded"), ("r4", 0, "")]


async def test_a_sweep_goes_on_where_it_was_and_looks_at_no_more_than_it_is_asked_to(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(*(dispatch(f"r{n}", f"p{n}") for n in range(7)))
    await field.write(voids=[("r1", "goal"), ("r4", "goal"), ("r6", "goal")])
    found, place = [], 0
    for _ in range(4):
        claims, (place,) = await field.queue.sweep(field.lease, "one", [("sms", "bulk", place)], 2)
        found.append(([c.dispatch.id for c in claims], place))
    assert found == [(["r1"], 1), ([], 3), (["r4"], 4), (["r6"], 0)]
    assert await field.queue.sweep(field.lease, "one", [], 2) == ([], [])


async def test_a_fenced_courier_sweeps_nothing(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1", send_until=START))
    old, field.lease = field.lease, (await field.channels.acquire(0, "courier-2", "c2", HOUR)).token
    with pytest.raises(Refused, match="FENCED"):
        await field.queue.sweep(old, "one", [("sms", "bulk", 0)], 9)
    assert await field.told() == [("r1", 0, "late")]


async def test_what_waits_is_counted_by_room(side: Side) -> None:
    field = await Field(side).opened()
    assert await field.queue.waiting([0, 1]) == {}
    assert await field.queue.waiting([]) == {}
    await field.clear(dispatch("r1"), dispatch("r2"), dispatch("r3", BOB), dispatch("r4", purpose="legal"))
    assert await field.queue.waiting([0, 1]) == {0: {("sms", "bulk"): Waiting(2, 2), ("sms", "urgent"): Waiting(1, 1)}}
    await field.claim()
    assert await field.queue.waiting([0]) == {0: {("sms", "urgent"): Waiting(1, 1)}}


async def test_what_is_to_be_tried_again_later_waits_and_is_not_due(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2", BOB))
    await field.claim()
    assert await field.settle("r1", due=START + 10 * HOUR)
    assert await field.settle("r2", due=START)
    assert await field.queue.waiting([0]) == {0: {("sms", "bulk"): Waiting(2, 1)}}


# Settling


async def test_only_the_claimer_settles_and_only_once(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    assert not await field.settle("r1"), "nobody claimed it"
    await field.claim(by="one")
    assert not await field.settle("r1", by="two", entries=(body("x"),))
    again = Settlement(0, ANN, "r1", "one", entries=(body("sent"),))
    assert await field.queue.settle([again, again]) == [True, False]
    assert not await field.settle("r1")
    assert await field.arrived() == ["sent"]
    assert await field.queue.settle([]) == []


async def test_a_courier_that_lost_the_partition_still_settles_what_it_claimed(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2", BOB))
    await field.claim([("sms", "bulk", 1)], by="one")
    field.lease = (await field.channels.acquire(0, "courier-2", "c2", HOUR)).token
    assert await field.told(by="two") == [("r2", 0, "")]
    assert await field.queue.settle(
        [Settlement(0, ANN, "r1", "one"), Settlement(0, BOB, "r2", "one"), Settlement(0, BOB, "r2", "two")]
    ) == [True, False, True]


async def test_what_is_kept_for_another_try_stays_at_the_head_and_is_due_then(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.claim()
    assert await field.settle("r1", due=START + 5_000)
    assert await field.exclude("cool_off", START + 1) == 0, "it is not in flight"
    assert await field.told() == []
    await side.set_clock(START + 5_000)
    assert await field.told(by="two") == [("r1", 1, "")]
    assert [(f.token, f.tries, f.claimed_at) for f in await field.queue.in_flight([0])] == [("two", 1, START + 5_000)]
    assert await field.settle("r1", by="two", due=START + 5_000, untried=True)
    assert await field.told() == [("r1", 1, "")]
    await field.settle("r1")
    assert await field.told() == [("r2", 0, "")]
    await field.settle("r2")
    await field.clear(dispatch("r1"))
    assert await field.told() == [("r1", 0, "")], "cleared again it begins anew"


async def test_entries_are_appended_in_order_counted_in_and_pass_the_bound(side: Side) -> None:
    field = await Field(side).opened()
    await field.exclude("harm", player=BOB)
    await field.clear(dispatch("r1"), dispatch("r2", BOB, purpose="legal", channel="sms"), dispatch("r3", "cleo"))
    await field.claim([*SMS, ("sms", "urgent", 9)])
    await side.set_clock(START + 7)
    assert await field.queue.settle(
        [
            Settlement(0, "cleo", "r3", "one", entries=(body("a"), body("b"))),
            Settlement(0, ANN, "r1", "one", dead=b"letter"),
            Settlement(0, BOB, "r2", "one", entries=(body("c"),)),
        ]
    ) == [True, True, True]
    assert [(e.entry.ref, e.at) for e in await field.log()][1:] == [(ref, START + 7) for ref in "abc"]
    state = await side.dump(0)
    assert (state["meta"]["in"], state["meta"]["at"]) == (b"4", b"%d" % (START + 7))
    assert state["dead"] == [{"d": b"letter"}]


async def test_settlements_of_several_partitions_are_answered_in_their_order(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2", BOB))
    await field.claim()
    rows = [
        Settlement(1, ANN, "r1", "one"), Settlement(0, BOB, "r2", "one"), Settlement(1, BOB, "r2", "one"),
        Settlement(0, ANN, "r1", "one"),
    ]  # fmt: skip
    assert await field.queue.settle(rows) == [False, True, False, True]


async def test_the_store_with_the_logs_clock_stamps_and_judges_by_the_log(side: Side) -> None:
    field = await Field(side, clock="log").opened()
    assert (await field.told()) == []
    await field.exclude("harm", START)
    assert await field.tower.stopped([(0, ANN)]) == [True]
    await field.clear(dispatch("r1", send_until=1))
    assert await field.told() == [("r1", 0, "excluded")], "the log's time is 0: the harm runs, and r1 is not late"
    await field.settle("r1", entries=(body("x"),))
    assert [e.at for e in await field.log()] == [0, 0]


async def test_a_clock_that_goes_back_is_never_before_the_logs(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"))
    await side.set_clock(START - 9_000)
    assert [claim.dispatch.id for claim in await field.claim()] == ["r1"]
    await field.settle("r1", entries=(body("x"),))
    assert [found.claimed_at for found in await field.queue.in_flight([0])] == []
    assert [e.at for e in await field.log()] == [START - 9_000], "as any entry: its own log was never told a time"


async def test_an_id_that_was_merged_gets_nothing_from_the_commit_of_its_last_turn_on(side: Side) -> None:
    """Until then it is somebody else: an exclusion of the id that it will live on under does not reach it."""
    field = await Field(side).opened()
    await field.clear(dispatch("r1", "anon"), dispatch("notice", "anon", purpose="legal"))
    assert await field.exclude("self_exclusion", player=ANN) == 0
    assert await field.told() == [("r1", 0, "")]
    assert await field.settle("r1", player="anon", due=START, untried=True)
    await field.turn(stops=[("anon", "merged")])
    assert await field.told() == [("r1", 0, "excluded")]
    assert await field.told(rooms=[("sms", "urgent", 9)]) == [("notice", 0, "")]
    assert (await side.dump(0))["stop"] == {"anon": b"merged|", ANN: b"self_exclusion|"}
    await field.turn(lifts=[(ANN, "")])
    assert await field.players.stopped([(0, ANN), (0, "anon")]) == [False, True]


# What else the tower's commit brings


async def test_reviews_are_kept_until_they_are_over_and_tallies_add_up(side: Side) -> None:
    field = await Field(side).opened()
    await field.write(reviews=[("r1", b"one"), ("r2", b"two")], tallies=[("2100-01-01", "cleared||sms|promo|news", 2)])
    await field.write(
        reviews=[("r1", b""), ("r3", b""), ("r2", b"again")],
        tallies=[("2100-01-01", "cleared||sms|promo|news", 3), ("2100-01-02", "held|quiet_hours|||", 1)],
    )
    state = await side.dump(0)
    assert state["reviews"] == {"r2": b"again"}
    assert state["tally:2100-01-01"] == {"cleared||sms|promo|news": b"5"}
    assert state["tally:2100-01-02"] == {"held|quiet_hours|||": b"1"}


async def test_a_commit_that_is_refused_puts_nothing_into_the_queue(side: Side) -> None:
    field = await Field(side).opened()
    await field.exclude("harm")
    before = await side.dump(0)
    parts: dict[str, Any] = {
        "dispatches": [dispatch("r1", BOB)], "reviews": [("r1", b"x")], "tallies": [("2100-01-01", "x", 1)],
        "mutes": [(True, BOB, "sms")], "stops": [(BOB, "x")], "lifts": [(ANN, "")],
    }  # fmt: skip
    assert await field.write(inbox=[(ANN, b"promo", False)], **parts) is Verdict.STOPPED
    after = await side.dump(0)
    kept = ("c:d", "reviews", "tally:2100-01-01", "mute", "stop")
    assert {k: after.get(k) for k in kept} == {k: before.get(k) for k in kept}


# Rates and budgets


async def test_a_bucket_gives_its_burst_at_once_and_then_what_has_dripped(side: Side) -> None:
    queue = side.queue()
    assert await queue.take("twilio", 3, per_s=10, burst=5) == (3, 0)
    assert await queue.take("twilio", 9, per_s=10, burst=5) == (2, 100)
    assert await queue.take("twilio", 1, per_s=10, burst=5) == (0, 100)
    assert await queue.take("other", 1, per_s=10, burst=5) == (1, 0)
    await side.set_clock(START + 99)
    assert await queue.take("twilio", 1, per_s=10, burst=5) == (0, 1)
    await side.set_clock(START + 100)
    assert await queue.take("twilio", 1, per_s=10, burst=5) == (1, 100)
    await side.set_clock(START + HOUR)
    assert await queue.take("twilio", 99, per_s=10, burst=5) == (5, 100)
    await side.set_clock(START)
    assert await queue.take("twilio", 1, per_s=10, burst=5) == (0, 100), "a clock that goes back gives nothing"


async def test_a_slow_bucket_that_is_asked_often_drips_all_the_same(side: Side) -> None:
    queue, granted = side.queue(), 0
    for n in range(0, 10_001, 37):
        await side.set_clock(START + n)
        granted += (await queue.take("slow", 1, per_s=0.7, burst=1))[0]
    assert granted == 1 + 6


@pytest.mark.parametrize("wrong", [{"per_s": 0, "burst": 1}, {"per_s": 1, "burst": 0}, {"per_s": -1, "burst": 1}])
async def test_a_bucket_without_a_rate_is_refused(side: Side, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        await side.queue().take("x", 1, **wrong)


async def test_a_budget_is_spent_by_the_stores_utc_day_and_what_is_not_used_comes_back(side: Side) -> None:
    queue = side.queue()
    assert [await queue.spend("sms", 3, 5) for _ in range(3)] == [3, 2, 0]
    await queue.refund("sms", 2)
    assert await queue.spend("sms", 9, 5) == 2
    assert await queue.spend("email", 9, 5) == 5
    await side.set_clock(START + 24 * HOUR - 1)
    assert await queue.spend("sms", 1, 5) == 0
    await side.set_clock(START + 24 * HOUR)
    assert await queue.spend("sms", 9, 5) == 5
    await queue.refund("sms", 99)
    assert await queue.spend("sms", 9, 5) == 5
