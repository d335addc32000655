"""How often something may happen in this process: for endpoints without a key, whose links anybody may pass on."""

from collections import OrderedDict

WINDOW_MS = 60_000


class Pace:
    """At most so many a minute of each name; names not seen for longest are forgotten first.

    Args:
        per_minute: Most of one name.
        names_max: Most names remembered.
    """

    def __init__(self, per_minute: int, names_max: int = 20_000) -> None:
        self._per_minute = per_minute
        self._names_max = names_max
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()  # name -> window's begin, how many

    def take(self, name: str, now: int) -> int:
        """Count one; 0 when it may happen, else in how many seconds the next may."""
        began, count = self._seen.get(name, (now, 0))
        if not 0 <= now - began < WINDOW_MS:
            began, count = now, 0
        if count >= self._per_minute:
            return max(1, -(-(began + WINDOW_MS - now) // 1000))
        self._seen[name] = began, count + 1
        self._seen.move_to_end(name)
        if len(self._seen) > self._names_max:
            self._seen.popitem(last=False)
        return 0
