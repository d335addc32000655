"""Models in the store: artefacts by version, and the way one reaches every partition.

An artefact is stored first and never changed; versions count from 1 (0 is the model that ships with the package). To
publish is another step: its entry is appended to every partition's log under a key of its own, as with programmes
(``store.programmes``), so one that was cut short is resumed and nothing is told twice. Any version may be published
again, so what rises is the publication's number: partitions ignore lower ones.

Fields of the versions hash: ``last``; ``<v>`` the artefact; ``key:<k>`` -> v; ``info:<v>``. Of the publications hash:
``last``; ``<n>`` the publication; ``key:<k>`` -> n; ``told:<n>`` once every partition's log has it; ``published``, the
highest of those.
"""

from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from domain.entries import ModelPublished, encode_entry
from domain.errors import NotFound
from store.announcing import Announcing, part_place
from store.intake import Intake
from store.keys import MODEL_PUBLICATIONS, MODEL_VERSIONS

BYTES_MAX = 2_000_000  # of an artefact; ours has some 60 KB
SHIPPED = 0  # version of the model in the package
LISTED_MAX = 1_000  # versions or publications told at once, the newest
_PLACE = 7  # of ``publication`` in a partition's stored state (``actors.partition``)
# KEYS publications hash | ARGV key version publication without its number. The same key gives the same number again.
_NUMBER = """
local had = redis.call('HGET', KEYS[1], 'key:' .. ARGV[1])
if had then return had end
local n = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'last', 1))
redis.call('HSET', KEYS[1], n, ARGV[2], 'key:' .. ARGV[1], n)
return n
"""
_encoder = msgspec.json.Encoder(order="deterministic")


class ModelInfo(Struct, frozen=True):
    """What is remembered of an artefact beside its bytes."""

    version: int
    at: int = 0  # ms
    by: str = ""  # id of the key that brought it
    note: str = ""
    checksum: str = ""
    size: int = 0  # bytes
    about: dict[str, Any] = {}  # what the artefact says of itself: heads, horizon, data, metrics


class Publication(Struct, frozen=True):
    """That a version is to be used from some point of every log on."""

    version: int = SHIPPED
    at: int = 0  # ms
    by: str = ""
    note: str = ""
    number: int = 0  # not stored: its field names it


class Models(Announcing):
    """Artefacts and publications of one store.

    Args:
        intake: The way into the partitions' logs; without it nothing can be published.
    """

    def __init__(self, redis: Redis, intake: Intake | None = None) -> None:
        super().__init__(redis, intake)

    async def put(self, artefact: bytes, key: str, info: ModelInfo) -> int:
        """Keep an artefact, which has been checked, as the next version; the same key gives the same version again."""
        assert len(artefact) <= BYTES_MAX
        version = int(await self._ask(self._redis.fcall("pt_version", 1, MODEL_VERSIONS, artefact, key)))
        kept = msgspec.structs.replace(info, version=version, size=len(artefact))
        await self._ask(self._redis.hsetnx(MODEL_VERSIONS, f"info:{version}", _encoder.encode(kept)))
        return version

    async def artefact(self, version: int) -> bytes | None:
        """Return the bytes of a version; they never change. Of the shipped one the package has them."""
        found: bytes | None = await self._ask(self._redis.hget(MODEL_VERSIONS, str(version)))
        return found

    async def versions(self) -> list[ModelInfo]:
        """Return what is remembered of the stored versions, newest first."""
        numbers, found = await self._listed(MODEL_VERSIONS, "info:")
        return [
            msgspec.json.decode(info, type=ModelInfo) if info else ModelInfo(number)
            for number, info in zip(numbers, found, strict=True)
        ]

    async def publications(self) -> list[Publication]:
        """Return the publications, newest first."""
        numbers, found = await self._listed(MODEL_PUBLICATIONS, "")
        return [_read(number, data) for number, data in zip(numbers, found, strict=True) if data]

    async def live(self) -> Publication:
        """Return the last publication that every partition has been told of; number 0, the shipped one, if none."""
        number = int(await self._ask(self._redis.hget(MODEL_PUBLICATIONS, "published")) or 0)
        return await self._publication(number) if number else Publication()

    async def publish(self, version: int, key: str, *, at: int = 0, by: str = "", note: str = "") -> Publication:
        """Have every partition score with a version from here on; the same key is the same publication again.

        Raises:
            NotFound: there is no such version.
        """
        if version != SHIPPED and not await self._ask(self._redis.hexists(MODEL_VERSIONS, str(version))):
            raise NotFound(f"there is no version {version} of the model", code="version_not_found")
        body = _encoder.encode(Publication(version, at, by, note))
        number = int(await self._ask(self._redis.eval(_NUMBER, 1, MODEL_PUBLICATIONS, key, body)))
        publication = await self._publication(number)
        await self.tell(publication)
        return publication

    async def tell(self, publication: Publication) -> None:
        """Append the publication's entry to every partition's log, each once, and mark it as told."""
        body = encode_entry(ModelPublished(publication.version, publication.number))
        await self._announce(MODEL_PUBLICATIONS, publication.number, f"model:{publication.number}", body)

    async def resume(self) -> list[int]:
        """Complete what a crash cut short: publications later than the live one, and not told to all."""
        live = (await self.live()).number
        last = int(await self._ask(self._redis.hget(MODEL_PUBLICATIONS, "last")) or 0)
        for number in range(live + 1, last + 1):
            await self.tell(await self._publication(number))
        return list(range(live + 1, last + 1))

    def _come_to(self, part: bytes | None) -> int:
        return part_publication(part)

    async def _publication(self, number: int) -> Publication:
        data = await self._ask(self._redis.hget(MODEL_PUBLICATIONS, str(number)))
        assert data is not None, f"publication {number} has a number and no content"
        return _read(number, data)

    async def _listed(self, key: str, prefix: str) -> tuple[list[int], list[bytes | None]]:
        last = int(await self._ask(self._redis.hget(key, "last")) or 0)
        numbers = list(range(last, max(0, last - LISTED_MAX), -1))
        return numbers, await self._ask(self._redis.hmget(key, [f"{prefix}{n}" for n in numbers])) if numbers else []


def _read(number: int, data: bytes) -> Publication:
    return msgspec.structs.replace(msgspec.json.decode(data, type=Publication), number=number)


def part_publication(part: bytes | None) -> int:
    """Return the number of the publication in a partition's stored state."""
    return part_place(part, _PLACE)
