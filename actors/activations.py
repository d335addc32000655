"""The players (or airspaces) of a partition that are in memory.

Activated by the first entry, kept as objects while hot, as bytes when idle, gone when old. The store is the
authority: whatever a failed or unknown commit touched is forgotten, the next read tells.
"""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

S = TypeVar("S")

HOT_MAX = 4_000  # snapshots held as objects in one partition
COLD_MAX = 20_000  # held as bytes; beyond it the oldest leave memory


class Codec(Protocol[S]):
    """How a lane's states are stored."""

    def decode(self, player: str, version: int, parts: dict[str, bytes]) -> S:
        """Read a state from its stored parts."""

    def parts(self, state: S) -> dict[str, bytes]:
        """Return all stored parts of a state."""

    def version(self, state: S) -> int:
        """Return the number of commits the state has seen."""


class Activations(Generic[S]):
    """States by player, least recently used first."""

    def __init__(self, codec: Codec[S], *, hot_max: int = HOT_MAX, cold_max: int = COLD_MAX) -> None:
        self._codec = codec
        self._hot_max = hot_max
        self._cold_max = cold_max
        self._hot: OrderedDict[str, S] = OrderedDict()
        self._cold: OrderedDict[str, tuple[int, dict[str, bytes]]] = OrderedDict()
        self._used: set[str] = set()  # since the last turn of the clock
        self._used_before: set[str] = set()  # in the period before

    def __len__(self) -> int:
        return len(self._hot)

    def __contains__(self, player: str) -> bool:
        return player in self._hot or player in self._cold

    def get(self, player: str) -> S | None:
        """Return the state if it is in memory, making it hot."""
        if (state := self._hot.get(player)) is not None:
            self._hot.move_to_end(player)
            return state
        if (kept := self._cold.pop(player, None)) is not None:
            return self.put(player, self._codec.decode(player, *kept))
        return None

    def activate(self, player: str, stored: dict[str, bytes]) -> S:
        """Make a state of what the store has (nothing: a player never seen)."""
        parts = dict(stored)
        return self.put(player, self._codec.decode(player, int(parts.pop("v", b"0")), parts))

    def put(self, player: str, state: S) -> S:
        """Keep a committed state."""
        self._hot[player] = state
        self._hot.move_to_end(player)
        self._used.add(player)
        while len(self._hot) > self._hot_max:
            self._passivate(*self._hot.popitem(last=False))
        return state

    def turn_over(self) -> None:
        """Begin a new period: whoever takes no turn in a whole one is idle."""
        self._used, self._used_before = set(), self._used

    def sweep(self, most: int) -> int:
        """Passivate those idle the longest, ``most`` at the most; how many.

        Encoding a player costs some 25 us, so thousands at once would hold up everybody's turns.
        """
        count = 0
        while count < most and self._hot:
            player = next(iter(self._hot))
            if player in self._used or player in self._used_before:
                break
            self._passivate(player, self._hot.pop(player))
            count += 1
        return count

    def drop(self, player: str) -> None:
        """Forget a state."""
        self._hot.pop(player, None)
        self._cold.pop(player, None)

    def clear(self) -> None:
        """Forget everything."""
        self._hot.clear()
        self._cold.clear()

    def players(self) -> list[str]:
        """Return who is in memory as an object."""
        return list(self._hot)

    def _passivate(self, player: str, state: S) -> None:
        self._cold[player] = (self._codec.version(state), self._codec.parts(state))
        while len(self._cold) > self._cold_max:
            self._cold.popitem(last=False)
