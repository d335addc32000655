"""What was learned of events without configuration: counts only, added up over gateways.

``{store}:learned`` is the set of names; ``{store}:learned:<name>`` a hash: ``seen``, ``sampled``, and for each field
and type ``<type>|<field>`` -> how often. Traits are the name ``TRAITS``, which no event can have. Bounded in the store
too, whatever several gateways and restarts bring: a new name or field beyond the bound is not taken.
"""

from typing import Any

from msgspec import Struct, field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from store.client import is_transient
from store.ports import Unavailable

NAMES_MAX = 500
FIELDS_MAX = 100  # of a name
TYPES_MAX = 10  # hash fields: so many for each field at most
TRAITS = "#traits"
LEARNED = "{store}:learned"
# KEYS: names (set), this name's hash. ARGV: name, most names, most hash fields, then pairs (hash field, how many).
# Answers how many pairs were taken; 0 when the name is one too many.
_ADD = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
  redis.call('SADD', KEYS[1], ARGV[1])
end
local room, taken = tonumber(ARGV[3]) - redis.call('HLEN', KEYS[2]), 0
for i = 4, #ARGV, 2 do
  local known = redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1
  if known or room > 0 then
    redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
    taken = taken + 1
    if not known then room = room - 1 end
  end
end
return taken
"""


class Count(Struct):
    """What the sampled events of a name held."""

    sampled: int = 0
    fields: dict[str, dict[str, int]] = field(default_factory=dict)  # field -> type -> how often
    seen: int = 0  # all of them, sampled or not; given when read

    def merge(self, other: "Count") -> None:
        """Add another count to this one."""
        self.sampled += other.sampled
        for name, types in other.fields.items():
            mine = self.fields.setdefault(name, {})
            for kind, n in types.items():
                mine[kind] = mine.get(kind, 0) + n


class Learned:
    """The counts in the store."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    async def add(self, name: str, seen: int, counts: Count) -> None:
        """Add to a name's counts, in one step.

        Raises:
            Unavailable: the store did not answer; it may have been added.
        """
        pairs: list[object] = ["seen", seen, "sampled", counts.sampled]
        for field_name, types in counts.fields.items():
            for kind, n in types.items():
                pairs += [f"{kind}|{field_name}", n]
        bound = FIELDS_MAX * TYPES_MAX
        await _ask(self._redis.eval(_ADD, 2, LEARNED, _key(name), name, NAMES_MAX, bound, *pairs))

    async def names(self) -> list[str]:
        """Return the names of events that were learned, sorted; at most 500."""
        names = await _ask(self._redis.smembers(LEARNED))
        return sorted(name.decode() for name in names if name.decode() != TRAITS)

    async def of(self, name: str) -> Count | None:
        """Return what is known of a name, None when nothing is."""
        found = await _ask(self._redis.hgetall(_key(name)))
        return _count(found) if found else None

    async def seen(self, names: list[str]) -> list[tuple[int, int]]:
        """Return of each name how many were seen, and how many of those looked at."""
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hmget(_key(name), ["seen", "sampled"])
        return [(int(seen or 0), int(sampled or 0)) for seen, sampled in await _ask(pipe.execute())] if names else []

    async def forget(self, name: str) -> bool:
        """Drop what is known of a name; whether there was anything."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(_key(name))
        pipe.srem(LEARNED, name)
        dropped, _ = await _ask(pipe.execute())
        return bool(dropped)


def _key(name: str) -> str:
    return f"{LEARNED}:{name}"


def _count(found: dict[bytes, bytes]) -> Count:
    counted = Count()
    for key, value in found.items():
        kind, bar, name = key.decode().partition("|")
        if bar:
            counted.fields.setdefault(name, {})[kind] = int(value)
        elif kind == "seen":
            counted.seen = int(value)
        elif kind == "sampled":
            counted.sampled = int(value)
    return counted


async def _ask(asked: Any) -> Any:
    try:
        return await asked
    except (RedisError, OSError) as error:
        raise (Unavailable(str(error)) if is_transient(error) else error) from error
