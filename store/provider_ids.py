"""What a provider calls the messages it took: its later reports name them so."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.ports import Unavailable

KEPT_MS = 7 * 86_400_000  # what a provider reports later than that is nobody's
ID_MAX = 512  # characters


class Posted(Struct, frozen=True):
    """A message that a provider took."""

    player: str
    request: str
    channel: str
    template: str = ""
    purpose: str = ""
    address: str = ""  # digest


class ProviderIds:
    """From a provider's id to the message. All raise ``Unavailable``."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def remember(self, rows: Iterable[tuple[str, str, Posted]]) -> None:
        """Note messages: connector, provider's id, whose."""
        pipe = self._redis.pipeline(transaction=False)
        for connector, provider_id, posted in rows:
            pipe.set(_key(connector, provider_id), _value(posted), px=KEPT_MS)
        await _ask(pipe.execute())

    async def find(self, connector: str, provider_id: str) -> Posted | None:
        """Return the message that a provider calls so."""
        value = await _ask(self._redis.get(_key(connector, provider_id)))
        return Posted(*value.decode().rsplit("|", 5)) if value else None  # a player's id may hold a |


def _key(connector: str, provider_id: str) -> str:
    return f"{{store}}:pid:{connector}:{provider_id[:ID_MAX]}"


def _value(posted: Posted) -> str:
    rest = (posted.request, posted.channel, posted.template, posted.purpose, posted.address)
    return "|".join((posted.player, *rest))


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
