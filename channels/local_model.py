"""A small network on the courier's own host, asked how a text sounds (the extra ``tone``); the text goes nowhere else.

It runs in a process of its own (``ml.tone.worker``), one text at a time, with one thread: the engine shares the host,
and threads that wait by spinning made a text take ten times as long on a busy one.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

import msgspec

from channels.ports import Parcel, Result, Retry, Sent
from crm.connectors import LocalModelConnector
from domain.reading import MOODS

WORKER = "ml.tone.worker"
_GIVEN = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "LANG")  # of our environment; it holds secrets, too


class LocalModelAdapter:
    """One process, begun with the first text and again after it ended."""

    kind = "local_model"
    address_kinds: frozenset[str] = frozenset()
    is_idempotent = True  # read twice is read once: it costs nothing outside

    def __init__(self, connector: LocalModelConnector) -> None:
        self._timeout_s = connector.timeout_s
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def send(self, parcel: Parcel) -> Result:
        """Ask how the parcel's text sounds."""
        line = msgspec.json.encode({"text": str(parcel.content.get("text") or "")}) + b"\n"
        try:
            async with asyncio.timeout(self._timeout_s), self._lock:
                said = await self._ask(line)
        except TimeoutError:
            return Retry("the reader took too long")
        except (OSError, EOFError, ValueError) as error:
            await self.close()
            return Retry(f"the reader ended: {type(error).__name__}")
        if said.get("mood") not in MOODS:
            return Sent(detail="not clear")
        return Sent(detail=f"{said['mood']} {said['confidence']}", said=said)

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, line: bytes) -> dict[str, Any]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            await process.stdin.drain()
            answer = await process.stdout.readline()
        except asyncio.CancelledError:  # its answer would be taken for the next text's
            self._process = None
            with suppress(ProcessLookupError):
                process.kill()
            raise
        if not answer:
            raise EOFError
        said = msgspec.json.decode(answer)
        return said if isinstance(said, dict) else {}

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            given = {name: os.environ[name] for name in _GIVEN if name in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", WORKER, stdin=PIPE, stdout=PIPE, env=given | {"OMP_NUM_THREADS": "1"}
            )
        return self._process
