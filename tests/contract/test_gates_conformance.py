"""The gates that a claim and a commit ask at the last moment, on every store."""

import pytest

from store.ports import Verdict
from tests.contract.desk import side
from tests.contract.field import ANN, BOB, SMS, Field, body, dispatch
from tests.contract.script import HOUR
from tests.contract.sides import START, Side

__all__ = ["side"]  # the fixture: each implementation


async def test_after_an_exclusion_was_answered_nothing_but_legal_mail_is_claimed(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2", channel="email"), dispatch("r3", purpose="legal"))
    assert await field.exclude("self_exclusion") == 0
    rooms = [*SMS, ("email", "bulk", 9), ("sms", "urgent", 9)]
    assert await field.told(rooms=rooms) == [("r1", 0, "excluded"), ("r2", 0, "excluded"), ("r3", 0, "")]


async def test_an_exclusion_tells_what_is_in_flight_until_it_is_settled(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"), dispatch("r3", channel="email"), dispatch("r4", BOB))
    await field.claim()
    await field.claim([("email", "bulk", 1)])
    assert await field.exclude("self_exclusion") == 2
    assert await field.settle("r1", entries=(body("sent"),))
    assert await field.exclude("self_exclusion") == 1
    assert await field.settle("r3")
    assert await field.told() == [("r2", 0, "excluded")]
    assert await field.exclude("self_exclusion") == 0, "what is refused cannot leave"
    assert [claim.refused for claim in await field.queue.in_flight([0]) if claim.dispatch.player == ANN] == ["excluded"]


@pytest.mark.parametrize("way", ["intake", "commit"])
async def test_a_reason_with_an_end_stops_until_then_and_others_go_on(side: Side, way: str) -> None:
    field = await Field(side).opened()
    end = START + 500
    if way == "intake":
        await field.exclude("cool_off", end)
        await field.exclude("blocked", end + 1)
    else:
        await field.turn(stops=[(ANN, f"cool_off|{end}"), (ANN, f"blocked|{end + 1}")])
    assert (await side.dump(0))["stop"] == {ANN: f"cool_off|{end}\nblocked|{end + 1}".encode()}
    for now, is_stopped in ((end - 1, True), (end, True), (end + 1, False)):
        await side.set_clock(now)
        assert await field.tower.stopped([(0, ANN), (0, BOB)]) == [is_stopped, False]
        expected = Verdict.STOPPED if is_stopped else Verdict.OK
        assert await field.write(inbox=[(ANN, b"promo", False)]) is expected
        await field.clear(dispatch(f"r{now}"))
        assert await field.told() == [(f"r{now}", 0, "excluded" if is_stopped else "")]
        await field.settle(f"r{now}")


async def test_a_reason_for_good_outlasts_those_that_end(side: Side) -> None:
    field = await Field(side).opened()
    await field.exclude("cool_off", START + 5)
    await field.exclude("self_exclusion")
    await side.set_clock(START + 10 * 365 * 24 * HOUR)
    assert await field.tower.stopped([(0, ANN)]) == [True]


@pytest.mark.parametrize("way", ["intake", "commit"])
async def test_a_reason_said_again_keeps_the_later_end(side: Side, way: str) -> None:
    """To exclude never lets more through: only to lift does."""
    field = await Field(side).opened()
    found = []
    for until in (START + 5, START + 3, START + 7, None, START + 9):
        if way == "intake":
            await field.exclude("cool_off", until)
        else:
            await field.turn(stops=[(ANN, "cool_off" if until is None else f"cool_off|{until}")])
        found.append((await side.dump(0))["stop"][ANN].decode())
    assert found == [f"cool_off|{end}" for end in (START + 5, START + 5, START + 7, "", "")]
    await field.turn(lifts=[(ANN, "cool_off")])
    await field.turn(lifts=[(ANN, "cool_off")], stops=[(ANN, f"cool_off|{START + 1}")])
    assert (await side.dump(0))["stop"] == {ANN: b"cool_off|%d" % (START + 1)}


async def test_a_reason_is_lifted_alone_or_with_all_others(side: Side) -> None:
    field = await Field(side).opened()
    for reason in ("self_exclusion", "cool_off", "harm"):
        await field.exclude(reason)
    await field.intake.readmit(ANN, "cool_off", body("one"))
    assert (await side.dump(0))["stop"] == {ANN: b"self_exclusion|\nharm|"}
    await field.turn(lifts=[(ANN, "harm"), (ANN, "unknown"), (BOB, "harm")])
    assert (await side.dump(0))["stop"] == {ANN: b"self_exclusion|"}
    await field.intake.readmit(ANN, "", body("all"))
    assert "stop" not in await side.dump(0)
    await field.exclude("harm")
    await field.turn(lifts=[(ANN, "")])
    assert await field.tower.stopped([(0, ANN)]) == [False]
    assert await field.arrived() == ["self_exclusion", "cool_off", "harm", "one", "all", "harm"]


async def test_of_a_commit_that_lifts_and_stops_the_stop_stays(side: Side) -> None:
    field = await Field(side).opened()
    await field.turn(stops=[(ANN, "harm")], lifts=[(ANN, "")])
    assert (await side.dump(0))["stop"] == {ANN: b"harm|"}


async def test_what_parts_lines_cannot_be_smuggled_in_with_a_reason(side: Side) -> None:
    field = await Field(side).opened()
    await field.exclude(f"harm|{START - 1}\ncool_off|{START - 1}", START + 5)
    await field.turn(stops=[(BOB, "a|b\nc|1x"), ("cleo", "d|7\ne|77")])
    assert (await side.dump(0))["stop"] == {
        ANN: b"harm %d cool_off %d|%d" % (START - 1, START - 1, START + 5), BOB: b"a b c 1x|", "cleo": b"d 7 e|77",
    }  # fmt: skip


@pytest.mark.parametrize("old", ["self_exclusion", "by event", "odd|one", ""])
async def test_a_stop_of_an_older_version_is_a_reason_for_good(side: Side, old: str) -> None:
    field = await Field(side).opened()
    await side.stopped_by_old_version(0, ANN, old)
    await field.clear(dispatch("r1"))
    assert await field.write(inbox=[(ANN, b"promo", False)]) is Verdict.STOPPED
    assert await field.tower.stopped([(0, ANN)]) == [True]
    assert await field.told() == [("r1", 0, "excluded")]
    await field.intake.readmit(ANN, "", body("x"))
    assert await field.tower.stopped([(0, ANN)]) == [False]


async def test_a_reason_beside_one_of_an_older_version_leaves_it(side: Side) -> None:
    field = await Field(side).opened()
    await side.stopped_by_old_version(0, ANN, "self_exclusion")
    await field.exclude("cool_off", START + 5)
    await field.intake.readmit(ANN, "cool_off", body("x"))
    assert await field.tower.stopped([(0, ANN)]) == [True]
    await field.intake.readmit(ANN, "self_exclusion", body("x"))
    assert await field.tower.stopped([(0, ANN)]) == [False]


async def test_a_turn_of_older_entries_leaves_alone_what_an_answered_call_closed(side: Side) -> None:
    """A readmission and an opt-in wait in the log while the player is excluded and unsubscribes, and is told so."""
    field = await Field(side).opened()
    old = (await field.intake.append_internal(0, "readmitted", body("old"))).offset
    assert await field.exclude("cool_off", START + 9 * HOUR) == 0
    assert await field.intake.mute(BOB, "sms", True, body("stop")) == 0
    stops = [(ANN, f"cool_off|{START + 1}"), (ANN, "harm")]
    await field.turn(old, lifts=[(ANN, "cool_off"), (ANN, "")], stops=stops, mutes=[(False, BOB, "sms")])
    assert (await side.dump(0))["stop"] == {ANN: b"cool_off|%d\nharm|" % (START + 9 * HOUR)}
    await field.clear(dispatch("r1"), dispatch("r2", BOB))
    assert await field.told() == [("r1", 0, "excluded"), ("r2", 0, "muted")]


async def test_turns_of_the_closing_entries_and_later_ones_do_as_they_say(side: Side) -> None:
    field = await Field(side).opened()
    await field.exclude("cool_off", START + HOUR)
    await field.intake.mute(ANN, "sms", True, body("stop"))
    closing = (await field.players.read({0: "0-0"}, 9, 0))[0][1].offset
    await field.turn(closing, stops=[(ANN, f"cool_off|{START + 2 * HOUR}")], mutes=[(True, ANN, "sms")])
    state = await side.dump(0)
    assert (state["stop"], "gated" in state) == ({ANN: b"cool_off|%d" % (START + 2 * HOUR)}, False)
    await field.turn(lifts=[(ANN, "")], mutes=[(False, ANN, "sms")])
    assert not {"stop", "mute", "gated"} & set(await side.dump(0))


async def test_what_a_call_opens_again_is_not_kept_closed(side: Side) -> None:
    field = await Field(side).opened()
    old = (await field.intake.append_internal(0, "excluded", body("old"))).offset
    for reason in ("cool_off", "harm"):
        await field.exclude(reason)
    await field.intake.mute(ANN, "sms", True, body("x"))
    await field.intake.mute(ANN, "sms", False, body("x"))
    await field.intake.readmit(ANN, "harm", body("x"))
    await field.intake.readmit(ANN, "", body("x"))
    assert not {"stop", "mute", "gated"} & set(await side.dump(0))
    await field.turn(old, stops=[(ANN, "harm")])
    assert (await side.dump(0))["stop"] == {ANN: b"harm|"}, "until the turn of the readmission, which comes"


@pytest.mark.parametrize("mark", ["promo", "sms", "sms:d1"])
@pytest.mark.parametrize("way", ["intake", "commit"])
async def test_a_muted_mark_stops_what_bears_it_until_it_is_cleared(side: Side, mark: str, way: str) -> None:
    field = await Field(side).opened()

    async def mute(is_set: bool) -> None:
        if way == "intake":
            await field.intake.mute(ANN, mark, is_set, body("mute"))
        else:
            await field.turn(mutes=[(is_set, ANN, mark), (False, BOB, mark)])

    await field.clear(
        dispatch("r1"), dispatch("r2", BOB), dispatch("r3", channel="email", marks=("retention", "email"))
    )
    await mute(True)
    await mute(True)
    assert await field.told(rooms=[*SMS, ("email", "bulk", 9)]) == [("r1", 0, "muted"), ("r2", 0, ""), ("r3", 0, "")]
    await field.settle("r1", due=START)
    await mute(False)
    assert await field.told() == [("r1", 1, "")]
    assert "mute" not in await side.dump(0)


async def test_marks_are_muted_one_by_one(side: Side) -> None:
    field = await Field(side).opened()
    await field.turn(mutes=[(True, ANN, "sms"), (True, ANN, "casino/sms"), (True, ANN, "promo")])
    await field.intake.mute(ANN, "casino/sms", False, body("x"))
    assert (await side.dump(0))["mute"] == {ANN: b"sms\npromo"}
    await field.clear(dispatch("r1", marks=("casino/sms",)), dispatch("r2", channel="email", marks=("email", "promo")))
    assert await field.told(rooms=[*SMS, ("email", "bulk", 9)]) == [("r1", 0, ""), ("r2", 0, "muted")]


async def test_muting_tells_what_is_in_flight(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"))
    await field.claim()
    assert await field.intake.mute(ANN, "sms", True, body("x")) == 1
    assert (await side.dump(0))["mute"] == {ANN: b"sms"}


async def test_what_may_not_be_sent_any_more_is_claimed_as_late(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1", send_until=START + 10), dispatch("r2", BOB, send_until=START + 11))
    await side.set_clock(START + 10)
    assert await field.told() == [("r1", 0, "late"), ("r2", 0, "")]


async def test_what_the_tower_took_back_is_told_with_its_reason_and_only_if_it_is_still_there(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1"), dispatch("r2"))
    await field.write(voids=[("r2", "goal"), ("r9", "goal")])
    assert (await side.dump(0))["c:void"] == {"r2": b"goal"}
    assert await field.told() == [("r1", 0, "")]
    await field.write(voids=[("r1", "too late to matter")])
    await field.settle("r1")
    assert await field.told() == [("r2", 0, "withdrawn:goal")]
    await field.settle("r2")
    assert not {key for key in await side.dump(0) if key.startswith("c:") and key != "c:meta"}


async def test_the_reasons_have_an_order_and_the_final_ones_come_first(side: Side) -> None:
    field = await Field(side).opened()
    await field.clear(dispatch("r1", send_until=START))
    await field.write(voids=[("r1", "goal")])
    await field.turn(mutes=[(True, ANN, "sms")], stops=[(ANN, "harm")])
    found = []
    for undo in ({"lifts": [(ANN, "")]}, {"mutes": [(False, ANN, "sms")]}, {}):
        ((_, _, refused),) = await field.told()
        found.append(refused)
        await field.settle("r1", due=START, untried=True)
        await field.turn(**undo)
    assert found == ["excluded", "muted", "withdrawn:goal"]
