"""Loads the function library into the server, once a version. Its parts are ``store/lua/*.lua``, one library."""

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from redis.asyncio import Redis

# In this order: each uses what those before it define.
PARTS = ("base", "lease", "gates", "intake", "queue", "commit", "ways", "rates", "programme", "boards")


@lru_cache(maxsize=1)
def source() -> str:
    """Return the library's Lua source with its hash, so that servers can tell versions apart."""
    directory = files("store").joinpath("lua")
    text = "\n".join(directory.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in PARTS)
    return f"{text}\n-- sha256 {sha256(text.encode()).hexdigest()}\n"


async def load_functions(redis: Redis) -> None:
    """Load the library unless the server has this very version. Idempotent; survives restarts with the AOF."""
    listed = await redis.function_list(library="playtower", withcode=True)
    if listed and source().encode() in _codes(listed):
        return
    await redis.function_load(source(), replace=True)


def _codes(listed: list[object]) -> list[bytes]:
    return [item for library in listed if isinstance(library, list) for item in library if isinstance(item, bytes)]
