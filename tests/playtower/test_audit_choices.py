"""An audit over a store whose players chose: draws as they were recorded, sums as the history says."""

import asyncio
from itertools import count
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.effects import Chose, decode_record
from domain.ids import partition_of
from ml.choices.beliefs import ArmSums, Counts
from playtower.audit import audit
from store.beliefs import BeliefsStore
from store.keys import BELIEFS, PLAYERS, choice_sums
from tests.api.world import PARTITIONS, World, world_of
from tests.conftest import Server
from tests.playtower.test_audit_ways import _settled

ONE = 1_000_000
PROGRAMME: dict[str, Any] = {
    "currencies": {"points": {}},
    "choices": {
        "winback": {"arms": {"gift": {}, "talk": {}}, "outcome": {"event": "deposit_completed", "within": 4}},
    },
    "journeys": {
        "back": {
            "entry": {"event": "went_quiet"},
            "nodes": [
                {"id": "best", "kind": "choose", "choice": "winback", "arms": {"gift": "give", "talk": None}},
                {"id": "give", "kind": "reward", "amount": 5},
            ],
        },
    },
}  # fmt: skip


async def _played(world: World) -> None:
    """Have players asked before and after something was learnt, and half of them do what was hoped for."""
    await world.publish(PROGRAMME)
    known = BeliefsStore(world.redis, world.context.intake)
    for round_ in range(2):
        for n in range(8):
            await world.happen(f"p{n}", "went_quiet", f"quiet-{round_}-{n}")
            if n % 2:
                await world.happen(f"p{n}", "deposit_completed", f"deposit-{round_}-{n}")
        async with asyncio.timeout(30):  # successes count when misses do
            looks = count()
            while _outcomes(sums := await known.sums()) < 8 * (round_ + 1):
                await world.happen("nobody", "looked", f"looked-{round_}-{next(looks)}")
        (key,) = sums
        await known.publish({key: {"gift": ArmSums(90, 80 * ONE, 80 * ONE), "talk": ArmSums(90, ONE, ONE)}}, at=1)
        await _settled(world.redis)


def _outcomes(sums: Counts) -> int:
    return sum(one.n for arms in sums.values() for bys in arms.values() for one in bys.values())


async def _draws(redis: Redis) -> list[Chose]:
    found = []
    for n in range(8):
        rows = await redis.xrange(PLAYERS.history(partition_of(f"p{n}", PARTITIONS), f"p{n}"))
        found += [e for _, f in rows for e in decode_record(f[b"d"]).effects if isinstance(e, Chose)]
    return found


@pytest.mark.parametrize("kept", [True, False], ids=["beliefs at hand", "beliefs forgotten"])
async def test_choices_fold_again_to_what_is_stored(server: Server, redis: Redis, kept: bool) -> None:
    async with world_of(server, redis) as world:
        await _played(world)
    draws = await _draws(redis)
    assert {draw.beliefs for draw in draws} == {0, 1}
    assert len([draw for draw in draws if draw.beliefs and draw.arm == "gift"]) > 4, "what was learnt was drawn"
    if not kept:
        await redis.delete(BELIEFS)
    assert (await audit(redis)).violations == []


async def test_sums_that_differ_from_the_history_are_a_violation(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await _played(world)
    p = partition_of("p1", PARTITIONS)
    (name, *_) = await redis.hkeys(choice_sums(p))
    await redis.hincrby(choice_sums(p), name, 1)
    (violation,) = (await audit(redis)).violations
    assert (violation.check, violation.subject) == ("same sums", name.decode())


@pytest.mark.parametrize("kept", [True, False], ids=["beliefs at hand", "beliefs forgotten"])
async def test_a_draw_that_cannot_have_been_is_a_violation(
    server: Server, redis: Redis, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import crm.choices.course as course

    decided = course.decided

    def cheating(*given: Any, **named: Any) -> Any:
        made = decided(*given, **named)
        return made and type(made)(made.arm, 1, made.by, made.eligible, made.context)

    with monkeypatch.context() as cheat:
        cheat.setattr(course, "decided", cheating)
        async with world_of(server, redis) as world:
            await _played(world)
    if not kept:
        await redis.delete(BELIEFS)
    assert {violation.check for violation in (await audit(redis)).violations} >= {"same effects"}
