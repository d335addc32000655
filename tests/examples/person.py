"""A player of an example programme with a clock of their own: whole turns, timers in time, what they are told."""

from pathlib import Path
from typing import Any

from actors.models import shipped
from actors.player import Player, Told
from actors.programme import check_programme
from domain.calendar import as_datetime
from domain.entries import Entry, Event, LogEntry, MessageRequest, TimerFired, Visited, decode_entry
from domain.player import Snapshot
from playtower.programme_files import read_programme

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


class Person:
    """One player, from the first event on. ``told`` is what they were sent: (time, template, title, body)."""

    def __init__(self, directory: Path, now: int, player: str = "oksana") -> None:
        self._world = Told(check_programme(1, read_programme(directory)), 0, "seed", shipped())
        self._snapshot = Snapshot(player)
        self._timers: set[TimerFired] = set()
        self._count = 0
        self.now = now
        self.requests: list[tuple[int, MessageRequest]] = []

    def does(self, name: str, **properties: Any) -> None:
        self._count += 1
        self.take(Event(self._snapshot.player, f"e-{self._count}", name, self.now, properties))

    def is_known(self, timezone: str = "", locale: str = "", **traits: Any) -> None:
        given = traits | ({"timezone": timezone} if timezone else {}) | ({"locale": locale} if locale else {})
        self._count += 1
        self.take(Event(self._snapshot.player, f"e-{self._count}", "identify", self.now, traits=given, type="identify"))

    def is_sent(self, campaign: str, **data: Any) -> None:
        """Be visited by the run of a campaign."""
        self.take(Visited(self._snapshot.player, f"campaigns/{campaign}@run", "journey", f"campaigns/{campaign}", data))

    def waits(self, ms: int) -> None:
        """Let time pass; timers fire when they are due, in order."""
        until = self.now + ms
        while due := [timer for timer in self._timers if timer.due <= until]:
            timer = min(due, key=lambda timer: (timer.due, timer.kind, timer.ref))
            self._timers.discard(timer)
            self.now = max(self.now, timer.due)
            self.take(timer)
        self.now = until

    def is_in(self, segment: str) -> bool:
        return segment in self._snapshot.segments.member

    def score(self, name: str) -> float:
        return self._snapshot.scores.held[name].value

    def take(self, entry: Entry) -> None:
        self._count += 1
        turns, self._snapshot = Player(self._snapshot).take(
            [LogEntry(f"{self._count}-0", self.now, entry)], self._world
        )
        assert not turns.failed, turns.failed
        for is_set, _, member in turns.timers:
            timer = decode_entry(member)
            assert isinstance(timer, TimerFired)
            (self._timers.add if is_set else self._timers.discard)(timer)
        asked = [decode_entry(output) for output in turns.outputs]
        self.requests += [(self.now, request) for request in asked if isinstance(request, MessageRequest)]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Return the messages asked for: when (UTC), and the template."""
        return [(as_datetime(at).strftime("%m-%d %H:%M:%S"), request.template) for at, request in self.requests]

    @property
    def balance(self) -> int:
        return self._snapshot.wallet["points"].balance if self._snapshot.wallet else 0
