"""One suite for every store: the function library on real servers, and the model that the simulation runs on."""

from typing import Any

import pytest

from domain.entries import Landed, TimerFired, encode_entry
from store.intake import COMMAND_BUCKETS, DEDUPE_BUCKET_MS, command_buckets
from store.ports import Appended, Commit, Incoming, Refused, Token, Verdict, Write
from tests.conftest import binary_of
from tests.contract.desk import ANN, BOB, TTL, Desk, offset_of, side, timer
from tests.contract.script import HOUR, KEEP, incoming
from tests.contract.sides import START, Side

__all__ = ["side"]  # the fixture: each implementation


def test_the_suite_runs_on_a_redis_too_when_the_machine_has_one() -> None:
    """It is the second server of every test here; without one, this is the only test that is skipped."""
    assert binary_of("redis")


# Ownership


async def test_acquiring_gives_the_offset_and_raises_the_epoch(side: Side) -> None:
    desk = Desk(side)
    first = await desk.own()
    second = await desk.own(nonce="n2")
    assert (first.offset, first.token.epoch, second.token.epoch) == ("0-0", "1", "2")


async def test_a_running_lease_is_held_against_others(side: Side) -> None:
    desk = Desk(side)
    await desk.own()
    with pytest.raises(Refused) as refused:
        await desk.own("host-2", "n2")
    assert refused.value.verdict is Verdict.HELD


async def test_a_lapsed_lease_is_taken_over(side: Side) -> None:
    desk = Desk(side)
    await desk.own()
    await side.set_clock(START + TTL)
    assert (await desk.own("host-2", "n2")).token.epoch == "2"


async def test_renewing_keeps_others_away(side: Side) -> None:
    desk = Desk(side)
    grant = await desk.own()
    await side.set_clock(START + TTL - 1)
    assert await desk.players.renew([grant.token], TTL) == [Verdict.OK]
    await side.set_clock(START + TTL)
    with pytest.raises(Refused):
        await desk.own("host-2", "n2")


async def test_releasing_ends_the_lease_at_once(side: Side) -> None:
    desk = Desk(side)
    grant = await desk.own()
    await desk.players.release(grant.token)
    assert (await desk.own("host-2", "n2")).tries == 1


async def test_a_fenced_owner_may_not_renew_release_fire_or_commit(side: Side) -> None:
    desk = Desk(side)
    old = (await desk.own()).token
    (end,) = await desk.sent("e1")
    await desk.own(nonce="n2")
    assert await desk.players.renew([old], TTL) == [Verdict.FENCED]
    await desk.players.release(old)
    with pytest.raises(Refused):
        await desk.own("host-2", "n3")
    assert await desk.players.fire([old], 10) == [0]
    assert await desk.commit(old, "0-0", end) is Verdict.FENCED


@pytest.mark.parametrize(("epoch", "nonce"), [("2", "n1"), ("1", "n2"), ("", "n1"), ("1", "")])
async def test_epoch_and_nonce_must_both_be_the_current_ones(side: Side, epoch: str, nonce: str) -> None:
    desk = Desk(side)
    await desk.own()
    (end,) = await desk.sent("e1")
    assert await desk.commit(Token(0, epoch, nonce), "0-0", end) is Verdict.FENCED


async def test_a_partition_nobody_acquired_takes_no_commit(side: Side) -> None:
    assert await Desk(side).commit(Token(0, "1", "n"), "0-0", "1-0") is Verdict.FENCED


async def test_acquisitions_at_one_offset_are_counted_until_a_commit_moves_it(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    assert [(await desk.own(nonce=n)).tries for n in "abc"] == [1, 2, 3]
    grant = await desk.own(nonce="d")
    await desk.commit(grant.token, "0-0", end)
    assert (await desk.own(nonce="e")).tries == 1


async def test_the_partition_state_comes_with_the_grant(side: Side) -> None:
    desk = Desk(side)
    grant = await desk.own()
    a, b = await desk.sent("e1", "e2")
    await desk.commit(grant.token, "0-0", a, part=b"programme 7")
    await desk.commit(grant.token, a, b)
    assert (await desk.own(nonce="n2")).part == b"programme 7"


async def test_what_waits_is_what_came_in_and_is_not_done(side: Side) -> None:
    desk = Desk(side)
    grant = await desk.own()
    a, *_ = await desk.sent("e1", "e2", "e3")
    await desk.commit(grant.token, "0-0", a, done=1)
    assert await desk.players.waiting([0, 1]) == [2, 0]


async def test_the_lanes_of_a_partition_are_owned_apart(side: Side) -> None:
    desk = Desk(side)
    await desk.own("host-1", "n1")
    assert (await desk.tower.acquire(0, "host-2", "n2", TTL)).token.epoch == "1"


# Intake


async def test_the_same_message_id_is_appended_once_and_finds_its_offset(side: Side) -> None:
    desk = Desk(side)
    (first,) = await desk.send("e1")
    (again,) = await desk.send("e1")
    assert isinstance(first, Appended)
    assert again == Appended(first.offset, duplicate=True)
    assert len(await desk.log()) == 1


async def test_a_message_id_twice_in_one_call_is_appended_once(side: Side) -> None:
    first, again = await Desk(side).send("e1", "e1")
    assert again == Appended(offset_of(first), duplicate=True)


async def test_the_same_message_id_with_other_content_is_told_apart(side: Side) -> None:
    desk = Desk(side)
    first, other = await desk.send(incoming("e1", content="a"), incoming("e1", content="b"))
    assert other == Appended(offset_of(first), mismatch=True)


async def test_two_players_may_use_one_message_id(side: Side) -> None:
    desk = Desk(side)
    await desk.send(incoming("e1", ANN), incoming("e1", BOB), incoming("e1", ANN), incoming("e1", BOB))
    assert [e.entry.player for e in await desk.log()] == [ANN, BOB]


async def test_a_retry_without_a_timestamp_is_met_in_the_bucket_before(side: Side) -> None:
    desk = Desk(side)
    entry = incoming("e1", bucket="100")
    later = Incoming(ANN, "e1", entry.fingerprint, "101", entry.body, other_bucket="100")
    first, again = await desk.send(entry, later)
    assert again == Appended(offset_of(first), duplicate=True)


@pytest.mark.parametrize("back", [0, 1, 2, COMMAND_BUCKETS])
async def test_a_command_is_met_in_the_bucket_of_each_half_day_that_is_promised(side: Side, back: int) -> None:
    desk = Desk(side)
    (bucket, others), (first_bucket, _) = command_buckets(START), command_buckets(START - back * DEDUPE_BUCKET_MS)
    entry = incoming("cmd:1", bucket=first_bucket)
    again = Incoming(ANN, "cmd:1", entry.fingerprint, bucket, entry.body, others)
    others_word = Incoming(ANN, "cmd:1", "another", bucket, entry.body, others)
    first, second, third = await desk.send(entry, again, others_word)
    assert second == Appended(offset_of(first), duplicate=True)
    assert third == Appended(offset_of(first), mismatch=True)


async def test_another_players_command_of_that_name_hides_none_in_the_buckets_before(side: Side) -> None:
    desk = Desk(side)
    mine, theirs = incoming("cmd:1", bucket="100"), incoming("cmd:1", BOB, bucket="102")
    between = incoming("cmd:1", "carl", bucket="101")
    first, *_ = await desk.send(mine, theirs, between)
    (again,) = await desk.send(Incoming(ANN, "cmd:1", mine.fingerprint, "102", mine.body, "101 100"))
    assert again == Appended(offset_of(first), duplicate=True)


async def test_a_command_is_a_new_one_after_the_time_that_is_promised(side: Side) -> None:
    bucket, others = command_buckets(START)
    entry = incoming("cmd:1", bucket=str(int(bucket) - COMMAND_BUCKETS - 1))
    _, again = await Desk(side).send(entry, Incoming(ANN, "cmd:1", entry.fingerprint, bucket, entry.body, others))
    assert isinstance(again, Appended)
    assert not again.duplicate


async def test_a_dedupe_bucket_is_forgotten_when_its_keeping_time_is_over(side: Side) -> None:
    desk = Desk(side)
    await desk.send("e1")
    state = await side.dump(0)
    bucket = START // (12 * HOUR)
    assert state[f"expires d:{bucket}"] == (bucket + 1) * 12 * HOUR + KEEP
    assert state["buckets"] == [str(bucket)]


async def test_a_full_partition_takes_all_of_a_call_or_nothing(side: Side) -> None:
    desk = Desk(side, bound=3)
    await desk.send("e1", "e2")
    assert await desk.send("e3", "e4") == [Verdict.BACKLOG, Verdict.BACKLOG]
    assert len(await desk.log()) == 2
    (answer,) = await desk.send("e3")
    assert isinstance(answer, Appended)


async def test_what_is_done_makes_room(side: Side) -> None:
    desk = Desk(side, bound=2)
    a, b = await desk.sent("e1", "e2")
    grant = await desk.own()
    await desk.commit(grant.token, "0-0", b, done=2)
    assert all(isinstance(answer, Appended) for answer in await desk.send("e3", "e4"))
    assert a != b


async def test_internal_entries_pass_a_full_partition_and_are_unique_by_key(side: Side) -> None:
    desk = Desk(side, bound=1)
    await desk.send("e1")
    body = encode_entry(TimerFired(ANN, "x", "y", 0))
    first = await desk.intake.append_internal(0, "publish:7", body)
    again = await desk.intake.append_internal(0, "publish:7", body)
    assert again == Appended(first.offset, duplicate=True)
    assert len(await desk.log()) == 2
    dated = await desk.intake.append_internal(0, "channel:sms:life:1", body, at=START)
    again = await desk.intake.append_internal(0, "channel:sms:life:1", body, at=START + 1)
    assert again == Appended(dated.offset, duplicate=True)
    state, bucket = await side.dump(0), START // DEDUPE_BUCKET_MS
    assert (state["expires d:internal:players"], state[f"expires d:{bucket}"] > START) == (-1, True)


async def test_an_entry_is_stamped_by_the_stores_clock_which_never_goes_back(side: Side) -> None:
    desk = Desk(side)
    await desk.send("e1")
    await side.set_clock(START - 5_000)
    await desk.send("e2")
    await side.set_clock(START + 7)
    await desk.send("e3")
    assert [e.at for e in await desk.log()] == [START, START, START + 7]


async def test_a_store_with_the_logs_clock_stamps_the_records_own_time(side: Side) -> None:
    desk = Desk(side, clock="log")
    await desk.send(incoming("e1", at=5_000), incoming("e2", at=3_000), incoming("e3", at=9_000))
    assert [e.at for e in await desk.log()] == [5_000, 5_000, 9_000]


# Commit


async def test_a_commit_writes_everything_together(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    await side.says_hello(0, ANN)
    grant = await desk.own()
    verdict = await desk.commit(
        grant.token,
        "0-0",
        end,
        done=1,
        writes=[Write(ANN, 0, 1, {"wallet": b"10"})],
        history=[(ANN, end, b"record")],
        inbox=[(ANN, b"hello", False)],
        outputs=[b"request"],
        keys=[("2100", "2099", "ann/welcome/0", "e1")],
        timers=[(True, START + 5, b"ring")],
        part=b"part",
        dead=[b"letter"],
        index=[("req_1", ANN)],
    )
    state = await side.dump(0)
    assert verdict is Verdict.OK
    assert await desk.players.load([(0, ANN), (0, BOB)]) == [{"v": b"1", "wallet": b"10"}, {}]
    assert state["meta"]["off"] == "#0"
    assert {k: state["meta"][k] for k in ("seq", "in", "done")} == {"seq": b"1", "in": b"1", "done": b"1"}
    assert state["h:ann"] == [("#0", {"d": b"record"})]
    assert state["feed:ann"] == [{"d": b"record"}, {"n": b"hello"}]
    assert state["inbox:ann"] == [{"n": b"hello"}]
    assert state["t:log"] == [{"a": str(START).encode(), "e": b"request"}]
    assert state["t:meta"]["in"] == b"1"
    assert state["fx:2100"] == {"ann/welcome/0": b"e1"}
    assert state["timers"] == [(START + 5, b"ring")]
    assert state["dead"] == [{"d": b"letter"}]
    assert state["requests"] == {"req_1": b"ann"}


async def test_the_same_commit_again_is_answered_already_and_writes_nothing(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    grant = await desk.own()
    parts: dict[str, Any] = {"writes": [Write(ANN, 0, 1, {"x": b"1"})], "keys": [("b", "a", "k", "e1")], "done": 1}
    assert await desk.commit(grant.token, "0-0", end, **parts) is Verdict.OK
    before = await side.dump(0)
    assert await desk.commit(grant.token, "0-0", end, **parts) is Verdict.ALREADY
    assert await side.dump(0) == before


async def test_a_commit_from_another_offset_is_stale(side: Side) -> None:
    desk = Desk(side)
    a, b, c = await desk.sent("e1", "e2", "e3")
    grant = await desk.own()
    await desk.commit(grant.token, "0-0", b)
    assert await desk.commit(grant.token, "0-0", a) is Verdict.STALE
    assert await desk.commit(grant.token, a, c) is Verdict.STALE


async def test_a_snapshot_of_another_version_is_a_conflict(side: Side) -> None:
    desk = Desk(side)
    a, b = await desk.sent("e1", "e2")
    grant = await desk.own()
    await desk.commit(grant.token, "0-0", a, writes=[Write(ANN, 0, 1, {})])
    assert await desk.commit(grant.token, a, b, writes=[Write(ANN, 0, 1, {})]) is Verdict.CONFLICT


async def test_only_the_changed_fields_of_a_snapshot_are_written(side: Side) -> None:
    desk = Desk(side)
    a, b = await desk.sent("e1", "e2")
    grant = await desk.own()
    await desk.commit(grant.token, "0-0", a, writes=[Write(ANN, 0, 1, {"wallet": b"1", "air": b"2"})])
    await desk.commit(grant.token, a, b, writes=[Write(ANN, 1, 2, {"wallet": b"3"})])
    assert await desk.players.load([(0, ANN)]) == [{"v": b"2", "wallet": b"3", "air": b"2"}]


@pytest.mark.parametrize("bucket", [("2100", "2099"), ("2101", "2100")], ids=["same bucket", "bucket before"])
async def test_an_effect_key_is_taken_once_and_names_its_cause(side: Side, bucket: tuple[str, str]) -> None:
    desk = Desk(side)
    a, b = await desk.sent("e1", "e2")
    grant = await desk.own()
    await desk.commit(grant.token, "0-0", a, keys=[("2100", "2099", "k", "e1")])
    answer = await desk.players.commit([(grant.token, Commit(a, b, keys=[(*bucket, "k", "e9")]))])
    assert answer == [(Verdict.DUPEFFECT, "e1\nk\ne9")]


async def test_an_in_app_delivery_to_an_excluded_player_is_refused_unless_legal(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    grant = await desk.own()
    await desk.intake.exclude(ANN, "self", encode_entry(TimerFired(ANN, "x", "y", 0)))
    assert await desk.players.stopped([(0, ANN), (0, BOB)]) == [True, False]
    answer = await desk.players.commit([(grant.token, Commit("0-0", end, inbox=[(ANN, b"promo", False)]))])
    assert answer == [(Verdict.STOPPED, ANN)]
    assert await desk.commit(grant.token, "0-0", end, inbox=[(ANN, b"terms", True)]) is Verdict.OK


async def test_lifting_a_stop_lets_deliveries_through_again(side: Side) -> None:
    desk = Desk(side)
    body = encode_entry(TimerFired(ANN, "x", "y", 0))
    await side.in_flight(0, ANN, 2)
    assert await desk.intake.exclude(ANN, "self", body) == 2
    await desk.intake.exclude(ANN, "", body)
    assert await desk.players.stopped([(0, ANN)]) == [False]
    assert len(await desk.log()) == 2


async def test_only_players_with_a_socket_have_a_feed_of_deltas(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    grant = await desk.own()
    await side.says_hello(0, BOB)
    await desk.commit(grant.token, "0-0", end, history=[(ANN, end, b"a"), (BOB, end, b"b")])
    state = await side.dump(0)
    assert ("feed:ann" in state, state["feed:bob"]) == (False, [{"d": b"b"}])


async def test_checks_come_in_the_order_fence_already_offset_version_key_stop(side: Side) -> None:
    """A commit that breaks every rule is answered by the first; mending one by one shows the next."""
    desk = Desk(side)
    a, b, c = await desk.sent("e1", "e2", "e3")
    old = (await desk.own()).token
    token = (await desk.own(nonce="n2")).token
    await desk.commit(token, "0-0", a, keys=[("k", "", "key", "e1")], writes=[Write(ANN, 0, 1, {})])
    await desk.intake.exclude(ANN, "self", encode_entry(TimerFired(ANN, "x", "y", 0)))
    bad: dict[str, Any] = {
        "writes": [Write(ANN, 0, 1, {})], "keys": [("k", "", "key", "e2")], "inbox": [(ANN, b"promo", False)],
    }  # fmt: skip
    fine = bad | {"writes": [Write(ANN, 1, 2, {})]}
    assert [
        await desk.commit(old, b, a, **bad),
        await desk.commit(token, b, a, **bad),
        await desk.commit(token, b, c, **bad),
        await desk.commit(token, a, b, **bad),
        await desk.commit(token, a, b, **fine),
        await desk.commit(token, a, b, **fine | {"keys": []}),
        await desk.commit(token, a, b, **fine | {"keys": [], "inbox": []}),
    ] == ["FENCED", "ALREADY", "STALE", "CONFLICT", "DUPEFFECT", "STOPPED", "OK"]


async def test_batches_of_several_partitions_are_answered_each(side: Side) -> None:
    players = side.lane("players")
    intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=2)
    await intake.append([incoming("e1", "ann"), incoming("e1", "bob"), incoming("e1", "cleo"), incoming("e1", "dan")])
    found = await players.read({0: "0-0", 1: "0-0"}, 10, 0)
    zero = (await players.acquire(0, "h", "n", TTL)).token
    answers = await players.commit(
        [(zero, Commit("0-0", found[0][-1].offset)), (Token(1, "1", "n"), Commit("0-0", found[1][-1].offset))]
    )
    assert [verdict for verdict, _ in answers] == [Verdict.OK, Verdict.FENCED]


async def test_half_a_commit_stops_the_partition_for_a_person(side: Side) -> None:
    """The history record is out of order: a write fails after others succeeded, which nothing rolls back."""
    desk = Desk(side)
    a, b, c = await desk.sent("e1", "e2", "e3")
    token = (await desk.own()).token
    await desk.commit(token, "0-0", b, history=[(ANN, b, b"2")])
    assert await desk.commit(token, b, c, writes=[Write(ANN, 0, 1, {})], history=[(ANN, a, b"1")]) is Verdict.BROKEN
    assert await desk.commit(token, b, c) is Verdict.BROKEN
    assert await desk.players.renew([token], TTL) == [Verdict.BROKEN]
    assert await desk.players.fire([token], 9) == [0]
    with pytest.raises(Refused) as refused:
        await desk.own(nonce="n9")
    assert refused.value.verdict is Verdict.BROKEN


async def test_outputs_reach_the_towers_log_in_order_with_a_time_that_never_goes_back(side: Side) -> None:
    desk = Desk(side)
    a, b = await desk.sent("e1", "e2")
    token = (await desk.own()).token
    bodies = [encode_entry(TimerFired(ANN, "held", str(i), 0)) for i in range(3)]
    await desk.commit(token, "0-0", a, outputs=bodies[:2])
    await side.set_clock(START - 1)
    await desk.commit(token, a, b, outputs=bodies[2:])
    rows = await desk.log("tower")
    assert [(e.at, e.entry.ref) for e in rows] == [(START, "0"), (START, "1"), (START, "2")]


async def test_outputs_are_not_of_a_time_before_the_turns_that_ask(side: Side) -> None:
    desk = Desk(side)
    await side.set_clock(START + 5_000)
    (end,) = await desk.sent("e1")
    token = (await desk.own()).token
    await side.set_clock(START)
    await desk.commit(token, "0-0", end, outputs=[encode_entry(TimerFired(ANN, "held", "x", 0))])
    assert [e.at for e in await desk.log("tower")] == [START + 5_000]


async def test_outputs_of_a_store_with_the_logs_clock_carry_the_commits_time(side: Side) -> None:
    desk = Desk(side, clock="log")
    (end,) = await desk.sent("e1")
    token = (await desk.own()).token
    await desk.commit(token, "0-0", end, at="77", outputs=[encode_entry(TimerFired(ANN, "held", "x", 0))])
    assert [e.at for e in await desk.log("tower")] == [77]


async def test_outputs_of_the_tower_reach_the_players_log(side: Side) -> None:
    desk = Desk(side)
    token = (await desk.own()).token
    (end,) = await desk.sent("e1")
    await desk.commit(token, "0-0", end, outputs=[encode_entry(TimerFired(ANN, "held", "x", 0))])
    tower = (await desk.tower.acquire(0, "coordinator", "t1", TTL)).token
    (told,) = await desk.log("tower")
    landed = encode_entry(Landed(ANN, "req_0_1", "sent", "in_app", START))
    await desk.tower.commit([(tower, Commit("0-0", told.offset, 1, outputs=[landed]))])
    assert [e.entry for e in await desk.log()][1:] == [Landed(ANN, "req_0_1", "sent", "in_app", START)]
    assert len(await desk.log("tower")) == 1
    assert (await side.dump(0))["meta"]["in"] == b"2", "it waits for its turn like any entry"


async def test_sums_add_up_and_one_that_would_run_over_stays(side: Side) -> None:
    desk = Desk(side)
    a, b, c = await desk.sent("e1", "e2", "e3")
    token = (await desk.own()).token
    await desk.commit(token, "0-0", a, sums=[("n", 2), ("r", 500_000), ("n", 1)])
    assert await desk.commit(token, "0-0", b, sums=[("n", 9)]) is Verdict.STALE
    await desk.commit(token, a, b, sums=[("r", -200_000), ("w", 2**62)], groups=[(True, "segments/a", ANN)])
    assert await desk.commit(token, b, c, sums=[("w", 2**62), ("n", 1)]) is Verdict.OK
    assert (await side.dump(0))["choices"] == {"n": b"4", "r": b"300000", "w": b"%d" % 2**62}


# Reading


async def test_reading_goes_on_after_an_offset_up_to_a_limit(side: Side) -> None:
    desk = Desk(side)
    a, b, c = await desk.sent("e1", "e2", "e3")
    assert [e.offset for e in (await desk.players.read({0: a}, 10, 0))[0]] == [b, c]
    assert [e.offset for e in (await desk.players.read({0: "0-0"}, 2, 0))[0]] == [a, b]
    assert await desk.players.read({0: c}, 10, 0) == {}
    assert await desk.players.read({}, 10, 0) == {}


async def test_reading_without_waiting_returns_at_once(side: Side) -> None:
    assert await Desk(side).players.read({0: "0-0"}, 10, 0) == {}


# Timers


async def test_a_due_timer_moves_into_the_log_once_and_never_early(side: Side) -> None:
    desk = Desk(side)
    (end,) = await desk.sent("e1")
    token = (await desk.own(ttl_ms=HOUR)).token
    await desk.commit(token, "0-0", end, timers=[timer("late", START + 20), timer("soon", START + 10)])
    assert await desk.players.fire([token], 9) == [0]
    await side.set_clock(START + 20)
    assert [await desk.players.fire([token], 9), await desk.players.fire([token], 9)] == [[2], [0]]
    assert [(e.at, e.entry.ref) for e in (await desk.log())[1:]] == [(START + 20, "soon"), (START + 20, "late")]


async def test_a_cleared_timer_does_not_fire(side: Side) -> None:
    desk = Desk(side)
    a, b = await desk.sent("e1", "e2")
    token = (await desk.own(ttl_ms=HOUR)).token
    _, due, member = timer("x", START + 10)
    await desk.commit(token, "0-0", a, timers=[(True, due, member)])
    await desk.commit(token, a, b, timers=[(False, 0, member)])
    await side.set_clock(START + 20)
    assert await desk.players.fire([token], 9) == [0]


async def test_firing_is_bounded_and_counts_as_backlog(side: Side) -> None:
    desk = Desk(side, bound=3)
    (end,) = await desk.sent("e1")
    token = (await desk.own()).token
    await desk.commit(token, "0-0", end, done=1, timers=[timer(str(i), START - i) for i in range(5)])
    assert await desk.players.fire([token], 3) == [3]
    assert await desk.send("e2") == [Verdict.BACKLOG]


async def test_timers_of_a_store_with_the_logs_clock_wait_for_its_log(side: Side) -> None:
    desk = Desk(side, clock="log")
    (end, _) = [offset_of(a) for a in await desk.send(incoming("e1", at=1_000), incoming("e2", at=2_000))]
    token = (await desk.own()).token
    await desk.commit(token, "0-0", end, timers=[timer("due", 2_000), timer("not yet", 2_001)])
    assert await desk.players.fire([token], 9) == [1]
