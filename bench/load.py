"""The load generator: a process of its own that writes ready-made HTTP/1.1 requests to keep-alive connections.

Reads a ``Plan`` (JSON) from stdin, makes all bodies, says ``ready``, begins at the next line and prints a ``Sent``.
No pipelining: a connection sends its next request when the last one was answered.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from typing import cast

import msgspec
import uvloop
from msgspec import Struct

from bench.figures import percentile
from bench.traffic import Traffic

RETRY_AFTER_S = 0.05
ANSWER_WITHIN_S = 30.0


class Plan(Struct):
    """Where to send what. ``rate`` is in events a second, 0: as fast as the answers come."""

    port: int
    path: str
    traffic: Traffic
    authorization: str = ""
    rate: float = 0.0
    seconds_max: float = 30.0  # whatever is unsent then stays unsent
    loop: bool = False  # paced background: stop after ``seconds_max``, not being done is no fault


class Sent(Struct):
    """What happened. Times are of CLOCK_MONOTONIC, so they compare across processes."""

    started: float = 0.0
    ended: float = 0.0
    requests: int = 0
    accepted: int = 0  # events in bodies that were answered with 2xx
    refused: int = 0  # answers 429 and 503; each was sent again
    failed: int = 0  # other answers; not sent again
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    statuses: dict[str, int] = {}
    sample: str = ""  # first answer that was not 2xx

    @property
    def seconds(self) -> float:
        return max(self.ended - self.started, 1e-9)


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length = -1
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            at = head.find(b"content-length:")
            body = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._length = end + 4 + body
        if len(self._buffer) >= self._length and self._answer is not None and not self._answer.done():
            answer = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._length = -1
            head, _, content = answer.partition(b"\r\n\r\n")
            self._answer.set_result((int(head[9:12]), content))

    def send(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Write a request; its status and body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._answer.set_exception(ConnectionResetError("closed"))
        else:
            self._transport.write(request)
        return self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(port: int) -> Connection:
    """Open a connection to loopback."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def request(path: str, body: bytes, authorization: str = "", extra: str = "") -> bytes:
    """Return the bytes of a POST."""
    authorize = f"Authorization: {authorization}\r\n" if authorization else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{authorize}{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_all(plan: Plan, requests: list[bytes]) -> Sent:
    """Send the requests over the plan's connections."""
    sent, latencies, statuses = Sent(), [], Counter[str]()
    traffic = plan.traffic
    connections = [await connect(plan.port) for _ in range(traffic.connections)]
    sent.started = time.monotonic()
    deadline = sent.started + plan.seconds_max
    every_s = traffic.batch / plan.rate if plan.rate else 0.0

    async def drive(c: int) -> None:
        connection = connections[c]
        for b in range(c, len(requests), traffic.connections):
            begun = time.monotonic()
            if every_s:
                due = sent.started + b * every_s
                if due > begun:
                    await asyncio.sleep(due - begun)
                begun = due  # from the scheduled time: waiting behind a slow answer counts
            if begun > deadline:
                return
            events = min(traffic.batch, traffic.events - b * traffic.batch)
            repeats = 2 if traffic.repeat_every and b % traffic.repeat_every == 0 else 1
            for repeat in range(repeats):
                status = await one(connection, requests[b])
                if repeat == 0:
                    latencies.append((time.monotonic() - begun) * 1000)
                    sent.accepted += events if status < 300 else 0
                begun = time.monotonic()

    async def one(connection: Connection, wire: bytes) -> int:
        while True:
            status, content = await asyncio.wait_for(connection.send(wire), ANSWER_WITHIN_S)
            sent.requests += 1
            statuses[str(status)] += 1
            if status < 300:
                return status
            sent.sample = sent.sample or content[:300].decode(errors="replace")
            if status not in (429, 503) or time.monotonic() > deadline:
                sent.failed += 1
                return status
            sent.refused += 1
            await asyncio.sleep(RETRY_AFTER_S)

    await asyncio.gather(*(drive(c) for c in range(traffic.connections)))
    sent.ended = time.monotonic()
    for connection in connections:
        connection.close()
    sent.p50_ms, sent.p99_ms = round(percentile(latencies, 0.5), 2), round(percentile(latencies, 0.99), 2)
    sent.statuses = dict(statuses)
    return sent


def main() -> None:
    """Run one plan."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    requests = [request(plan.path, plan.traffic.body(b), plan.authorization) for b in range(plan.traffic.bodies)]
    print("ready", flush=True)
    sys.stdin.readline()
    print(msgspec.json.encode(uvloop.run(send_all(plan, requests))).decode(), flush=True)


class Load:
    """A generator process, made ready by the constructor."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._in.write(msgspec.json.encode(plan).decode() + "\n")
        self._in.flush()
        line = self._out.readline()
        if line.strip() != "ready":
            raise RuntimeError(f"the load generator said {line!r}")

    def go(self) -> None:
        """Begin sending."""
        self._in.write("go\n")
        self._in.flush()

    def wait(self) -> Sent:
        """Wait until all is sent."""
        line = self._out.readline()
        self._process.wait()
        self._in.close()
        self._out.close()
        if not line:
            raise RuntimeError(f"the load generator ended with {self._process.returncode}")
        return msgspec.json.decode(line, type=Sent)

    def run(self) -> Sent:
        """Begin and wait."""
        self.go()
        return self.wait()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._in.close()
        self._out.close()


if __name__ == "__main__":
    main()
