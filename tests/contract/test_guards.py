"""Each guard of the protocol alone: with the layers that cover it switched off it still prevents its harm, and without
it the harm happens. A simulation cannot show this, because the layers cover each other.

The function library is loaded with the text of a guard taken out; a guard that is no longer found fails the test.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.processor import COMMIT_TRIES, Processor
from store.ports import (
    Appended,
    Commit,
    Refused,
    Token,
    Unavailable,
    Verdict,
    Visit,
    Walk,
    Write,
    encode_walk,
)
from store.redis_lane import RedisLane
from tests.contract.script import incoming
from tests.contract.sides import RealSide
from tests.contract.tiny import TOLD, CountingReducer, Points

Change = tuple[str, str]

_FENCE = "if m[1] ~= epoch or m[2] ~= nonce then"
NO_EPOCH: Change = (_FENCE, "if m[2] ~= nonce then")
NO_NONCE: Change = (_FENCE, "if m[1] ~= epoch then")
NO_OFFSET: Change = ("if m[3] ~= A[3] then", "if false then")
NO_ALREADY: Change = ("if m[3] == A[4] then", "if false then")
NO_VERSION: Change = ("if v ~= w[2] then", "if false then")
NO_EFFECT: Change = ("if cause then", "if false then")
NO_STOP: Change = ("if inbox[i][3] ~= '1' and", "if false and")
NO_DEDUPE: Change = ("if off then\n      out[i] =", "if false then\n      out[i] =")
NO_HELD: Change = ("if m[1] and m[1] ~= A[1] and", "if false and")
NO_BOUND: Change = ("if bound > 0 and", "if false and")
NO_ARRIVED: Change = ("if later(r[1], last) then", "if true then")
NO_CURSOR: Change = ("if cursor ~= A[6] then", "if not cursor then")
NO_YIELD: Change = ("if most >= tonumber(A[4]) then", "if false then")


class Bench:
    """A partition on a real server, whose library may lack some guards."""

    def __init__(self, side: RealSide) -> None:
        self.side = side
        self.lane = side.lane("players")
        self.ways = side.ways()
        self.intake = side.intake(bound=0, keep_ms=0, clock="store", partitions=1)

    async def send(self, *names: str) -> list[str]:
        told = await self.intake.append([incoming(name) for name in names])
        return [answer.offset for answer in told if isinstance(answer, Appended)]

    async def acquire(self, nonce: str, owner: str = "host-1") -> Token:
        return (await self.lane.acquire(0, owner, nonce, 2_000)).token

    async def commit(self, token: Token, start: str, end: str, **parts: Any) -> Verdict:
        """Commit a batch that tells the tower one thing."""
        ((verdict, _),) = await self.lane.commit([(token, Commit(start, end, 1, outputs=[TOLD], **parts))])
        return verdict

    async def told(self) -> int:
        """How often the tower was told."""
        return int(await self.side.redis.xlen("{0}:t:log"))


async def two_owners_with_one_nonce(bench: Bench) -> int:
    """A process was cloned, its random numbers with it: only the epoch tells the two apart."""
    (end,) = await bench.send("e1")
    old, new = await bench.acquire("same"), await bench.acquire("same")
    await bench.commit(new, "0-0", end)
    await bench.commit(old, "0-0", end)
    return await bench.told() - 1


async def two_owners_with_one_epoch(bench: Bench) -> int:
    """The store lost its tail and gave an epoch out twice: only the nonce tells the two apart."""
    (end,) = await bench.send("e1")
    old = await bench.acquire("n1")
    await bench.side.redis.hdel("{0}:meta", "epoch", "owner")
    new = await bench.acquire("n2", "host-2")
    assert old.epoch == new.epoch
    await bench.commit(new, "0-0", end)
    await bench.commit(old, "0-0", end)
    return await bench.told() - 1


async def an_old_commit_arrives_after_a_newer_one(bench: Bench) -> int:
    """A delayed copy of a request: the owner is the current one, the offset is not."""
    a, b = await bench.send("e1", "e2")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", a)
    await bench.commit(token, a, b)
    await bench.commit(token, "0-0", a)
    return await bench.told() - 2


async def a_commit_is_sent_again(bench: Bench) -> int:
    """Its reply was lost."""
    (end,) = await bench.send("e1")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", end)
    await bench.commit(token, "0-0", end)
    return await bench.told() - 1


async def a_snapshot_was_changed_meanwhile(bench: Bench) -> int:
    """Memory is older than the store, though the offset fits: points of another turn would be overwritten."""
    a, b = await bench.send("e1", "e2")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", a, writes=[Write("ann", 0, 1, {"points": b"1"})])
    await bench.commit(token, a, b, writes=[Write("ann", 0, 1, {"points": b"0"})])
    ((fields),) = await bench.lane.load([(0, "ann")])
    return 1 - int(fields["points"])


async def a_reward_is_asked_for_under_another_offset(bench: Bench) -> int:
    """The same event came in again long after its dedupe window."""
    a, b = await bench.send("e1", "e1 again")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", a, keys=[("m", "l", "ann/welcome/0", "e1")])
    await bench.commit(token, a, b, keys=[("m", "l", "ann/welcome/0", "e1")])
    return await bench.told() - 1


async def an_event_is_sent_again(bench: Bench) -> int:
    await bench.send("e1")
    await bench.send("e1")
    return int(await bench.side.redis.xlen("{0}:log")) - 1


async def an_excluded_player_is_sent_a_message(bench: Bench) -> int:
    (end,) = await bench.send("e1")
    token = await bench.acquire("n1")
    await bench.intake.exclude("ann", "self", TOLD)
    await bench.commit(token, "0-0", end, inbox=[("ann", b"come back", False)])
    return int(await bench.side.redis.xlen("{0}:inbox:ann"))


async def a_lease_that_runs_is_taken(bench: Bench) -> int:
    """Nothing is lost by it, but two hosts would take a partition from each other for ever."""
    await bench.acquire("n1")
    await bench.lane.acquire(0, "host-2", "n2", 2_000)
    return 1


async def more_is_sent_than_may_wait(bench: Bench) -> int:
    bench.intake = bench.side.intake(bound=2, keep_ms=0, clock="store", partitions=1)
    await bench.send("e1", "e2", "e3")
    return int(await bench.side.redis.xlen("{0}:log"))


async def two_owners_relay_one_outbox(bench: Bench) -> int:
    """One of them has long lost the partition and does not know it; it read the outbox before it stopped."""
    (end,) = await bench.send("e1")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", end, relays=[(0, b"1"), (0, b"2"), (0, b"3")])
    of_the_zombie = await bench.ways.outbox([0], 2)
    await bench.ways.relay(await bench.ways.outbox([0], 9))
    await bench.ways.relay(of_the_zombie)
    return int(await bench.side.redis.xlen("{0}:log")) - 4


async def a_visit_is_sent_again(bench: Bench) -> int:
    """Its reply was lost, or a copy of it came late."""
    visit = await _a_visit(bench)
    await bench.ways.visit([visit], 64)
    await bench.ways.visit([visit], 64)
    return int(await bench.side.redis.xlen("{0}:log")) - 2


async def a_walk_goes_on_while_others_wait(bench: Bench) -> int:
    visit = await _a_visit(bench)
    await bench.send("e2", "e3")
    await bench.ways.visit([visit], 2)
    return int(await bench.side.redis.xlen("{0}:log")) - 3


async def _a_visit(bench: Bench) -> Visit:
    (end,) = await bench.send("e1")
    token = await bench.acquire("n1")
    await bench.commit(token, "0-0", end, walks=[("w1", encode_walk(Walk("w1", "review")))])
    await bench.side.redis.hset("{0}:t:meta", "done", 1)  # the tower has no backlog
    return Visit(token, Walk("w1", "review", cursor="ann", visited=1), "", [b"visited ann"])


Scenario = Callable[[Bench], Awaitable[int]]


@pytest.mark.parametrize(
    ("guard", "covering", "scenario"),
    [
        pytest.param(NO_EPOCH, [NO_OFFSET, NO_ALREADY], two_owners_with_one_nonce, id="epoch"),
        pytest.param(NO_NONCE, [NO_OFFSET, NO_ALREADY], two_owners_with_one_epoch, id="nonce"),
        pytest.param(NO_OFFSET, [NO_ALREADY], an_old_commit_arrives_after_a_newer_one, id="offset"),
        pytest.param(NO_ALREADY, [NO_OFFSET], a_commit_is_sent_again, id="already"),
        pytest.param(NO_VERSION, [], a_snapshot_was_changed_meanwhile, id="version"),
        pytest.param(NO_EFFECT, [], a_reward_is_asked_for_under_another_offset, id="effect key"),
        pytest.param(NO_DEDUPE, [], an_event_is_sent_again, id="dedupe"),
        pytest.param(NO_STOP, [], an_excluded_player_is_sent_a_message, id="stop"),
        pytest.param(NO_BOUND, [], more_is_sent_than_may_wait, id="backlog"),
        pytest.param(NO_ARRIVED, [], two_owners_relay_one_outbox, id="arrived"),
        pytest.param(NO_CURSOR, [], a_visit_is_sent_again, id="cursor"),
        pytest.param(NO_YIELD, [], a_walk_goes_on_while_others_wait, id="yield"),
    ],
)
async def test_a_guard_prevents_its_harm_alone_and_nothing_else_does(
    redis: Redis, guard: Change, covering: list[Change], scenario: Scenario
) -> None:
    assert await scenario(Bench(await RealSide.of(redis, *covering))) == 0, "with the guard alone the harm happened"
    await redis.flushall()
    without = await RealSide.of(redis, *_merged(guard, covering))
    assert await scenario(Bench(without)) > 0, "without the guard nothing happened: this test shows nothing"


async def test_a_running_lease_keeps_others_out_and_nothing_else_does(redis: Redis) -> None:
    with pytest.raises(Refused):
        await a_lease_that_runs_is_taken(Bench(await RealSide.of(redis)))
    await redis.flushall()
    assert await a_lease_that_runs_is_taken(Bench(await RealSide.of(redis, NO_HELD))) == 1


def _merged(guard: Change, covering: list[Change]) -> Iterator[Change]:
    yield guard
    yield from covering


# The guards of the processor


class Forgetful(Processor[Points]):
    """The real processor."""


class Stubborn(Processor[Points]):
    """A processor that keeps its memory after a commit of which it does not know the end."""

    def _lose(self, partition: int) -> None:  # noqa: ARG002
        self.tally.lost += 1


class MuteLane:
    """A lane whose next commits are carried out, and not answered."""

    def __init__(self, lane: RedisLane, mute: int) -> None:
        self._lane = lane
        self._mute = mute

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)

    async def commit(self, batches: list[tuple[Token, Commit]]) -> list[tuple[Verdict, str]]:
        answers = await self._lane.commit(batches)
        if self._mute:
            self._mute -= 1
            raise Unavailable("the reply was lost")
        return answers


def _processor(kind: type[Processor[Points]], bench: Bench, mute: int) -> Processor[Points]:
    nonces = iter(f"n{i}" for i in range(9))
    lane: Any = MuteLane(bench.lane, mute)
    return kind(lane, CountingReducer(), owner="host-1", nonce=lambda: next(nonces))


@pytest.mark.parametrize(("kind", "doubled"), [(Forgetful, 0), (Stubborn, 1)], ids=["dropped", "kept"])
async def test_memory_is_dropped_after_a_failed_commit_and_without_that_an_event_counts_twice(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, kind: type[Processor[Points]], doubled: int
) -> None:
    """Offset, ALREADY and version would cover it: they are off."""
    bench = Bench(await RealSide.of(redis, NO_OFFSET, NO_ALREADY, NO_VERSION))
    monkeypatch.setattr("actors.processor.COMMIT_TRIES", 1)
    processor = _processor(kind, bench, mute=1)
    await processor.acquire(0)
    await bench.send("e1")
    with pytest.raises(Unavailable):
        await processor.step(0)
    await bench.send("e2")
    await processor.acquire(0)
    await processor.step(0)
    assert await bench.told() - 2 == doubled


async def test_a_lost_reply_costs_no_ownership_because_the_commit_is_answered_already(redis: Redis) -> None:
    bench = Bench(await RealSide.of(redis))
    await bench.send("e1")
    processor = _processor(Forgetful, bench, mute=COMMIT_TRIES - 1)
    await processor.acquire(0)
    assert await processor.step(0) == 1
    assert (processor.tally.lost, await bench.told()) == (0, 1)


async def test_without_the_answer_already_a_lost_reply_costs_the_ownership(redis: Redis) -> None:
    bench = Bench(await RealSide.of(redis, NO_ALREADY))
    await bench.send("e1")
    processor = _processor(Forgetful, bench, mute=1)
    await processor.acquire(0)
    assert await processor.step(0) == 0
    assert (processor.tally.lost, await bench.told()) == (1, 1)
