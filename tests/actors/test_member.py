"""A member's round: a step, and beside it a pass of the carrier that no step waits for."""

import asyncio
from typing import Any, cast

import pytest

from actors.carrier import Carrier
from actors.clock import SystemClock
from actors.member import BLOCK_MS, Member
from actors.processor import Processor
from store.client import connect
from store.ports import Unavailable


class _Steps:
    """Steps that only yield; ``error`` is what the next one fails with."""

    def __init__(self) -> None:
        self.owned: dict[int, Any] = {}
        self.taken = 0
        self.blocked: list[int] = []
        self.error: Exception | None = None

    async def step(self, block_ms: int) -> int:
        self.blocked.append(block_ms)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.taken += 1
        return 0


class _Passes:
    """Passes that wait until they may end; ``error`` is what they fail with then."""

    def __init__(self) -> None:
        self.idle = 1_000  # ms
        self.under_way = asyncio.Event()
        self.may_end = asyncio.Event()
        self.begun, self.ended, self.cut = 0, 0, 0
        self.error: Exception | None = None

    def owns(self, tokens: dict[int, Any]) -> None:
        assert tokens == {}

    def idle_ms(self) -> int:
        return self.idle

    async def carry(self) -> int:
        self.begun += 1
        self.under_way.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        if self.error is not None:
            raise self.error
        return 0

    async def walk(self) -> int:
        self.ended += 1
        return 0


@pytest.fixture
async def steps() -> _Steps:
    return _Steps()


@pytest.fixture
async def passes() -> _Passes:
    return _Passes()


@pytest.fixture
async def member(steps: _Steps, passes: _Passes) -> Member[Any]:
    return Member(
        connect("redis://localhost:1"),
        cast("Processor[Any]", steps),
        SystemClock(),
        name="host-0",
        lane="players",
        incarnation="i",
        carrier=cast("Carrier", passes),
    )


async def rounds(member: Member[Any], count: int) -> None:
    for _ in range(count):
        await asyncio.wait_for(member._work(), 5)


async def test_steps_go_on_while_a_pass_waits_for_the_store(
    member: Member[Any], steps: _Steps, passes: _Passes
) -> None:
    await rounds(member, 3)
    assert (steps.taken, passes.begun, passes.ended) == (3, 1, 0), "one pass at a time"
    passes.may_end.set()
    await rounds(member, 3)
    assert passes.begun > 1, "the next one begins when that has ended"


async def test_who_has_more_to_carry_does_not_wait_for_entries(
    member: Member[Any], steps: _Steps, passes: _Passes
) -> None:
    for passes.idle in (1_000, 7, 0):
        await rounds(member, 1)
    assert steps.blocked == [BLOCK_MS, 7, 0]


async def test_a_pass_that_failed_is_heard_of_in_the_next_round_and_begins_again(
    member: Member[Any], steps: _Steps, passes: _Passes
) -> None:
    passes.error = Unavailable("no answer")
    passes.may_end.set()
    await rounds(member, 1)
    assert steps.taken == 1, "the step was not cut short"
    with pytest.raises(Unavailable):
        await rounds(member, 2)
    passes.error = None
    await rounds(member, 2)
    assert passes.ended > 0


async def test_a_step_that_fails_does_not_cut_the_pass_short(
    member: Member[Any], steps: _Steps, passes: _Passes
) -> None:
    steps.error = Unavailable("no answer")
    with pytest.raises(Unavailable):
        await rounds(member, 1)
    passes.may_end.set()
    steps.error = None
    await rounds(member, 2)
    assert (passes.ended > 0, passes.cut) == (True, 0)


async def test_a_fault_of_ours_in_a_pass_is_heard_of(member: Member[Any], passes: _Passes) -> None:
    passes.error = KeyError("a fault of ours")
    passes.may_end.set()
    with pytest.raises(KeyError):
        await rounds(member, 3)


async def test_who_stops_lets_the_pass_end_before_partitions_are_given_back(
    member: Member[Any], passes: _Passes
) -> None:
    await rounds(member, 1)
    finishing = asyncio.create_task(member._finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    passes.may_end.set()
    await asyncio.wait_for(finishing, 5)
    assert (passes.ended, passes.cut) == (1, 0)


async def test_whose_last_pass_fails_stops_all_the_same(member: Member[Any], passes: _Passes) -> None:
    await rounds(member, 1)
    passes.error = Unavailable("no answer")
    passes.may_end.set()
    await asyncio.wait_for(member._finish(), 5)
    assert passes.ended == 0


async def test_nothing_is_carried_any_more_by_who_was_ended_in_the_middle(
    member: Member[Any], passes: _Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "_round", member._work)
    running = asyncio.create_task(member.run())
    await asyncio.wait_for(passes.under_way.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert passes.cut == 1
