"""One bound connection of SMPP 3.4: requests with their answers, and what the other side sends by itself.

The messages are ``aiosmpplib``'s. Its client is not used: it has no TLS, and does not tell whether a message had left
when a connection ended, which decides whether it may be sent again.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

PDU_MAX = 70_000  # bytes; a message_payload may hold 64 KiB
PENDING_MAX = 1_000  # received messages that wait to be handled; more are put off
HEADER = struct.Struct("!IIII")
RESPONSE = 0x8000_0000
NACK, BIND, SUBMIT, DELIVER, UNBIND, ENQUIRE = RESPONSE, 0x09, 0x04, 0x05, 0x06, 0x15
OK, BAD_COMMAND, QUEUE_FULL, TEMPORARY = 0x00, 0x03, 0x14, 0x64


class Pdu(Protocol):
    """A message of aiosmpplib."""

    sequence_num: int

    def pdu(self) -> bytes:
        """Return it as bytes."""


class Reply(Struct, frozen=True):
    """The answer to a request."""

    status: int
    body: bytes


class Lost(Exception):
    """The connection ended before the answer came."""


Deliver = Callable[[bytes], Awaitable[None]]


class Session:
    """A connection, from the moment it stands until it ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deliver: Deliver) -> None:
        self._reader, self._writer, self._deliver = reader, writer, deliver
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._sequence = 0
        self._received: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(PENDING_MAX)
        self.ended = asyncio.Event()
        self._tasks = (asyncio.create_task(self._read()), asyncio.create_task(self._handle()))

    async def request(self, message: Pdu) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            Lost: the connection ended; the request may have arrived.
        """
        if self.ended.is_set():
            raise Lost
        self._sequence = self._sequence % 0x7FFF_FFFF + 1
        message.sequence_num = sequence = self._sequence
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._writer.write(message.pdu())
            return await answer
        finally:
            del self._waiting[sequence]

    async def close(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end()

    def _end(self) -> None:
        self.ended.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Lost())
        self._writer.close()

    async def _read(self) -> None:
        try:
            while True:
                length, command, status, sequence = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if not HEADER.size <= length <= PDU_MAX:
                    return  # not SMPP, or no longer in step with it
                body = await self._reader.readexactly(length - HEADER.size)
                if command & RESPONSE:
                    answer = self._waiting.get(sequence)
                    if answer is not None and not answer.done():
                        answer.set_result(Reply(status, body))
                elif command == UNBIND:
                    self._answer(command, OK, sequence)
                    return
                else:
                    self._take(command, sequence, body)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._end()

    def _take(self, command: int, sequence: int, body: bytes) -> None:
        if command == ENQUIRE:
            self._answer(command, OK, sequence)
        elif command != DELIVER:
            self._write(NACK, BAD_COMMAND, sequence)
        elif self._received.full():
            self._answer(command, QUEUE_FULL, sequence, b"\0")
        else:
            self._received.put_nowait((sequence, body))

    async def _handle(self) -> None:
        """Hand on what was received, one after the other; the other side is told only when it is safe."""
        while True:
            sequence, body = await self._received.get()
            status = OK
            try:
                await self._deliver(body)
            except Exception:  # not safe: the other side keeps it and sends it again
                status = TEMPORARY
            self._answer(DELIVER, status, sequence, b"\0")

    def _answer(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        self._write(command | RESPONSE, status, sequence, body)

    def _write(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        if not self._writer.is_closing():
            self._writer.write(HEADER.pack(HEADER.size + len(body), command, status, sequence) + body)
