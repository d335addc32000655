"""Running many seeds over several processes, and replaying one: ``python -m tests.simulation.world --help``."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.mail import MailWorld
from tests.simulation.world import World


def made(
    seed: int,
    *,
    merges: bool = False,
    messages: bool = False,
    models: bool = False,
    chooses: bool = False,
    races: bool = False,
    trace: bool = False,
) -> World:
    """Return the world of a seed."""
    if messages:
        return MailWorld(seed, trace=trace)
    return World(seed, trace=trace, merges=merges, models=models, chooses=chooses, races=races)


def run_seed(seed: int, **kind: bool) -> tuple[int, str]:
    """Run one seed; return it with what went wrong, or "" when nothing did."""
    gc.disable()  # a run leaves cycles; collecting them now and then is cheaper than all the time
    try:
        made(seed, **kind).run()
    except Exception as error:
        return seed, f"{type(error).__name__}: {error}"
    finally:
        if seed % 20 == 0:
            gc.collect()
    return seed, ""


def run_seeds(seeds: Sequence[int], workers: int | None = None, **kind: bool) -> dict[int, str]:
    """Run seeds over several processes; return those that failed, with what went wrong."""
    with ProcessPoolExecutor(max_workers=workers or os.cpu_count()) as pool:
        return {seed: problem for seed, problem in pool.map(partial(run_seed, **kind), seeds, chunksize=10) if problem}


def main() -> int:
    """Replay a seed, or run many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="replay one seed")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many to run, without --seed")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--merges", action="store_true", help="with anonymous play and logins")
    parser.add_argument("--messages", action="store_true", help="with couriers, providers and exclusions")
    parser.add_argument("--models", action="store_true", help="with scores, and models that change all the time")
    parser.add_argument("--chooses", action="store_true", help="with choices, and beliefs that change all the time")
    parser.add_argument("--races", action="store_true", help="with boards, and keepers that are asked")
    options = parser.parse_args()
    kind = {name: getattr(options, name) for name in ("merges", "messages", "models", "chooses", "races")}
    if options.seed is not None:
        world = made(options.seed, trace=options.trace, **kind)
        sys.stdout.write(f"{world.mix}\n")
        world.run()
        sys.stdout.write(
            f"clean: {len(world.seen.acked)} acknowledged, {world.seen.faults} faults, {world.trace_hash}\n"
        )
        return 0
    started = time.perf_counter()
    failed = run_seeds(range(options.first, options.first + options.seeds), **kind)
    for seed, problem in failed.items():
        sys.stdout.write(f"{seed}: {problem[:400]}\n")
    rate = options.seeds / (time.perf_counter() - started)
    sys.stdout.write(f"{len(failed)} of {options.seeds} seeds failed, {rate:.1f} seeds/s\n")
    return 1 if failed else 0
