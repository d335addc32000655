"""Players and tower over a store that fails in every way we know, two thousand times, each a little differently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store.ports import decode_walk
from tests.simulation.faults import Mix
from tests.simulation.seeds import run_seeds
from tests.simulation.world import World

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
FIRST = int(os.environ.get("SIMULATION_FIRST", "0"))
FAILED_ONCE = (927, 1229, 1470, 20798)  # seeds that found something; they stay


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_fails_nothing_is_lost_doubled_reordered_or_forgotten() -> None:
    failed = run_seeds([*FAILED_ONCE, *range(FIRST, FIRST + SEEDS)])
    told = "\n".join(f"python -m tests.simulation.world --seed {seed} --trace  # {why}" for seed, why in failed.items())
    assert not failed, f"{len(failed)} seeds failed; replay with\n{told}"


def test_a_seed_is_the_same_run_every_time() -> None:
    assert World(11).run().trace_hash == World(11).run().trace_hash != World(12).run().trace_hash


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_run_in_another_process(hash_seed: str) -> None:
    """Nothing depends on the order of sets or on addresses."""
    command = [sys.executable, "-m", "tests.simulation.world", "--seed", "11"]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    told = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout
    assert World(11).run().trace_hash in told


def test_without_faults_all_of_it_happens() -> None:
    """The laws would hold in a world where nothing happens: here is what does."""
    world = World(0, mix=Mix()).run()
    tower = [m for shared in world.store.partitions.values() for m in [shared.lanes["tower"]]]
    assert len(world.seen.acked) > 80
    assert world.seen.faults == 0
    assert sum(len(shared.inboxes) for shared in world.store.partitions.values()) > 0
    assert sum(m.seq for m in tower) > 20
    shared = world.store.partitions.values()
    assert all(set(s.lanes["players"].arrived) == {0, 1} for s in shared), "each partition had entries of each"
    assert sum(decode_walk(walk).visited for s in shared for walk in s.walks.values()) > 0
    assert all(any(s.groups.values()) for s in shared)
    assert set(world.seen.verdicts) <= {"OK", "STOPPED"}


HARSH = Mix(lost=0.05, late=0.08, mute=0.1, ghost=0.2, cut=0.1, crash=0.02, pause=0.03, pause_s=4, latency_s=0.02)


ECHOES = Mix(late=0.02, mute=0.05, ghost=0.5, latency_s=0.005)  # much is done twice, and late


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guards_off", "mix"),
    [
        ({"dedupe"}, HARSH),
        ({"stop"}, HARSH),
        ({"fence", "offset", "version", "effect"}, HARSH),
        ({"arrived"}, ECHOES),
        ({"cursor"}, ECHOES),
    ],
    ids=lambda off: "+".join(sorted(off)) if isinstance(off, set) else "",
)
def test_the_simulation_sees_a_missing_guard(guards_off: set[str], mix: Mix) -> None:
    """Those that no other layer covers; each alone is isolated in tests/contract/test_guards.py."""
    for seed in range(20):
        try:
            World(seed, guards_off=frozenset(guards_off), mix=mix).run()
        except Exception:
            return
    pytest.fail("20 harsh seeds noticed nothing")
