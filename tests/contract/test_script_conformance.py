"""Ten thousand calls, the same to the real store and to the model that the simulation runs on."""

from typing import Any

import pytest
from redis.asyncio import Redis

from store.ports import Claim, Commit, Verdict, Write
from tests.contract.desk import ANN
from tests.contract.script import HOUR, Hands, Script, incoming
from tests.contract.sides import START, ModelSide, RealSide, Side


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["store", "log"])
async def test_ten_thousand_random_calls_have_the_same_answers_and_end_in_the_same_state(
    any_redis: Redis, clock: str
) -> None:
    real, model = await RealSide.of(any_redis), ModelSide()
    script, real_hands, model_hands = Script(20_31, clock), Hands(clock), Hands(clock)
    for p in (0, 1):
        for player in ("p1", "p4", "p6"):
            await real.says_hello(p, player)
            await model.says_hello(p, player)
    seen: dict[str, int] = {}
    for n in range(5_000):
        plan = script.plan(model_hands)
        told = [await script.call(side, hands, plan) for side, hands in ((real, real_hands), (model, model_hands))]
        assert told[0] == told[1], f"call {n}: {plan}"
        for word in _verdicts(told[0]):
            seen[word] = seen.get(word, 0) + 1
        if n % 500 == 499:
            for p in (0, 1):
                assert await real.dump(p) == await model.dump(p), f"after call {n}"
    broken = [await _half_commit(side, hands) for side, hands in ((real, real_hands), (model, model_hands))]
    assert broken[0] == broken[1]
    for word in ("OK", "ALREADY", "FENCED", "STALE", "CONFLICT", "DUPEFFECT", "STOPPED", "HELD", "BACKLOG"):
        assert seen.get(word, 0) >= 10, f"the calls hardly met {word}: {seen}"
    for word in ("claimed", "claimed again", "excluded", "muted", "withdrawn", "late"):
        assert seen.get(word, 0) >= 5, f"the couriers hardly met {word}: {seen}"


async def _half_commit(side: Side, hands: Hands) -> Any:
    """Commit with a history record out of order, which fails after the snapshots were written."""
    await hands.append(side, 0, [incoming(f"last-{i}", player, at=START) for i in range(4) for player in (ANN, "cleo")])
    lane, (first, _, start, end) = side.lane("players", hands.clock), hands.offsets["players", 0][-4:]
    await side.set_clock(START + 100 * HOUR)
    token = (await lane.acquire(0, "host-9", "n", 0)).token
    here = hands.at["players", 0]
    ahead = Commit(here, start, history=[("late", end, b"h")])
    bad = Commit(start, end, writes=[Write("new", 0, 1, {})], history=[("late", first, b"h")], dead=[b"never"])
    told = [(await lane.commit([(token, commit)]))[0][0] for commit in (ahead, bad)]
    return told, await side.dump(0)


def _verdicts(told: Any) -> list[str]:
    if isinstance(told, Verdict):
        return [told.value]
    if isinstance(told, Claim):
        return [told.refused.partition(":")[0] or ("claimed" if not told.tries else "claimed again")]
    return [word for part in told for word in _verdicts(part)] if isinstance(told, list | tuple) else []
