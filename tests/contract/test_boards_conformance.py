"""Boards on every store: drawn scripts of scores and freezes end in one table, on a real server and on the model."""

from random import Random

import pytest

from domain.entries import BoardFrozen
from domain.step import BoardScore, Freeze
from store.boards import Boards
from tests.contract.desk import side
from tests.contract.sides import ModelSide, RealSide, Side

__all__ = ["side"]  # the fixture: each implementation

BOARDS = ("race@1", "cup@1/c3")
KEEPER = "keeper:tournament:race"


def drawn(seed: int) -> list[list[BoardScore] | list[Freeze]]:
    """A script: scores old and new, some off the board, and now and then the end of a board."""
    r, script = Random(seed), []
    for _ in range(40):
        if r.random() < 0.06:
            script.append([Freeze(r.choice(BOARDS), KEEPER, r.randrange(4))])
            continue
        rows = {}
        for _ in range(r.randint(1, 5)):
            player, version = r.choice(["ann", "bob", "cleo", "dan", "eve"]), r.randint(1, 30)
            drawn = Random(f"{player}{version}")  # a version means one score
            score = None if drawn.random() < 0.1 else drawn.randrange(-4, 5) / 2
            board = r.choice(BOARDS)
            rows[board, player] = BoardScore(board, player, version, score, drawn.randrange(5))
        script.append(list(rows.values()))
    return script


async def played(side: Side, seed: int) -> list[BoardFrozen | None]:
    """Play a script; what was told on the way, and at the end of both boards, all rows of them."""
    ways, told = side.ways(), []
    for step in drawn(seed):
        if isinstance(step[0], Freeze):
            told += await ways.freeze(step)
        else:
            assert await ways.score(step) == set()
    return told + await ways.freeze([Freeze(board, KEEPER, 99) for board in BOARDS])


@pytest.mark.parametrize("seed", range(12))
async def test_server_and_model_agree(seed: int, side: Side) -> None:
    assert await played(side, seed) == await played(ModelSide(), seed)


async def test_who_came_late_is_the_same_on_both(side: Side) -> None:
    ways = side.ways()
    await ways.score([BoardScore("race@1", "ann", 3, 1.0, 0)])
    await ways.freeze([Freeze("race@1", KEEPER, 1)])
    await ways.score([BoardScore("race@1", "ann", 2, 9.0, 0), BoardScore("race@1", "bob", 1, 9.0, 0)])
    if isinstance(side, RealSide):
        assert (await Boards(side.redis).top("race@1", 1)).late == 1
    elif isinstance(side, ModelSide):
        assert side.store.boards.board("race@1").late == {"bob": 1}
