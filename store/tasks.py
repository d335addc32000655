"""Ending background tasks that talk to the store."""

import asyncio
from typing import Any

AGAIN_S = 0.1


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended; their errors are dropped.

    redis-py sends by ``asyncio.wait_for``, which in Python 3.11 loses a cancellation that meets its result, so one
    ``cancel`` is not enough: a gateway that was stopped right after its start hung.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
