"""Choices are drawn, ended and learnt from while everything fails: an outcome counts once, a refold draws the same."""

import os
from collections import Counter
from typing import Any

import pytest

import actors.reducers
import actors.turns
from actors.choices import counted
from actors.partition import PartState, decode_part
from domain.effects import ChoiceCounted, ChoiceEnded, Chose
from domain.entries import BeliefsPublished, Landed, decode_entry
from tests.simulation.choosers import effects_of
from tests.simulation.faults import Mix
from tests.simulation.seeds import run_seeds
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIMULATION_CHOICE_SEEDS", "200"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("merges", [False, True], ids=["", "merges"])
def test_whatever_fails_each_outcome_counts_once(merges: bool) -> None:
    failed = run_seeds(range(FIRST, FIRST + SEEDS), chooses=True, merges=merges)
    flags = "--chooses --merges" if merges else "--chooses"
    told = "\n".join(
        f"python -m tests.simulation.world {flags} --seed {s} --trace  # {why}" for s, why in failed.items()
    )
    assert not failed, f"{len(failed)} seeds failed; replay with\n{told}"


def test_without_faults_all_of_it_happens() -> None:
    """The laws would hold in a world where nothing is ever drawn: here is what happens."""
    world = World(5, mix=Mix(), chooses=True).run()
    seen: Counter[str] = Counter()
    for p, shared in world.store.partitions.items():
        for effect in effects_of(world, p):
            if isinstance(effect, Chose):
                seen[f"drawn by {effect.by}"] += 1
                seen["drawn with beliefs"] += effect.beliefs > 0
            elif isinstance(effect, ChoiceCounted):
                seen["counted"] += 1
            elif isinstance(effect, ChoiceEnded):
                seen[f"{effect.outcome} {effect.reason}".strip()] += 1
        landed = [decode_entry(fields["e"]) for _, fields in shared.lanes["players"].log.all()]
        seen["the tower told"] += sum(isinstance(entry, Landed) for entry in landed)
        seen["partitions that learnt"] += decode_part(shared.lanes["players"].part).beliefs == max(world.beliefs)
    for what in (
        "drawn by policy", "drawn by floor", "drawn by holdout", "drawn with beliefs", "rewarded", "missed", "counted",
        "void not_sent", "void changed", "the tower told",
    ):  # fmt: skip
        assert seen[what], f"{what} never happened: {seen}"
    assert seen["partitions that learnt"] == len(world.store.partitions)


def test_the_simulation_sees_an_outcome_that_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(ended: ChoiceEnded | ChoiceCounted) -> list[tuple[str, int]]:
        return [] if ended.outcome == "rewarded" else counted(ended)

    monkeypatch.setattr(actors.turns, "counted", forgetful)
    with pytest.raises(AssertionError, match="the history has"):
        World(1, mix=Mix(), chooses=True).run()


def test_the_simulation_sees_what_counts_though_it_was_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that are written beside the commit, as each fold makes them: a batch that is folded twice counts twice."""
    write = actors.reducers._write_turns
    worlds: list[World] = []

    def beside(commit: Any, turns: Any, entries: Any, partitions: int) -> None:
        write(commit, turns, entries, partitions)
        if worlds and not worlds[0].is_over:
            for name, more in turns.sums:
                sums = worlds[0].store.of(0 if partitions == 1 else _partition(turns.player, partitions)).sums
                sums[name] = sums.get(name, 0) + more
            commit.sums.clear()

    monkeypatch.setattr(actors.reducers, "_write_turns", beside)
    broken = 0
    for seed in range(8):
        worlds[:] = [World(seed, chooses=True)]
        try:
            worlds[0].run()
        except AssertionError as error:
            broken += "the history has" in str(error)
    assert broken


def _partition(player: str, partitions: int) -> int:
    from domain.ids import partition_of

    return partition_of(player, partitions)


def test_the_simulation_sees_beliefs_that_come_late_and_are_taken_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def as_they_come(part: PartState, published: BeliefsPublished) -> PartState:
        return PartState(part.programme, accounts=part.accounts, set_aside=part.set_aside, entered=part.entered,
                         beliefs=published.number)  # fmt: skip

    monkeypatch.setattr(actors.reducers, "with_beliefs", as_they_come)
    ends = set[bool]()
    for seed in range(6):
        world = World(seed, chooses=True).run()
        parts = [decode_part(shared.lanes["players"].part) for shared in world.store.partitions.values()]
        ends |= {part.beliefs == max(world.beliefs) for part in parts}
    assert False in ends
