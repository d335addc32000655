"""Stand-ins for what the shell is handed: a clock moved by hand, and a store of hashes."""

from typing import Any


class HandClock:
    """Shows what it is set to."""

    def __init__(self, ms: int = 1_000_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


class HashStore:
    """The few hash commands that the director uses, in memory."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}

    def pipeline(self, transaction: bool = True) -> "_Pipeline":  # noqa: ARG002 - redis-py's own signature
        return _Pipeline(self)

    async def hset(self, key: str, mapping: dict[str, str]) -> None:
        held = self.hashes.setdefault(key, {})
        held |= {field.encode(): value.encode() for field, value in mapping.items()}

    async def hdel(self, key: str, field: str) -> None:
        self.hashes.get(key, {}).pop(field.encode(), None)


class _Pipeline:
    def __init__(self, store: HashStore) -> None:
        self._store = store
        self._asked: list[str] = []

    def hgetall(self, key: str) -> None:
        self._asked.append(key)

    async def execute(self) -> list[Any]:
        return [dict(self._store.hashes.get(key, {})) for key in self._asked]
