"""What a player writes moves everything that asks for their mood, in the turn of the very text."""

from typing import Any

from actors.player import Player, Told
from actors.programme import compile_programme
from domain.effects import (
    Effect,
    FactTold,
    JourneyEntered,
    JourneyStepped,
    Posting,
    SegmentEntered,
    SegmentLeft,
    decode_record,
)
from domain.entries import Entry, Event, LogEntry, Merged, TimerFired, decode_entry
from domain.player import Snapshot, all_parts
from tests.crm.town import NOON

MINUTE, DAY = 60_000, 86_400_000
ANGRY = "Де мої гроші?! Третій день не можу вивести, ви шахраї!"
PLEASED = "Щиро дякую, чудова підтримка, все працює"
UPSET = {"field": "player.tone.mood", "op": "eq", "value": "negative"}
LATELY = {"field": "player.since.tone", "op": "lt", "value": 86_400}


class Zoya:
    """One player, with the timers that she was given."""

    def __init__(self, **documents: Any) -> None:
        written = {kind.replace("_", "-"): named for kind, named in documents.items()}
        self.told = Told(compile_programme(1, written), 0, "seed")
        self.state = Snapshot("zoya")
        self.now = NOON
        self.timers: set[tuple[int, bytes]] = set()
        self.count = 0

    def take(self, entry: Entry) -> list[Effect]:
        self.count += 1
        turns, self.state = Player(self.state).take([LogEntry(f"{self.count}-0", self.now, entry)], self.told)
        assert not turns.failed, turns.failed
        for is_set, due, member in turns.timers:
            (self.timers.add if is_set else self.timers.discard)((due, member))
        return [effect for _, data in turns.history for effect in decode_record(data).effects]

    def writes(self, text: str, name: str = "support_message_sent", **properties: Any) -> list[Effect]:
        self.now += MINUTE
        return self.take(Event("zoya", f"e{self.count}", name, self.now, {"text": text, **properties}))

    def waits(self, ms: int) -> list[Effect]:
        until, effects = self.now + ms, []
        while due := sorted(timer for timer in self.timers if timer[0] <= until):
            self.timers.discard(due[0])
            self.now = max(self.now, due[0][0])
            entry = decode_entry(due[0][1])
            assert isinstance(entry, TimerFired)
            effects += self.take(entry)
        self.now = until
        return effects


def of(kind: type[Any], effects: list[Effect]) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_an_angry_text_enters_a_segment_in_its_own_turn_and_a_pleased_one_leaves_it() -> None:
    zoya = Zoya(segments={"upset": {"where": UPSET}})
    effects = zoya.writes(ANGRY)
    assert of(SegmentEntered, effects) == [SegmentEntered("upset", "event")]
    (fact,) = [fact for fact in of(FactTold, effects) if fact.name == "tone"]
    assert (fact.value["mood"], fact.value["by"], fact.value["at"]) == ("negative", "weights", zoya.now)
    assert of(SegmentLeft, zoya.writes("Як змінити номер телефону?")) == [], "the middle changes nothing"
    assert of(SegmentLeft, zoya.writes(PLEASED)) == [SegmentLeft("upset", "event")]


def test_a_mood_is_too_old_at_the_moment_that_the_condition_says() -> None:
    zoya = Zoya(segments={"upset": {"where": {"all": [UPSET, LATELY]}}})
    assert of(SegmentEntered, zoya.writes(ANGRY))
    assert zoya.waits(DAY - 1) == []
    assert of(SegmentLeft, zoya.waits(1)) == [SegmentLeft("upset", "time")]


def test_a_journey_begins_and_branches_by_the_text_that_begins_it() -> None:
    nodes = [
        {"id": "how", "kind": "branch", "paths": [{"when": UPSET, "next": "call"}], "default": "thank"},
        {"id": "call", "kind": "profile", "set": {"call": True}},
        {"id": "thank", "kind": "profile", "set": {"thank": True}},
    ]
    zoya = Zoya(
        journeys={
            "care": {"entry": {"event": "support_case_opened", "where": UPSET}, "nodes": nodes[1:2]},
            "answer": {"entry": {"event": "support_case_opened"}, "nodes": nodes},
        }
    )
    assert [e.journey for e in of(JourneyEntered, zoya.writes(PLEASED, "support_case_opened"))] == ["answer"]
    assert "thank" in zoya.state.profile.traits
    effects = zoya.writes(ANGRY, "support_case_opened")
    assert [e.journey for e in of(JourneyEntered, effects)] == ["answer", "care"]
    assert "call" in {e.node for e in of(JourneyStepped, effects)}


def test_points_are_not_given_for_an_angry_review() -> None:
    rule = {"event": "review_left", "amount": 10, "where": {"not": UPSET}}
    zoya = Zoya(earn_rules={"reviews": rule})
    assert of(Posting, zoya.writes(PLEASED, "review_left"))
    assert not of(Posting, zoya.writes(ANGRY, "review_left"))


def test_a_context_of_a_policy_asks_for_the_mood_of_the_same_text() -> None:
    context = {"begins": {"event": "review_left", "where": UPSET}, "lasts_s": 60}
    hold = {"when": "bad_review", "purposes": ["promo"], "for_s": 60}
    zoya = Zoya(policies={"default": {"contexts": {"bad_review": context}, "holds": [hold]}})
    zoya.writes(PLEASED, "review_left")
    assert "context:bad_review" not in zoya.state.air
    zoya.writes(ANGRY, "review_left")
    assert zoya.state.air["context:bad_review"]["open"]


def test_a_profile_that_joins_brings_its_mood_and_the_segment_with_it() -> None:
    zoya, guest = (Zoya(segments={"upset": {"where": UPSET}}) for _ in range(2))
    zoya.writes(PLEASED)
    guest.now += MINUTE
    guest.writes(ANGRY)
    zoya.now = guest.now + MINUTE
    effects = zoya.take(Merged("zoya", "anon:z", all_parts(guest.state), "m1"))
    assert of(SegmentEntered, effects) == [SegmentEntered("upset", "merged")]
    assert [fact.value["mood"] for fact in of(FactTold, effects) if fact.name == "tone"] == ["negative"]


def test_a_text_that_comes_late_moves_nothing() -> None:
    zoya = Zoya(segments={"upset": {"where": UPSET}})
    zoya.writes(PLEASED)
    before = zoya.state.air["tone"]
    late = Event("zoya", "late", "support_message_sent", zoya.now - DAY, {"text": ANGRY})
    assert of(SegmentEntered, zoya.take(late)) == []
    assert zoya.state.air["tone"] is before
