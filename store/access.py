"""API keys. The store keeps a SHA-256 of each, never the key: who sees it cannot use one. A key is 32 random bytes.

A hash of fields by key hash: ``{store}:keys`` -> ``ApiKey`` as JSON. Processes hold all keys in memory and read them
again every two seconds, so a revoked key is dead everywhere within that.
"""

import asyncio
import contextlib
import secrets
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.keys import API_KEYS
from store.ports import Unavailable
from store.tasks import end

Kind = Literal["server", "client"]
REVALIDATE_S = 2.0
MISS_RELOAD_S = 0.2  # unknown keys look into the store at most this often
KEYS_MAX = 10_000
SECRET_PREFIX = "pt_"


class ApiKey(Struct, frozen=True, omit_defaults=True):
    """What is known of a key."""

    id: str
    kind: Kind  # server: by scopes; client: public, only events marked ``client: true``
    scopes: tuple[str, ...]  # "admin" is all of them
    created_at: int  # ms
    name: str = ""
    prefix: str = ""  # first characters, to tell keys apart
    expires_at: int = 0  # ms, 0: never
    revoked_at: int = 0
    request: str = ""  # hash of the request that made it, for its idempotency key


def hash_of(secret: str) -> str:
    """Return what the store knows a key by."""
    return sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Return a key: 32 bytes nobody guesses."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


class Access:
    """The keys in the store."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def create(
        self,
        kind: Kind,
        scopes: tuple[str, ...],
        *,
        now: int,
        name: str = "",
        expires_at: int = 0,
        secret: str = "",
        request: str = "",
    ) -> tuple[str, ApiKey]:
        """Make a key; return it (this once) and what is known of it.

        Args:
            secret: The key itself, when an operator sets it or an idempotent call derives it; then the first
                creation counts and is returned again.
        """
        secret = secret or new_secret()
        hashed = hash_of(secret)
        key = ApiKey(f"key_{hashed[:16]}", kind, scopes, now, name, secret[:8], expires_at, 0, request)
        if await _ask(self._redis.hsetnx(API_KEYS, hashed, msgspec.json.encode(key))):
            return secret, key
        return secret, msgspec.json.decode(await _ask(self._redis.hget(API_KEYS, hashed)), type=ApiKey)

    async def all(self) -> dict[str, ApiKey]:
        """Return all keys, by hash."""
        stored = await _ask(self._redis.hgetall(API_KEYS))
        return {hashed.decode(): msgspec.json.decode(value, type=ApiKey) for hashed, value in stored.items()}

    async def list(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        return sorted((await self.all()).values(), key=lambda key: (key.created_at, key.id))

    async def revoke(self, key_id: str, now: int) -> ApiKey | None:
        """End a key; None when there is no such key. Again is harmless."""
        for hashed, key in (await self.all()).items():
            if key.id == key_id:
                ended = key if key.revoked_at else structs.replace(key, revoked_at=now)
                await _ask(self._redis.hset(API_KEYS, hashed, msgspec.json.encode(ended)))
                return ended
        return None


class KeyRing:
    """All keys in memory. While the store is down the last reading counts."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys: dict[str, ApiKey] | None = None
        self._read_at = -1e9  # loop time
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Read the keys now and every two seconds."""
        with contextlib.suppress(Unavailable):
            await self.reload()
        self._task = asyncio.create_task(self._keep_reading())

    async def stop(self) -> None:
        """Stop reading."""
        if self._task:
            await end(self._task)

    async def reload(self) -> None:
        """Read all keys."""
        began = asyncio.get_running_loop().time()
        self._keys = await self._access.all()
        self._read_at = began

    async def find(self, secret: str, now: int) -> ApiKey | None:
        """Return the key if it is known and in force.

        Raises:
            Unavailable: the keys were never read, and the store does not answer.
        """
        hashed = hash_of(secret)
        key = (self._keys or {}).get(hashed)
        if key is None:
            await self._look_again()
            key = (self._keys or {}).get(hashed)
        if key is None or key.revoked_at or (key.expires_at and key.expires_at <= now):
            return None
        return key

    async def _look_again(self) -> None:
        """Read the keys once more for all who miss one now; made a moment ago, a key must not be refused."""
        loop = asyncio.get_running_loop()
        missed_at = loop.time()
        async with self._reading:
            if self._read_at >= missed_at:
                return
            await asyncio.sleep(self._read_at + MISS_RELOAD_S - missed_at)
            try:
                await self.reload()
            except Unavailable:
                if self._keys is None:
                    raise

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(REVALIDATE_S)
            with contextlib.suppress(Unavailable):
                await self.reload()


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
