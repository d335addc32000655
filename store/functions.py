"""Loads the function library into the server, once a version."""

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from redis.asyncio import Redis


@lru_cache(maxsize=1)
def source() -> str:
    """Return the library's Lua source with its hash, so that servers can tell versions apart."""
    text = files("store").joinpath("functions.lua").read_text(encoding="utf-8")
    return f"{text}\n-- sha256 {sha256(text.encode()).hexdigest()}\n"


async def load_functions(redis: Redis) -> None:
    """Load the library unless the server has this very version. Idempotent; survives restarts with the AOF."""
    listed = await redis.function_list(library="playtower", withcode=True)
    if listed and source().encode() in _codes(listed):
        return
    await redis.function_load(source(), replace=True)


def _codes(listed: list[object]) -> list[bytes]:
    return [item for library in listed if isinstance(library, list) for item in library if isinstance(item, bytes)]
