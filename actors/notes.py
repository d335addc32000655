"""What a host notes of the turns it committed, for whoever watches the whole: events by name, players by day.

Counted in memory and added to the store every few seconds, so the commits carry nothing more. A host that dies takes
the counts of its last seconds with it: they are for seeing that something is unlike any week, not for books.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from actors.processor import Folded
from actors.recent import DAILY
from crm.facts.exclusions import MERGED, REASONS
from domain.calendar import as_datetime
from domain.entries import Event, LogEntry
from ml.watch.alarms import SILENCE_MOST_MS
from store.ports import Unavailable
from store.watched import NAME_MAX, NAMES_MAX, Noted, WatchStore

FLUSH_EVERY_MS = 5_000
PLAYERS_MAX = 50_000  # noted between two flushes, and remembered as noted today
SEEK_EVERY_MS = 3_600_000  # a place for a new name
OTHER = "other"  # reasons in an operator's own words are as many as there are players
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Notes:
    """One host's."""

    def __init__(self, store: WatchStore) -> None:
        self._store = store
        self._noted = Noted()
        self._names: dict[str, int] = {}  # that are counted -> ms, seen last as of the flush before
        self._sought_at = 0  # ms, a place for a new one
        self._today: tuple[str, set[str]] = ("", set())  # day, whom the store has for it

    def add(self, entries: Iterable[LogEntry], folded: Folded[Any]) -> None:
        """Note a committed batch. Cheap: every commit does it."""
        hours, last, names = self._noted.hours, self._noted.last, self._names
        number = -1  # of the day; nearly always one a batch
        known: set[str] = set()
        events: Counter[int] = Counter()
        for entry in entries:
            event = entry.entry
            if type(event) is not Event or event.forwarded:
                continue
            name, at = event.name, entry.at
            if name in names or self._known(name, at):
                key = (at // HOUR_MS, name)
                hours[key] = hours.get(key, 0) + 1
                if at > last.get(name, 0):
                    last[name] = at
            if at // DAY_MS != number:
                number = at // DAY_MS
                known = self._players_of(_utc_day(at))
            events[number] += 1
            if event.player not in known:
                self._played(_utc_day(at), event.player, known)
        for day, count in events.items():
            self._count(day * DAY_MS, "events", count)
        for at, _player, what, about in folded.recent:
            if what in DAILY:
                self._count(at, f"{what}|{about}")
        if folded.commit.stops:
            at = max(entry.at for entry in entries)
            for _player, line in folded.commit.stops:
                reason = line.partition("|")[0]
                if reason != MERGED:  # that person goes on under another id
                    self._count(at, f"stop|{reason if reason in REASONS else OTHER}")

    async def flush(self) -> None:
        """Add what was noted to the store. What it did not take is kept for the next time."""
        noted, self._noted = self._noted, Noted()
        self._names |= noted.last
        if not (noted.hours or noted.days or noted.players):
            return
        try:
            await self._store.add(noted)
        except Unavailable:
            self._keep(noted)

    def _known(self, name: str, at: int) -> bool:
        """Take in a new name. Where all places are taken, one not seen for so long that nobody misses it gives way."""
        if len(name) > NAME_MAX:
            return False
        if len(self._names) >= NAMES_MAX and at - self._sought_at >= SEEK_EVERY_MS:
            self._sought_at, last = at, self._noted.last
            for old in [old for old, seen in self._names.items() if at - max(seen, last.get(old, 0)) > SILENCE_MOST_MS]:
                del self._names[old]
        if len(self._names) >= NAMES_MAX:
            return False
        self._names[name] = at
        return True

    def _count(self, at: int, what: str, times: int = 1) -> None:
        key = (_utc_day(at), what)
        self._noted.days[key] = self._noted.days.get(key, 0) + times

    def _players_of(self, day: str) -> set[str]:
        """Return whom the store has, or is about to have, for a day."""
        if self._today[0] != day:
            self._today = (day, set())
        return self._today[1]

    def _played(self, day: str, player: str, known: set[str]) -> None:
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
