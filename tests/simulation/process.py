"""A process of the simulation: real members, processors and reducers that live, stand still, die and start again."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from actors.carrier import Carrier
from actors.member import Member
from actors.ownership import Ownership
from actors.processor import Folded, Known, Processor
from actors.reducers import PlayerReducer, TowerReducer
from tests.simulation.faults import FakeRedis, FaultyLane, FaultyProgrammes, FaultyWays, Wire
from tests.simulation.generous import Generous
from tests.simulation.stage import FAULTS_S, PARTITIONS, PLAYERS, SEED_OF_STORE, WAKE_S
from tests.simulation.visitors import is_a_step

if TYPE_CHECKING:
    from tests.simulation.world import World


class Process:
    """One host or coordinator: lives, stands still, dies and starts again with nothing in memory."""

    def __init__(self, world: "World", name: str, lane: str) -> None:
        self.world = world
        self.name = name
        self.lane = lane
        self.lives = 0
        self.member: Ownership | None = None
        self.processor: Processor[Any] | None = None
        self.task: asyncio.Task[None] | None = None
        self.life: Life | None = None

    def start(self) -> None:
        """Begin a life."""
        self.lives += 1
        self.life = life = Life(self)
        wire = Wire(self.world, life)
        self.task = asyncio.create_task(self._run(life, wire))
        self.task.add_done_callback(self._ended)

    def _run(self, life: "Life", wire: Wire) -> Coroutine[Any, Any, None]:
        """Return what the process does."""
        programmes = FaultyProgrammes(wire, self.world.versions)
        is_players = self.lane == "players"
        models = FaultyProgrammes(wire, self.world.models) if self.world.models else None
        beliefs = FaultyProgrammes(wire, self.world.beliefs) if self.world.chooses else None
        reducer: Any = player_reducer(programmes, models, beliefs) if is_players else TowerReducer(programmes)
        lane: Any = FaultyLane(wire, self.lane)
        self.processor = self.world.processor(
            lane, Remembering(reducer, self.world, life), owner=self.name, nonce=self.world.nonce
        )
        redis: Any = FakeRedis(wire)
        ways: Any = FaultyWays(wire)
        carrier = Carrier(ways, life, partitions=PARTITIONS) if is_players else None
        self.member = Member(
            redis, self.processor, life, name=self.name, lane=self.lane, incarnation=str(self.lives), carrier=carrier
        )
        return self.member.run()

    def die(self, why: str = "") -> None:
        """Stop where it stands, like ``kill -9``, and come back a little later."""
        assert self.life is not None
        self.life.is_over = True
        self.world.seen.faults += 1
        self.world.seen.hits += 1
        self.world.note("dies", self.name, why)
        self._restart_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A life that ended by itself: cancelled, stopped, or by an error, as Ray would see it."""
        world = self.world
        if world.is_over or self.life is None or self.life.is_over or task is not self.task:
            return
        if not task.cancelled() and (error := task.exception()) is not None:
            world.seen.broken_laws.append(f"{self.name} ended with {error!r}")
        self.life.is_over = True
        self._restart_soon()

    def _restart_soon(self) -> None:
        world = self.world
        world.loop.call_later(world.random.uniform(0.05, 2), self._restart)

    def _restart(self) -> None:
        if not self.world.is_over:
            self.world.note("starts", self.name)
            self.start()


class Life:
    """A process between two starts; the clock of its machine."""

    def __init__(self, process: Process) -> None:
        self.name = f"{process.name}.{process.lives}"
        self.is_over = False
        self._process = process
        self._paused_until = 0.0
        self._skew_ms = process.world.random.randrange(-5_000, 5_000)

    def now_ms(self) -> int:
        return self._process.world.true_ms() + self._skew_ms

    def die(self, why: str) -> None:
        self._process.die(why)

    def pause(self, seconds: float) -> None:
        """Have the process stand still from now on."""
        world = self._process.world
        world.seen.faults += 1
        world.seen.hits += 1
        self._paused_until = min(world.loop.time() + seconds, FAULTS_S + WAKE_S)
        world.note("pauses", self.name)

    async def gate(self) -> None:
        """Between any two awaits: die, stand still, or go on."""
        world = self._process.world
        if not self.is_over and not world.is_calm:
            if world.random.random() < world.mix.crash:
                self._process.die()
            elif world.random.random() < world.mix.pause:
                self.pause(world.random.expovariate(1 / world.mix.pause_s))
        if (left := self._paused_until - world.loop.time()) > 0:
            await asyncio.sleep(left)
        if self.is_over:
            await world.grave()


class Remembering:
    """A reducer that tells the world what each commit was folded with, so that a refold can know the same."""

    def __init__(self, reducer: Any, world: "World", life: Life) -> None:
        self._reducer = reducer
        self._world = world
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reducer, name)

    async def fold(self, partition: int, part: Any, states: Any, entries: Any, known: Known) -> Folded[Any]:
        folded: Folded[Any] = await self._reducer.fold(partition, part, states, entries, known)
        self._world.folded[id(folded.commit)] = (folded.commit, known)
        if any(to >= 0 and is_a_step(body) for to, body in folded.commit.relays):
            self._world.lie_in_wait(self._life, "before the commit")
        return folded


def player_reducer(programmes: Any, models: Any = None, beliefs: Any = None) -> Any:
    """Return the reducer that the players are folded with, and folded again to check."""
    reducer = PlayerReducer(programmes, store_seed=SEED_OF_STORE, partitions=PARTITIONS, models=models, beliefs=beliefs)
    return Generous(reducer, PLAYERS, PARTITIONS)
