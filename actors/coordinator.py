"""A process that does one thing that must go on, and beside it what is done once a store, now and then."""

import asyncio
import traceback
from typing import Protocol

AGAIN_AFTER_S = 30.0  # what failed beside is begun anew


class Loop(Protocol):
    """Something that runs until it is stopped."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class Coordinator:
    """Runs the tower (or the archivist) with what goes on beside it. What fails beside it stops nothing else.

    Args:
        main: What the process is for; when it ends, so does the rest.
        again_after_s: How long something beside it rests when it failed, before it is begun anew.
    """

    def __init__(self, main: Loop, *beside: Loop, again_after_s: float = AGAIN_AFTER_S) -> None:
        self._main = main
        self._beside = beside
        self._again_after_s = again_after_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish the step, give everything back."""
        self._stopping.set()
        for loop in (*self._beside, self._main):
            loop.stop()

    async def run(self) -> None:
        """Run until stopped."""
        tasks = [asyncio.create_task(self._keep_up(loop)) for loop in self._beside]
        try:
            await self._main.run()
        finally:
            self._stopping.set()
            for loop in self._beside:
                loop.stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_up(self, loop: Loop) -> None:
        while not self._stopping.is_set():
            try:
                await loop.run()
            except Exception as error:  # the process is for something else, which must go on
                _tell(f"{type(loop).__name__} failed and is begun again: {error!r}")
                traceback.print_exception(error)
            else:
                return
            try:
                await asyncio.wait_for(self._stopping.wait(), self._again_after_s)
            except TimeoutError:
                continue


def _tell(line: str) -> None:
    print(f"playtower: {line}", flush=True)  # noqa: T201 - Ray keeps it in its log
