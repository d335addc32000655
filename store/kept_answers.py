"""Answers of mutations over HTTP, kept for a day under who asked what with which key (``api.once``).

One string a request: first a lease, that its gateway renews while it works on the answer, then the answer itself. A
lease whose gateway died lapses, and whoever asks again takes the request up.
"""

import contextlib
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError, WatchError

from store.client import is_transient
from store.ports import Unavailable

KEPT_MS = 24 * 3_600_000
LEASE_MS = 5_000
ANSWER_BYTES_MAX = 256 * 1024  # a larger one is not kept
LOOKS_MAX = 5  # at a lease that changes meanwhile


class KeptAnswer(Struct, frozen=True, array_like=True):
    """What was answered."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class _Kept(Struct, frozen=True, array_like=True):
    fingerprint: bytes  # of the body: the guard against a key's reuse
    holder: str = ""  # who works on it
    answer: KeptAnswer | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class Running:
    """Somebody works on the answer."""


class Reused:
    """The key was used with another body."""


class KeptAnswers:
    """The answers in the store. Raises ``Unavailable``."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def begin(self, name: str, fingerprint: bytes, holder: str) -> KeptAnswer | Running | Reused | None:
        """Take the request up; None: it is the holder's for ``LEASE_MS``."""
        mine = _encode(_Kept(fingerprint, holder))
        found = await _asked(self._redis.set(_key(name), mine, nx=True, get=True, px=LEASE_MS))
        if found is None:
            return None
        kept = _decode(found)
        if kept.fingerprint != fingerprint:
            return Reused()
        return kept.answer or Running()

    async def renew(self, name: str, holder: str) -> bool:
        """Keep the lease; False: it is another's, or over."""
        return await self._if_mine(name, holder, lambda pipe, key, _: pipe.pexpire(key, LEASE_MS))

    async def keep(self, name: str, holder: str, answer: KeptAnswer) -> bool:
        """Keep the answer; False: the lease was lost, what is kept is not this answer."""

        def write(pipe: Any, key: str, kept: _Kept) -> None:
            pipe.set(key, _encode(_Kept(kept.fingerprint, answer=answer)), px=KEPT_MS)

        return await self._if_mine(name, holder, write)

    async def free(self, name: str, holder: str) -> None:
        """Let whoever asks again begin anew."""
        await self._if_mine(name, holder, lambda pipe, key, _: pipe.delete(key))

    async def _if_mine(self, name: str, holder: str, write: Any) -> bool:
        try:
            for _ in range(LOOKS_MAX):
                with contextlib.suppress(WatchError):  # it was renewed between the two, or lapsed: look again
                    return await self._looked(_key(name), holder, write)
        except (RedisError, OSError) as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error
        return False

    async def _looked(self, key: str, holder: str, write: Any) -> bool:
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(key)
            found = await pipe.get(key)
            kept = _decode(found) if found else None
            if kept is None or kept.holder != holder:
                return False
            pipe.multi()
            write(pipe, key, kept)
            await pipe.execute()
        return True


def _key(name: str) -> str:
    return f"kept:{name}"


async def _asked(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
