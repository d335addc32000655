"""An HTTP server on port 0 that answers as it is told, and misbehaves as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from channels.ports import Parcel
from crm.addresses import Address

NOW = 1_795_000_000_000  # ms


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: str = ""  # "before": no answer at all; "within": the head, and a part of the body
    hangs: bool = False  # reads the request, and says nothing until the client goes


def as_json(value: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, msgspec.json.encode(value), {"Content-Type": "application/json", **headers})


Answer = Callable[[Request], Response]


class Peer:
    """Requests are kept; ``answer`` may be changed at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.got = asyncio.Event()
        self.url = ""
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[asyncio.current_task()] = writer
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body)
        self.requests.append(request)
        self.got.set()
        response = self.answer(request)
        if response.hangs:
            await reader.read()
            return False
        if response.cut == "before":
            return False
        length = len(response.body) + (100 if response.cut else 0)
        lines = [f"HTTP/1.1 {response.status} X", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + response.body)
        await writer.drain()
        return not response.cut

    async def close(self) -> None:
        for writer in self._open.values():
            writer.close()
        await asyncio.gather(*(task for task in self._open if task), return_exceptions=True)


@asynccontextmanager
async def peer(answer: Answer | Response, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Peer]:
    found = Peer(answer if callable(answer) else lambda _request: answer)
    server = await asyncio.start_server(found.serve, host, port)
    found.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        await found.close()
        await server.wait_closed()


async def closed_url() -> str:
    """Return an address at which nobody listens."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


def parcel(address: Address | None, content: Mapping[str, Any], **changes: Any) -> Parcel:
    said: dict[str, Any] = {
        "id": "req_7_ada",
        "player": "ada",
        "channel": "sms",
        "purpose": "promo",
        "template": "come-back",
        "content": content,
        "address": address,
        "expires_at": NOW + 3_600_000,
        "at": NOW,
    }
    return Parcel(**{**said, **changes})


def secrets(values: Mapping[str, str]) -> Callable[[Any], str]:
    return lambda secret: values[secret.env]
