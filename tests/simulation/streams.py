"""Streams as the server keeps them, for the model."""

from bisect import bisect_right

StreamId = tuple[int, int]


class WrongOrder(Exception):
    """An explicit stream id that is not after the last one."""


class Stream:
    """An append-only list under ids ``<ms>-<n>`` that only rise."""

    def __init__(self) -> None:
        self.ids: list[StreamId] = []
        self.items: list[dict[str, bytes]] = []
        self.last: StreamId = (0, 0)

    def add(self, wanted: str, fields: dict[str, bytes], now: int, keep: int = 0) -> str:
        """Append under an explicit id or ``*``; return the id. Trims to ``keep`` from the old end."""
        if wanted == "*":
            place = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        else:
            place = parsed(wanted)
            if place <= self.last:
                raise WrongOrder(wanted)
        self.ids.append(place)
        self.items.append(fields)
        self.last = place
        if keep and len(self.ids) > keep:
            del self.ids[:-keep], self.items[:-keep]
        return f"{place[0]}-{place[1]}"

    def after(self, offset: str, limit: int) -> list[tuple[str, dict[str, bytes]]]:
        start = bisect_right(self.ids, parsed(offset))
        found = zip(self.ids[start : start + limit], self.items[start : start + limit], strict=True)
        return [(f"{ms}-{n}", fields) for (ms, n), fields in found]

    def all(self) -> list[tuple[str, dict[str, bytes]]]:
        return self.after("0-0", len(self.ids))


def parsed(offset: str) -> StreamId:
    ms, _, n = offset.partition("-")
    return int(ms), int(n or 0)
