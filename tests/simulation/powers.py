"""What no process and no client decides: who is assigned what, and when the store and its clock fail."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tests.simulation.stage import PARTITIONS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Powers:
    """The director, who assigns partitions, and the nemesis."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def all(self) -> list[Coroutine[Any, Any, None]]:
        """Return what they do until it is calm."""
        return [self.director(), self.nemesis()]

    async def director(self) -> None:
        """Assign partitions, and change one's mind."""
        r = self._world.random
        while not self._world.is_calm:
            self.assign()
            await asyncio.sleep(r.expovariate(1.0))

    def assign(self) -> None:
        r = self._world.random
        for lane in dict.fromkeys(process.lane for process in self._world.processes):
            names = [process.name for process in self._world.processes if process.lane == lane]
            for p in range(PARTITIONS):
                self._world.assignment[f"{lane}:{p}".encode()] = r.choice(names).encode()

    async def nemesis(self) -> None:
        """Take the store away, turn its clock, cancel and stop processes."""
        r, mix = self._world.random, self._world.mix
        while not self._world.is_calm:
            await asyncio.sleep(r.uniform(1, 6))
            if mix.step_ms:
                self._world.jump_ms = r.randrange(-mix.step_ms, mix.step_ms + 1)
                self._world.note("clock", self._world.jump_ms)
            if mix.down_s and r.random() < 0.5 and not self._world.is_calm:
                self._world.is_down = True
                self._world.note("down")
                await asyncio.sleep(r.uniform(0, mix.down_s))
                self._world.is_down = False
                self._world.note("up")
            if mix.crash and r.random() < 0.5:
                process = r.choice(self._world.processes)
                if process.task is not None and process.life is not None and not process.life.is_over:
                    kind = r.choice(["cancel", "stop"])
                    self._world.note(kind, process.name)
                    assert process.member is not None
                    process.task.cancel() if kind == "cancel" else process.member.stop()
