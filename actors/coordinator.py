"""The coordinator's process: the control tower, and beside it what is done once a store, now and then."""

import asyncio
import traceback
from typing import Any, Protocol


class Loop(Protocol):
    """Something that runs until it is stopped."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class Coordinator:
    """Runs the tower with what goes on beside it. What fails beside it ends alone: the tower must go on.

    Args:
        tower: A ``Member`` of the lane tower.
    """

    def __init__(self, tower: Loop, *beside: Loop) -> None:
        self._tower = tower
        self._beside = beside

    def stop(self) -> None:
        """Finish the step, give everything back."""
        for loop in (*self._beside, self._tower):
            loop.stop()

    async def run(self) -> None:
        """Run until stopped."""
        tasks = [asyncio.create_task(loop.run()) for loop in self._beside]
        for task in tasks:
            task.add_done_callback(_told)
        try:
            await self._tower.run()
        finally:
            for loop in self._beside:
                loop.stop()
            await asyncio.gather(*tasks, return_exceptions=True)


def _told(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        print(f"playtower: beside the tower: {error!r}", flush=True)  # noqa: T201 - Ray keeps it in its log
        traceback.print_exception(error)
