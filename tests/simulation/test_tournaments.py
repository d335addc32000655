"""Tournaments over a store that fails: hosts die in the middle of an end, and every place is paid once."""

import os
from typing import Any

import pytest

import gamification.tournaments.keeper as keeper_rules
from domain.game_effects import TournamentCancelled, TournamentFinished, TournamentRefused
from gamification.tournaments import entering, leaving
from gamification.tournaments.kept import kept_from
from tests.simulation.faults import Mix
from tests.simulation.racers import RacingWorld
from tests.simulation.racing import _effects
from tests.simulation.test_races import ECHOES
from tests.simulation.visitors import states_of

SEEDS = int(os.environ.get("SIMULATION_TOURNAMENT_SEEDS", "60"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("merges", [False, True])
def test_whatever_fails_every_place_is_paid_once(merges: bool) -> None:
    failed: dict[int, str] = {}
    for seed in range(FIRST, FIRST + SEEDS):
        try:
            RacingWorld(seed, merges=merges).run()
        except AssertionError as error:
            failed[seed] = str(error)
    assert not failed, f"{len(failed)} seeds failed: {failed}"


@pytest.mark.slow
def test_without_faults_all_of_it_happens() -> None:
    """The laws would hold in a world where nobody plays: here is what does."""
    world = RacingWorld(2, mix=Mix()).run()
    keepers = {actor: kept_from(s.kept) for actor, s in states_of(world).items() if actor.startswith("keeper:")}
    happened = {type(effect) for _, effect in _effects(world)}
    assert {kept.status for kept in keepers.values()} == {"finished"}
    assert len(keepers) == 4
    assert sum(kept.paid for kept in keepers.values()) > 10
    assert max(kept.frozen for kept in keepers.values()) >= 3, "no cohorts"
    assert {TournamentFinished, TournamentRefused} <= happened
    assert TournamentCancelled not in happened


def _pays_nothing_back(turn: Any, key: str, record: Any, reason: str) -> Any:
    del turn, key, reason
    return record


def _counts_nobody(keeper: Any, kept: Any, asked: Any) -> Any:
    after = _join(keeper, kept, asked)
    return kept if after.entrants and kept.status else after


_join = keeper_rules._join


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        pytest.param(entering.records, "pay_back", _pays_nothing_back, id="keeps the price of who is refused"),
        pytest.param(keeper_rules, "_join", _counts_nobody, id="does not count seats"),
        pytest.param(leaving, "finish", lambda *_: None, id="does not tell of the end"),
    ],
)
def test_the_laws_see_what_is_broken(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, broken: Any) -> None:
    monkeypatch.setattr(where, name, broken)
    for seed in range(10):
        try:
            RacingWorld(seed, mix=ECHOES).run()
        except AssertionError:
            return
    pytest.fail("10 seeds noticed nothing")
