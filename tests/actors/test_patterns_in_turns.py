"""What is unlike a player is recorded with the turn that saw it; as a marker of harm it excludes them at once."""

from typing import Any

from actors.player import Player, Told
from actors.programme import compile_programme
from actors.turns import Turns
from domain.effects import FactTold, JourneyEntered, PatternChanged, decode_record
from domain.entries import Event, LogEntry, MessageRequest, decode_entry
from domain.habits import Habits
from domain.player import Snapshot
from tests.crm.town import NOON

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SIGNALS = {"bet": {"event": "bet_placed", "amount": "properties.amount"}}


class Bea:
    """One player, no model: patterns need none."""

    def __init__(self, documents: dict[str, Any] | None = None, **patterns: Any) -> None:
        documents = {**(documents or {}), "models": {"churn": {"signals": SIGNALS, "patterns": patterns}}}
        self.told = Told(compile_programme(1, documents), 0, "seed")
        self.state = Snapshot("bea")
        self.turns: list[Turns] = []
        self.count = 0
        self.now = NOON

    def plays(self, minutes: int, *, amount: int = 100) -> None:
        """Bet once a minute, and come back the next day."""
        for into in range(minutes + 1):
            self.count += 1
            event = Event("bea", f"e{self.count}", "bet_placed", self.now + into * MINUTE, {"amount": amount})
            entry = LogEntry(f"{self.count}-0", event.occurred_at, event)
            turns, self.state = Player(self.state).take([entry], self.told)
            assert not turns.failed, turns.failed
            self.turns.append(turns)
        self.now += DAY

    @property
    def seen(self) -> list[PatternChanged]:
        return [effect for effect in self.effects if isinstance(effect, PatternChanged)]

    @property
    def effects(self) -> list[Any]:
        return [effect for turns in self.turns for _, data in turns.history for effect in decode_record(data).effects]

    @property
    def stops(self) -> list[str]:
        return [reason for turns in self.turns for reason in turns.stops]


def test_a_session_out_of_the_ordinary_is_recorded_with_its_evidence() -> None:
    bea = Bea()
    for _ in range(10):
        bea.plays(20)
    bea.plays(120)
    (seen,) = bea.seen
    assert (seen.pattern, seen.by) == ("session_length", "single")
    assert seen.evidence["usual"] < 25
    assert seen.evidence["now"] > 60
    assert bea.stops == [], "care is the operator's choice: without a marker nobody is excluded"


def test_a_marker_of_harm_excludes_the_player_in_the_same_commit() -> None:
    bea = Bea(markers=["session_length.limit"], session_limit="1h")
    bea.plays(59)
    assert bea.stops == []
    bea.plays(60)
    last = bea.turns[-1]
    assert last.stops == ["harm"]
    told = {effect.name for effect in bea.effects if isinstance(effect, FactTold)}
    assert {"exclusions", "excluded"} <= told
    assert bea.state.air["excluded"]["reason"] == "harm"


def test_a_journey_for_care_begins_in_the_turn_that_saw_the_pattern() -> None:
    care = {
        "entry": {"pattern": "session_length.limit"},
        "nodes": [{"id": "break", "kind": "message", "template": "break", "purpose": "service"}],
    }
    body = {"en": "{{ journey.data.now | round }} minutes"}
    text = {"channel": "in_app", "title": {"en": "Time for a break?"}, "body": body}
    bea = Bea({"journeys": {"care": care}, "templates": {"break": text}}, session_limit="1h")
    bea.plays(59)
    assert not [effect for effect in bea.effects if isinstance(effect, JourneyEntered)]
    bea.plays(60)
    (entered,) = [effect for effect in bea.effects if isinstance(effect, JourneyEntered)]
    assert (entered.journey, entered.by) == ("care", "pattern")
    (request,) = [decode_entry(body) for turns in bea.turns for body in turns.outputs]
    assert isinstance(request, MessageRequest)
    assert request.content["body"] == "61 minutes"


def test_only_what_the_operator_named_is_a_marker() -> None:
    bea = Bea(markers=["stake.single"], session_limit="1h")
    bea.plays(70)
    assert [seen.by for seen in bea.seen] == ["limit"]
    assert bea.stops == []


def test_stakes_are_in_major_units() -> None:
    bea = Bea()
    for _ in range(10):
        bea.plays(20, amount=100)
    bea.plays(20, amount=5_000)
    (seen,) = bea.seen
    assert (seen.pattern, seen.evidence["now"]) == ("stake", 50.0)


def test_without_patterns_nothing_is_watched() -> None:
    bea = Bea(enabled=False)
    bea.plays(300)
    assert bea.seen == []
    assert bea.state.habits == Habits()
