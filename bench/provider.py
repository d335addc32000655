"""A provider of SMS for the benches: a process of its own that takes Twilio-style posts and remembers when they came.

``python -m bench.provider PORT``; ``GET /report`` answers what it saw. Times are CLOCK_MONOTONIC, one clock for all
processes of a machine.
"""

import asyncio
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import httpx
import uvloop

from bench.engine_process import free_port

PROBE = "probe "  # texts that begin so are told one by one
_ACCEPTED = b'{"sid": "SM%032d", "status": "queued"}'


class Provider:
    """The process, for as long as a ``with`` lasts."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", "bench.provider", str(self.port)])
        until = time.monotonic() + 10
        while True:
            try:
                self.report()
            except httpx.TransportError:
                if time.monotonic() > until:
                    self._process.kill()
                    raise
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def report(self) -> dict[str, Any]:
        """Return what came: ``received``, ``people`` (numbers), ``last`` (monotonic s), ``probes`` (text -> when)."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/report", timeout=10).json()
        return answer


class _Seen:
    def __init__(self) -> None:
        self.received = 0  # but for probes
        self.last = 0.0
        self.people: set[str] = set()
        self.probes: dict[str, float] = {}

    def take(self, body: bytes) -> None:
        now = time.monotonic()
        form = parse_qs(body.decode())
        if (text := form["Body"][0]).startswith(PROBE):
            self.probes.setdefault(text, now)
            return
        self.received += 1
        self.last = now
        self.people.add(form["To"][0])

    def report(self) -> bytes:
        told = {"received": self.received, "people": len(self.people), "last": self.last, "probes": self.probes}
        return json.dumps(told).encode()


async def serve(port: int) -> None:
    """Answer every post with 201, for ever."""
    seen = _Seen()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(size)
                if head.startswith(b"GET /report"):
                    status, content = b"200 OK", seen.report()
                else:
                    seen.take(body)
                    status, content = b"201 Created", _ACCEPTED % seen.received
                writer.write(
                    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (status, len(content), content)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
