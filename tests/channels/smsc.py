"""The SMSC of ``tests/clients/node/smsc.mjs`` (the npm package ``smpp``), as a process."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

NODE = Path(__file__).parents[1] / "clients/node"
needs_node = pytest.mark.skipif(
    not shutil.which("node") or not (NODE / "node_modules/smpp").is_dir(),
    reason="needs Node, and `npm ci --ignore-scripts` in tests/clients/node (make test does it)",
)


class Smsc:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0
        self._seen: list[dict[str, Any]] = []

    async def said(self, what: str) -> Any:
        """Return the next thing of this name that it says, leaving others for later."""
        for index, line in enumerate(self._seen):
            if what in line:
                return self._seen.pop(index)[what]
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while raw := await self._process.stdout.readline():
                line = json.loads(raw)
                if what in line:
                    return line[what]
                self._seen.append(line)
        raise AssertionError(f"the SMSC ended before it said {what}")

    def do(self, **what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")


@asynccontextmanager
async def smsc() -> AsyncIterator[Smsc]:
    process = await asyncio.create_subprocess_exec(
        "node", "smsc.mjs", cwd=NODE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    found = Smsc(process)
    try:
        found.port = await found.said("port")
        yield found
    finally:
        assert process.stdin is not None
        process.stdin.close()  # it ends with its input
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]
