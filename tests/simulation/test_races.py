"""Boards and keepers over a store that fails: scores absolute and once, asks answered once, a run ended once.

Processes die, stand still and lose replies in the middle of barriers and freezes; two owners carry the same outbox.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

import actors.boarding
from actors.boarding import Boarding
from domain.effects import Posting
from gamification.keeping import Keeper
from store.ports import Outgoing
from tests.simulation import racing
from tests.simulation.faults import Mix
from tests.simulation.seeds import run_seeds
from tests.simulation.visitors import states_of
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIMULATION_RACE_SEEDS", "400"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))

ECHOES = Mix(late=0.02, mute=0.05, ghost=0.5, cut=0.1, crash=0.01, latency_s=0.005)  # much is done twice, and late


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("merges", "seeds"), [(False, SEEDS), (True, SEEDS // 2)])
def test_whatever_fails_boards_and_keepers_come_out_right(merges: bool, seeds: int) -> None:
    failed = run_seeds(range(FIRST, FIRST + seeds), races=True, merges=merges)
    kind = "--races --merges" if merges else "--races"
    told = "\n".join(
        f"python -m tests.simulation.world {kind} --seed {seed} --trace  # {why}" for seed, why in failed.items()
    )
    assert not failed, f"{len(failed)} seeds failed; replay with\n{told}"


def test_without_faults_all_of_it_happens() -> None:
    """The laws would hold in a world where nobody races: here is what does."""
    world = World(1, mix=Mix(), races=True).run()
    boards = world.store.boards.boards
    states = states_of(world)
    keepers = [state.kept for player, state in states.items() if player.startswith("keeper:")]
    given = {
        rule
        for _, effect in racing._effects(world)
        if isinstance(effect, Posting) and (rule := effect.rule).startswith("race/")
    }
    assert len(keepers) == racing.RUNS
    assert all(kept["frozen"] == 1 and len(kept["passed"]) == 2 for kept in keepers)
    assert any(kept["stock"] < racing.SHARE for kept in keepers), "nobody was told that it is sold out"
    assert all(kept["pot"] > 0 for kept in keepers)
    assert all(board.is_frozen and len(board.ranking()) >= racing.PRIZES for board in boards.values())
    assert any(board.late for board in boards.values()), "no score came late"
    assert given == {racing.RESERVED, racing.PRIZE}


def _relays_all(rows: list[Outgoing], is_failed: list[bool]) -> list[Outgoing]:
    del is_failed
    return rows


async def _scored_afterwards(self: Boarding, pages: Any) -> Any:
    ready = await self._frozen(pages)
    await self._scored(ready)
    return ready


def _tells_twice(keeper: Keeper, *args: Any, **data: Any) -> None:
    for _ in range(2):
        _tell(keeper, *args, **data)


_tell = Keeper.tell


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        pytest.param(actors.boarding, "_until", _relays_all, id="relays what is behind a failed row"),
        pytest.param(Boarding, "done", _scored_afterwards, id="freezes before it scores"),
        pytest.param(Keeper, "tell", _tells_twice, id="gives a prize twice"),
    ],
)
def test_the_laws_see_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(where, name, broken)
    _is_seen()


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["newer", "frozen", "arrived"])
def test_the_laws_see_a_missing_guard(guard: str) -> None:
    _is_seen(guards_off=frozenset({guard}))


def _is_seen(**settings: Any) -> None:
    for seed in range(100):
        try:
            World(seed, races=True, mix=ECHOES, **settings).run()
        except Exception:
            return
    pytest.fail("100 seeds noticed nothing")
