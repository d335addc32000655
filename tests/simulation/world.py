"""The deterministic simulation: real processors, members and reducers over a modelled store that fails.

One ``Random(seed)``, one virtual clock. First everything goes wrong, then it is calm and all must drain; then the
laws are checked (``tests/simulation/laws.py``). ``python -m tests.simulation.world --seed N --trace`` replays a seed.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from hashlib import blake2b
from random import Random
from typing import Any, cast
from unittest.mock import patch

from actors.processor import Known, Processor
from ml.choices.beliefs import Beliefs
from store.ports import Commit
from tests.simulation import laws, racing
from tests.simulation.clock import VirtualLoop
from tests.simulation.faults import Mix
from tests.simulation.people import People
from tests.simulation.powers import Powers
from tests.simulation.process import Life, Process
from tests.simulation.programmes import choosing_versions, scored_versions, scoring_models, versions
from tests.simulation.stage import CALM_S, FAULTS_S, HITS_MIN, IDLE_MS, PROCESSES, SETTLE_S, START
from tests.simulation.watched import Observed, WatchedStore


class World:
    """Everything of one run.

    Args:
        guards_off: Guards of the model to leave out, to see that the simulation sees it.
        processor: Makes the processor of a process; a test may give a broken one.
        merges: Clients play anonymously, log in, share devices; processes die at the steps of merges.
        models: Players are scored, and models are published all the time.
        chooses: Much is left to choices, and what they teach is published all the time.
        races: Players race on boards and ask keepers (``tests/simulation/racing.py``).
    """

    def __init__(
        self,
        seed: int,
        *,
        trace: bool = False,
        guards_off: frozenset[str] = frozenset(),
        processor: Callable[..., Processor[Any]] = Processor,
        mix: Mix | None = None,
        merges: bool = False,
        models: bool = False,
        chooses: bool = False,
        races: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.mix = mix or Mix.drawn(self.random)
        self.ambush = self.random.choice([0, 0.2, 0.5]) if merges else 0
        self.versions = scored_versions() if models else choosing_versions() if chooses else versions()
        self.models = scoring_models() if models else {}
        self.chooses = chooses
        self.races = races
        self.beliefs: dict[int, Beliefs] = {0: Beliefs()}  # by number, as they are published
        self.starts_at, self.idle_ms = START, IDLE_MS
        self.people = People(self, merges=merges)
        self.powers = Powers(self)
        self.processor = processor
        self.loop = VirtualLoop()
        self.seen = Observed()
        self.folded: dict[int, tuple[Commit, Known]] = {}
        self.is_calm = self.is_down = self.is_over = False
        self.assignment: dict[bytes, bytes] = {}
        self.jump_ms = 0
        self._nonces = 0
        self._print = trace
        self._hash = blake2b(digest_size=16)
        self._graves: list[asyncio.Future[None]] = []
        self.store = WatchedStore(self, guards_off)
        self.processes = [Process(self, name, lane) for name, lane in PROCESSES]
        self.errands: list[asyncio.Task[None]] = []  # what somebody began on the way; it is waited for

    # The world's ways

    def true_ms(self) -> int:
        return self.starts_at + int(self.loop.time() * 1_000)

    def store_ms(self) -> int:
        return self.true_ms() + self.jump_ms

    def nonce(self) -> str:
        self._nonces += 1
        return f"nonce-{self._nonces}"

    def note(self, *what: object) -> None:
        """Add a line to the trace."""
        line = f"{self.loop.time():9.3f} " + " ".join(map(str, what))
        self._hash.update(line.encode())
        if self._print:
            sys.stdout.write(line + "\n")

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()

    async def travel(self) -> None:
        await asyncio.sleep(0.002 if self.is_calm else self.random.expovariate(1 / self.mix.latency_s))

    async def grave(self) -> None:
        """Where the coroutines of the dead wait until the run is over."""
        self._graves.append(self.loop.create_future())
        await self._graves[-1]

    def later(self, delay_s: float, what: str, steps: Sequence[Callable[[], object]]) -> None:
        """Carry out a delayed or repeated request, whose reply nobody hears."""

        def arrive() -> None:
            if not self.is_down and not self.is_over:
                self.note("late", what)
                for step in steps:
                    try:
                        step()
                    except Exception as refused:
                        self.note("late refused", refused)

        self.seen.faults += 1
        self.loop.call_later(delay_s, arrive)

    def life_of(self, name: str) -> Life | None:
        """Return the present life of a process."""
        return next((process.life for process in self.processes if process.name == name), None)

    def is_alive(self, life: str) -> bool:
        """Tell whether a process still lives this life."""
        return any(p.life is not None and p.life.name == life and not p.life.is_over for p in self.processes)

    def lie_in_wait(self, life: Life | None, where: str) -> None:
        """Now and then kill a process at a step of a merge: before it is written, after, or once it is relayed."""
        if life is None or life.is_over or self.is_calm or not self.ambush:
            return
        if self.random.random() < self.ambush:
            self.seen.ambushes[where] = self.seen.ambushes.get(where, 0) + 1
            life.die(where)

    # The run

    def run(self) -> "World":
        """Run to the end and check all laws.

        Raises:
            AssertionError: a law was broken; the message names the seed.
        """
        try:
            idle = patch.multiple("actors.member", BLOCK_MS=self.idle_ms, FIRE_EVERY_MS=self.idle_ms)
            room = racing.open_room() if self.races else contextlib.nullcontext()
            with (
                room,
                idle,
                patch.multiple("actors.carrier", VISITS_MAX=1, CARRY_MAX=3),
            ):  # few players, and yet many steps
                self.loop.run_until_complete(self._run())
        finally:
            self.is_over = True
            self._bury()
        problems = self.seen.broken_laws
        assert not problems, f"seed {self.seed}: " + "; ".join(problems[:5])
        return self

    async def _run(self) -> None:
        self.powers.assign()
        for process in self.processes:
            process.start()
        people = [*self.people.all(), *self.powers.all()]
        tasks = [asyncio.create_task(person) for person in people]
        await asyncio.sleep(FAULTS_S)
        self.note("calm")
        self.is_calm, self.is_down, self.jump_ms = True, False, max(0, self.jump_ms)
        self.powers.assign()
        await self._drained(tasks)
        await asyncio.sleep(SETTLE_S)
        await self._drained(tasks)
        self.seen.broken_laws += _at_once(self.broken())

    async def broken(self) -> list[str]:
        """Return the laws that the run broke."""
        return await laws.broken(self)

    def backlog(self) -> list[str]:
        """Return what still has to be done."""
        return laws.backlog(self)

    async def _drained(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        until = self.loop.time() + CALM_S
        while self.loop.time() < until:
            self._person()
            if all(task.done() for task in (*tasks, *self.errands)) and not self.backlog():
                break
            await asyncio.sleep(0.5)
        for task in (*tasks, *self.errands):
            if task.done():
                task.result()

    def _person(self) -> None:
        """Look at what was stopped because processes died at it, find nothing wrong with it, and let it go on."""
        for process in self.processes:
            processor = process.processor
            for p, why in list(processor.stopped.items() if processor else ()):
                if "its process died" in why and self.seen.hits >= HITS_MIN:
                    self.note("a person lets go on", process.lane, p)
                    self.store.of(p).lanes[process.lane].tries = 0
                    del processor.stopped[p]  # type: ignore[union-attr]

    def _bury(self) -> None:
        """End all coroutines, so that none complains when it is collected."""
        for future in self._graves:
            future.cancel()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()


def _at_once(check: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Finish a coroutine that never waits, without giving the loop's other tasks a turn."""
    try:
        check.send(None)
    except StopIteration as done:
        return cast(list[str], done.value)
    raise AssertionError("the laws waited for something")


if __name__ == "__main__":
    from tests.simulation.seeds import main

    sys.exit(main())
