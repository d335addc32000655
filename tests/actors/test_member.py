"""A member's round: the step and what is carried beside it do not cut each other short."""

import asyncio
from typing import Any, cast

import pytest

from actors.carrier import Carrier
from actors.clock import SystemClock
from actors.member import Member
from actors.processor import Processor
from store.client import connect
from store.ports import Unavailable


class _Part:
    """One half of a round: it waits for the other to begin, then does what it is told."""

    is_busy = True

    def __init__(self, fails: bool, error: Exception | None = None) -> None:
        self.error = error or Unavailable("no answer")
        self.owned: dict[int, Any] = {}
        self.began, self.ended = asyncio.Event(), False
        self.other: _Part = self
        self.fails = fails

    async def _do(self) -> None:
        self.began.set()
        await self.other.began.wait()
        if self.fails:
            raise self.error
        await asyncio.sleep(0)  # the other has failed by now
        self.ended = True

    async def step(self, block_ms: int) -> int:
        assert block_ms == 0, "who has more to carry does not wait for entries"
        await self._do()
        return 0

    def owns(self, tokens: dict[int, Any]) -> None:
        assert tokens == {}

    async def carry(self) -> int:
        return 0

    async def walk(self) -> int:
        await self._do()
        return 0


def _member(step: _Part, carrier: _Part) -> Member[Any]:
    step.other, carrier.other = carrier, step
    return Member(
        connect("redis://localhost:1"),
        cast("Processor[Any]", step),
        SystemClock(),
        name="host-0",
        lane="players",
        incarnation="i",
        carrier=cast("Carrier", carrier),
    )


async def test_both_are_under_way_at_once() -> None:
    step, carrier = _Part(fails=False), _Part(fails=False)
    await asyncio.wait_for(_member(step, carrier)._work(), 5)
    assert step.ended
    assert carrier.ended


@pytest.mark.parametrize("carrying", [True, False])
async def test_neither_is_cut_short_when_the_other_fails(carrying: bool) -> None:
    step, carrier = _Part(fails=not carrying), _Part(fails=carrying)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(_member(step, carrier)._work(), 5)
    assert (step if carrying else carrier).ended


async def test_a_fault_of_ours_is_heard_of_when_the_store_does_not_answer_the_other() -> None:
    step, carrier = _Part(fails=True), _Part(fails=True, error=KeyError("a fault of ours"))
    with pytest.raises(KeyError):
        await asyncio.wait_for(_member(step, carrier)._work(), 5)
