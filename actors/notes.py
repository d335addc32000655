"""What a host notes of the turns it committed, for whoever watches the whole: events by name, players by day.

Counted in memory and added to the store every few seconds, so the commits carry nothing more. A host that dies takes
the counts of its last seconds with it: they are for seeing that something is unlike any week, not for books.
"""

from collections.abc import Iterable
from typing import Any

from actors.processor import Folded
from actors.recent import DAILY
from domain.calendar import as_datetime
from domain.entries import Event, LogEntry
from store.ports import Unavailable
from store.watched import NAME_MAX, NAMES_MAX, Noted, WatchStore

FLUSH_EVERY_MS = 5_000
PLAYERS_MAX = 50_000  # noted between two flushes, and remembered as noted today
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Notes:
    """One host's."""

    def __init__(self, store: WatchStore) -> None:
        self._store = store
        self._noted = Noted()
        self._names: set[str] = set()
        self._today: tuple[str, set[str]] = ("", set())  # day, whom the store has for it

    def add(self, entries: Iterable[LogEntry], folded: Folded[Any]) -> None:
        """Note a committed batch. Cheap: every commit does it."""
        hours, last = self._noted.hours, self._noted.last
        for entry in entries:
            event = entry.entry
            if not isinstance(event, Event) or event.forwarded:
                continue
            name, at = event.name, entry.at
            if name in self._names or self._known(name):
                key = (at // HOUR_MS, name)
                hours[key] = hours.get(key, 0) + 1
                last[name] = max(at, last.get(name, 0))
            self._count(at, "events")
            self._played(at, event.player)
        for at, _player, what, about in folded.recent:
            if what in DAILY:
                self._count(at, f"{what}|{about}")
        if folded.commit.stops:
            at = max(entry.at for entry in entries)
            for _player, line in folded.commit.stops:
                self._count(at, f"stop|{line.partition('|')[0]}")

    async def flush(self) -> None:
        """Add what was noted to the store. What it did not take is kept for the next time."""
        noted, self._noted = self._noted, Noted()
        if not (noted.hours or noted.days or noted.players):
            return
        try:
            await self._store.add(noted)
        except Unavailable:
            self._keep(noted)

    def _known(self, name: str) -> bool:
        if len(self._names) >= NAMES_MAX or len(name) > NAME_MAX:
            return False
        self._names.add(name)
        return True

    def _count(self, at: int, what: str) -> None:
        key = (_utc_day(at), what)
        self._noted.days[key] = self._noted.days.get(key, 0) + 1

    def _played(self, at: int, player: str) -> None:
        day = _utc_day(at)
        if self._today[0] != day:
            self._today = (day, set())
        known = self._today[1]
        if player in known:
            return
        if len(known) >= PLAYERS_MAX:
            known.clear()  # who comes again is only told twice
        known.add(player)
        self._noted.players.setdefault(day, set()).add(player)

    def _keep(self, noted: Noted) -> None:
        """Take back what was not added."""
        for hour, count in noted.hours.items():
            self._noted.hours[hour] = self._noted.hours.get(hour, 0) + count
        for what, count in noted.days.items():
            self._noted.days[what] = self._noted.days.get(what, 0) + count
        for name, at in noted.last.items():
            self._noted.last[name] = max(at, self._noted.last.get(name, 0))
        for day, players in noted.players.items():
            self._noted.players.setdefault(day, set()).update(players)


_days: dict[int, str] = {}


def _utc_day(at: int) -> str:
    """Return the UTC day of an instant, as a date; the last few are remembered, since every event asks."""
    number = at // DAY_MS
    found = _days.get(number)
    if found is None:
        if len(_days) > 16:
            _days.clear()
        found = _days[number] = as_datetime(at).date().isoformat()
    return found
