"""Boards are compared with what the players' turns scored: what was lost, made up or moved is a violation."""

from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.entries import BoardFrozen, TimerFired
from domain.step import BoardScore, Freeze
from playtower.audit import AuditReport, audit
from playtower.audit_boards import BoardAudit
from store.boards import KEPT_MS, Boards
from store.keys import board
from tests.api.world import PROGRAMME, world_of
from tests.conftest import Server
from tests.playtower.test_audit_ways import _settled as settled

RACE = "race@1"
KEEPER = "keeper:tournament:race"
NOW = 4_102_444_800_000
RACES = {
    "tournaments": {
        "race": {"schedule": {"every": "month"}, "events": [{"event": "bet_placed", "score": {"count": True}}]}
    }
}
SCORES = [BoardScore(RACE, "ann", 1, 5.0, 1), BoardScore(RACE, "bob", 4, 7.5, 2), BoardScore(RACE, "ann", 2, 9.0, 3)]
TURN = TimerFired("ann", "", "", 0)


async def audited(redis: Redis, *told: BoardFrozen, scores: list[BoardScore] = SCORES, now: int = NOW) -> list[str]:
    """Audit boards whose log has these scores; which checks found something."""
    audit, report = BoardAudit(redis), AuditReport()
    for score in scores:
        audit.add(TURN, [score], NOW)
    for entry in told:
        audit.add(entry, [], NOW)
    report.boards = await audit.compare(now, partial(report.blame, -1))
    return [violation.check for violation in report.violations]


@pytest.fixture
async def boards(redis: Redis) -> Boards:
    boards = Boards(redis)
    await boards.score(SCORES)
    return boards


async def test_a_board_that_has_the_newest_of_each_is_sound(redis: Redis, boards: Boards) -> None:
    assert await audited(redis) == []
    await boards.score([BoardScore(RACE, "ann", 3, None)])
    assert await audited(redis, scores=[*SCORES, BoardScore(RACE, "ann", 3, None)]) == []


async def test_what_came_after_the_end_is_sound(redis: Redis, boards: Boards) -> None:
    (told,) = await boards.freeze([Freeze(RACE, KEEPER, 1)])
    late = [BoardScore(RACE, "ann", 3, 99.0, 9), BoardScore(RACE, "cleo", 1, 99.0, 9)]
    await boards.score(late)
    assert told is not None
    assert await audited(redis, told, scores=[*SCORES, *late]) == []


async def test_a_score_that_never_arrived_is_a_violation(redis: Redis, boards: Boards) -> None:
    del boards
    lost = [BoardScore(RACE, "bob", 5, 8.0, 5), BoardScore(RACE, "cleo", 1, 8.0, 5)]
    assert await audited(redis, scores=[*SCORES, *lost]) == ["boards agree", "boards agree", "boards are of players"]


async def test_a_score_that_nobody_made_is_a_violation(redis: Redis, boards: Boards) -> None:
    await boards.score([BoardScore(RACE, "eve", 1, 100.0, 1)])
    assert await audited(redis) == ["boards are of players", "boards are of players"]


async def test_a_row_that_was_moved_is_a_violation(redis: Redis, boards: Boards) -> None:
    del boards
    await redis.hset(board(RACE)[1], "bob", "4|-100.0|000000000002")
    assert await audited(redis) == ["boards agree"]


async def test_a_frozen_board_that_changed_is_a_violation(redis: Redis, boards: Boards) -> None:
    (told,) = await boards.freeze([Freeze(RACE, KEEPER, 1)])
    assert told is not None
    await redis.zadd(board(RACE)[0], {"000000000002|bob": -100.0})
    assert await audited(redis, told) == ["frozen boards stay"]


async def test_a_board_that_is_gone_is_a_violation_until_its_time_is_over(redis: Redis, boards: Boards) -> None:
    del boards
    await redis.delete(*board(RACE))
    assert await audited(redis) == ["boards are there"]
    assert await audited(redis, now=NOW + KEPT_MS + 1) == []


async def test_a_store_with_a_tournament_is_sound_until_its_board_is_not(server: Server, redis: Redis) -> None:
    async with world_of(server, redis) as world:
        await world.publish(PROGRAMME | RACES)  # type: ignore[arg-type]
        for n, player in enumerate(["ann", "bob", "cleo", "ann", "bob", "ann"]):
            await world.happen(player, "bet_placed", f"bet-{n}")
        answer = await world.until("/v1/tournaments/race/board", lambda answer: _scores(answer) == [3.0, 2.0, 1.0])
        await settled(redis)
    report = await audit(redis)
    assert (report.violations, report.boards) == ([], 1)
    await Boards(redis).score([BoardScore(answer["board"], "ann", 99, 50.0, 1)])
    assert [violation.check for violation in (await audit(redis)).violations] == ["boards agree"]


def _scores(answer: dict[str, Any]) -> list[float]:
    return [row["score"] for row in answer["items"]]
