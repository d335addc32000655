"""The programme in the store: the draft, the versions, and the way a version reaches every partition.

The draft is one hash, ``kind/id`` -> document, and is never emptied: after a publish it equals the live version, so
edits always start from there. A version's content is stored first and never changed; then its entry is appended to
every partition's log under a key of its own, so a publish that was cut short is resumed and nothing is told
twice. Partitions ignore versions lower than theirs.

Fields of the versions hash: ``last``; ``<v>`` the content; ``key:<k>`` -> v; ``info:<v>``; ``told:<v>`` once every
partition's log has it; ``published``, the highest of those.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from domain.entries import ProgrammePublished, encode_entry
from domain.errors import Busy
from store.announcing import LOOK_EVERY_S, Announcing
from store.documents import Documents
from store.intake import Intake
from store.keys import PROGRAMME_DRAFT, PROGRAMME_VERSIONS

CONTENT_CACHE_MAX = 20
LOCK_MS = 15_000
_LOCK = "{programme}:publishing"
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_encoder = msgspec.json.Encoder(order="deterministic")


class EtagMismatch(Exception):
    """The document is not the one the writer saw. ``current`` is its ETag, "" when there is none."""

    def __init__(self, current: str) -> None:
        super().__init__(f"current etag {current!r}")
        self.current = current


class Stored(Struct, frozen=True):
    """A document of the draft."""

    kind: str
    id: str
    etag: str
    document: dict[str, Any]


class VersionInfo(Struct, frozen=True):
    """What is remembered of a version beside its content."""

    version: int
    at: int = 0  # ms
    by: str = ""  # id of the key that published it
    note: str = ""
    content_of: int = 0  # a roll-back: the version whose content it has


class Programmes(Announcing):
    """Draft and versions of one store.

    Args:
        intake: The way into the partitions' logs; without it nothing can be published.
    """

    def __init__(self, redis: Redis, intake: Intake | None = None) -> None:
        super().__init__(redis, intake)
        self._contents: dict[int, Documents] = {}

    # --- draft --------------------------------------------------------------------------------------------------------

    async def get(self, kind: str, name: str) -> Stored | None:
        """Return a document of the draft."""
        value = await self._ask(self._redis.hget(PROGRAMME_DRAFT, f"{kind}/{name}"))
        return _stored(f"{kind}/{name}", value) if value else None

    async def put(self, kind: str, name: str, document: dict[str, Any], *, expected: str = "") -> str:
        """Write a document to the draft; its new ETag.

        Args:
            expected: The ETag it must have now; "*" any, "-" none (it must not exist), "" whatever is there.

        Raises:
            EtagMismatch: another one is there.
        """
        body = _encoder.encode(document)
        etag = etag_of(document)
        await self._draft(f"{kind}/{name}", expected, etag, body)
        return etag

    async def delete(self, kind: str, name: str, *, expected: str = "*") -> None:
        """Remove a document from the draft; ``expected`` as in ``put``.

        Raises:
            EtagMismatch: another one is there, or none.
        """
        await self._draft(f"{kind}/{name}", expected, "", b"")

    async def documents_of(self, kind: str) -> list[Stored]:
        """Return the draft's documents of a kind, by id."""
        return [item for item in await self._draft_items() if item.kind == kind]

    async def draft(self) -> Documents:
        """Return the whole draft."""
        documents: Documents = {}
        for item in await self._draft_items():
            documents.setdefault(item.kind, {})[item.id] = item.document
        return documents

    async def reset_draft(self, documents: Documents) -> None:
        """Make the draft equal ``documents``, in one step."""
        fields: dict[Any, Any] = {
            f"{kind}/{name}": f"{etag_of(document)}\n".encode() + _encoder.encode(document)
            for kind, named in documents.items()
            for name, document in named.items()
        }
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(PROGRAMME_DRAFT)
        if fields:
            pipe.hset(PROGRAMME_DRAFT, mapping=fields)
        await self._ask(pipe.execute())

    # --- versions -----------------------------------------------------------------------------------------------------

    async def content(self, version: int) -> Documents | None:
        """Return a version's documents; it never changes, so it is read once."""
        if version in self._contents:
            return self._contents[version]
        value = await self._ask(self._redis.hget(PROGRAMME_VERSIONS, str(version)))
        if value is None:
            return None
        content: Documents = msgspec.json.decode(value)
        while len(self._contents) >= CONTENT_CACHE_MAX:
            del self._contents[next(iter(self._contents))]
        self._contents[version] = content
        return content

    async def live_version(self) -> int:
        """Return the highest version that every partition has been told of; 0 when there is none."""
        return int(await self._ask(self._redis.hget(PROGRAMME_VERSIONS, "published")) or 0)

    async def current(self) -> tuple[int, Documents]:
        """Return the live version and its documents; (0, {}) when nothing was ever published."""
        version = await self.live_version()
        return version, (await self.content(version) or {}) if version else {}

    async def versions(self) -> list[VersionInfo]:
        """Return what is remembered of every version, newest first."""
        last = int(await self._ask(self._redis.hget(PROGRAMME_VERSIONS, "last")) or 0)
        if not last:
            return []
        numbers = list(range(last, 0, -1))
        found = await self._ask(self._redis.hmget(PROGRAMME_VERSIONS, [f"info:{v}" for v in numbers]))
        return [
            msgspec.json.decode(info, type=VersionInfo) if info else VersionInfo(version)
            for version, info in zip(numbers, found, strict=True)
        ]

    @asynccontextmanager
    async def alone(self, *, wait_s: float = 10.0) -> AsyncIterator[None]:
        """Keep other publishers of this store out meanwhile, so that none builds on what the other replaces.

        It only prevents lost edits; versions stay ordered and complete without it. A holder that dies is waited for
        no longer than ``LOCK_MS``.

        Raises:
            Busy: another publish is still at work.
        """
        token = secrets.token_hex(8)
        deadline = asyncio.get_running_loop().time() + wait_s
        while not await self._ask(self._redis.set(_LOCK, token, nx=True, px=LOCK_MS)):
            if asyncio.get_running_loop().time() > deadline:
                raise Busy("another publish is at work", code="publish_in_progress", retry_after_s=1)
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            yield
        finally:
            await self._ask(self._redis.eval(_UNLOCK, 1, _LOCK, token))

    async def version_of(self, key: str) -> int:
        """Return the version that was published under a key, 0 when there is none."""
        return int(await self._ask(self._redis.hget(PROGRAMME_VERSIONS, f"key:{key}")) or 0)

    async def publish(
        self, documents: Documents, key: str, *, at: int = 0, by: str = "", note: str = "", content_of: int = 0
    ) -> int:
        """Store the content as the next version and tell every partition; return the version.

        The documents have been validated. The same key gives the same version again, so an interrupted publish is
        completed by asking again, or by ``resume``.
        """
        version = int(
            await self._ask(self._redis.fcall("pt_version", 1, PROGRAMME_VERSIONS, _encoder.encode(documents), key))
        )
        info = VersionInfo(version, at, by, note, content_of)
        await self._ask(self._redis.hsetnx(PROGRAMME_VERSIONS, f"info:{version}", _encoder.encode(info)))
        await self.tell(version)
        return version

    async def tell(self, version: int) -> None:
        """Append the version's entry to every partition's log, each once, and mark it as told."""
        body = encode_entry(ProgrammePublished(version))
        await self._announce(PROGRAMME_VERSIONS, version, f"publish:{version}", body)

    async def resume(self) -> list[int]:
        """Complete what a crash cut short: versions stored, higher than the live one, and not told to all."""
        live = await self.live_version()
        last = int(await self._ask(self._redis.hget(PROGRAMME_VERSIONS, "last")) or 0)
        unfinished = [v for v in range(live + 1, last + 1) if await self.content(v) is not None]
        for version in unfinished:
            await self.tell(version)
        return unfinished

    def _come_to(self, part: bytes | None) -> int:
        return part_version(part)

    # --- below --------------------------------------------------------------------------------------------------------

    async def _draft_items(self) -> list[Stored]:
        fields = await self._ask(self._redis.hgetall(PROGRAMME_DRAFT))
        return sorted((_stored(key.decode(), value) for key, value in fields.items()), key=lambda s: (s.kind, s.id))

    async def _draft(self, field: str, expected: str, etag: str, body: bytes) -> None:
        try:
            await self._ask(self._redis.fcall("pt_draft", 1, PROGRAMME_DRAFT, field, expected, etag, body))
        except ResponseError as error:
            word, _, current = str(error).partition(" ")
            if word == "ETAG":
                raise EtagMismatch(current) from error
            raise


def _stored(field: str, value: bytes) -> Stored:
    kind, _, name = field.partition("/")
    etag, _, body = value.partition(b"\n")
    return Stored(kind, name, etag.decode(), msgspec.json.decode(body))


def etag_of(document: dict[str, Any]) -> str:
    """Return the ETag of a document: a hash of what it says, so the same text has the same one."""
    return blake2b(_encoder.encode(document), digest_size=8).hexdigest()


def digest(documents: Documents) -> str:
    """Return a hash of a whole content."""
    return blake2b(_encoder.encode({k: v for k, v in documents.items() if v}), digest_size=16).hexdigest()


def part_version(part: bytes | None) -> int:
    """Return the programme version in a partition's stored state, whose first field it is (``actors/partition.py``)."""
    if not part:
        return 0
    state = msgspec.msgpack.decode(part)
    if isinstance(state, dict):
        return int(state.get("programme", 0))
    return next((int(value) for value in state if isinstance(value, int)), 0)


__all__ = ["Documents", "EtagMismatch", "Programmes", "Stored", "VersionInfo", "digest", "etag_of"]
