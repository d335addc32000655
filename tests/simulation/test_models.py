"""Players are scored while models change all the time, and everything fails: a refold gives the same bytes."""

import os
from collections import Counter

import pytest

import actors.reducers
from actors.partition import PartState, decode_part
from domain.effects import Scored, SegmentEntered, SegmentLeft, decode_record
from domain.entries import ModelPublished
from tests.simulation.faults import Mix
from tests.simulation.people import MODEL_NUMBERS
from tests.simulation.seeds import run_seeds
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIMULATION_MODEL_SEEDS", "300"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
LAST = max(number for numbers in MODEL_NUMBERS for number in numbers)


def parts(world: World) -> list[PartState]:
    return [decode_part(shared.lanes["players"].part) for shared in world.store.partitions.values()]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("merges", [False, True], ids=["", "merges"])
def test_whatever_fails_scores_are_what_the_log_says(merges: bool) -> None:
    failed = run_seeds(range(FIRST, FIRST + SEEDS), models=True, merges=merges)
    flags = "--models --merges" if merges else "--models"
    told = "\n".join(
        f"python -m tests.simulation.world {flags} --seed {s} --trace  # {why}" for s, why in failed.items()
    )
    assert not failed, f"{len(failed)} seeds failed; replay with\n{told}"


@pytest.mark.parametrize("seed", range(3))
def test_every_partition_ends_with_the_last_publication(seed: int) -> None:
    world = World(seed, models=True).run()
    assert {(part.publication, part.model) for part in parts(world)} == {(LAST, LAST % len(world.models))}


def test_without_faults_all_of_it_happens() -> None:
    """The laws would hold in a world where nobody is ever scored: here is what happens."""
    world = World(0, mix=Mix(), models=True).run()
    seen: Counter[str] = Counter()
    for shared in world.store.partitions.values():
        for rows in shared.lanes["players"].history.values():
            for _, fields in rows.all():
                for effect in decode_record(fields["d"]).effects:
                    if isinstance(effect, Scored):
                        seen[f"scored by {effect.version}"] += 1
                    elif isinstance(effect, SegmentEntered | SegmentLeft) and effect.segment == "shaky":
                        seen[type(effect).__name__] += 1
    assert min(seen[what] for what in ("scored by 1", "scored by 2", "SegmentEntered", "SegmentLeft")) > 0, seen


def test_the_simulation_sees_a_publication_that_comes_late_and_is_taken_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def as_they_come(part: PartState, published: ModelPublished) -> PartState:
        return PartState(part.programme, published.version, accounts=part.accounts, set_aside=part.set_aside,
                         entered=part.entered, publication=published.number)  # fmt: skip

    monkeypatch.setattr(actors.reducers, "with_model", as_they_come)
    ends = {(part.publication, seed) for seed in range(6) for part in parts(World(seed, models=True).run())}
    assert {number for number, _ in ends} != {LAST}
