"""What holds of every journey and every stream of events: drawn graphs, walked by a drawn player.

After each turn the harness checks that a walk under way has one timer and one group, those of its record, that the
stored form loses nothing, and that no pass asks for a message twice (``Traveller.check``).
"""

from random import Random
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from crm.journeys.view import graph_view, journeys_view
from domain.effects import JourneyEnded, JourneyEntered, JourneyStepped
from domain.entries import Event
from tests.crm.journeys.drawn import NAMES, Doing, drawn_doings, drawn_journey
from tests.crm.journeys.traveller import HOUR, TEXT, Traveller, field, programme

SEGMENTS = {"ones": {"where": field("player.traits.t", "eq", 1)}}


class Life:
    """Ada, a programme of two journeys that changes on the way, and what she does."""

    def __init__(self, seed: int) -> None:
        r = Random(seed)
        self.inner = drawn_journey(r)
        self.outer = drawn_journey(r, below="below")
        self.edited = drawn_journey(r, below="below", migrate={"default": r.choice(["keep", "exit", NAMES[0]])})
        self.doings = drawn_doings(r, r.randint(4, 25))
        self.versions: dict[int, Any] = {}

    def lived(self) -> Traveller:
        self.versions = {}
        ada = Traveller(self._published("same"))
        for doing in self.doings:
            self._do(ada, doing)
        ada.waits(5 * HOUR)
        return ada

    def _do(self, ada: Traveller, doing: Doing) -> None:
        kind, what, more = doing
        match kind:
            case "does":
                ada.does(what, **more)
            case "waits":
                ada.waits(what)
            case "asks":
                ada.asks(what, journey=more, data={"x": 1})
            case "has":
                before = ada.snapshot
                ada.has(t=what)
                ada.take(Event("ada", f"e{len(ada.log)}", "told", ada.now), before)
            case "publishes":
                ada.rules = self._published(what)

    def _published(self, what: str) -> Any:
        journeys = {"j": self.outer, "below": self.inner}
        live = {
            "same": journeys,
            "words": journeys | {"j": self.outer | {"description": "x"}},
            "other": journeys | {"j": self.edited},
            "none": {"below": self.inner},
        }[what]
        number = len(self.versions) + 1
        rules = programme(number, dict(self.versions), journeys=live, templates={"t": TEXT}, segments=SEGMENTS)
        self.versions[number] = rules
        return rules


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_whatever_is_drawn_walks_and_leaves_a_record_that_adds_up(seed: int) -> None:
    life = Life(seed)
    ada = life.lived()
    for name, record in ada.snapshot.journeys.items():
        entries, endings = ada.entries(name), ada.endings(name)
        event(f"{name}: {record.outcome or 'under way'}")
        assert [e.number for e in entries] == list(range(1, record.entered + 1))
        assert len(endings) == record.entered - (record.active is not None), "every walk is at one node, or has ended"
    messages = [e for e in ada.effects if isinstance(e, JourneyStepped) and e.outcome == "sent"]
    assert len(messages) == len(ada.requests), "a message is asked for when, and only when, a step says so"
    again = life.lived()
    assert (again.snapshot, again.effects) == (ada.snapshot, ada.effects), "a replay differs"
    assert again.requests == ada.requests


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_nothing_happens_to_a_walk_before_it_begins_or_after_it_ends(seed: int) -> None:
    ada = Life(seed).lived()
    under_way: set[tuple[str, int]] = set()
    for effect in ada.effects:
        if isinstance(effect, JourneyEntered):
            under_way.add((effect.journey, effect.number))
        elif isinstance(effect, JourneyStepped) and effect.outcome != "refused":
            assert (effect.journey, effect.number) in under_way
        elif isinstance(effect, JourneyEnded):
            under_way.remove((effect.journey, effect.number))
    active = {(name, r.active.number) for name, r in ada.snapshot.journeys.items() if r.active is not None}
    assert active == under_way


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_what_is_read_of_a_player_is_what_the_record_says(seed: int) -> None:
    ada = Life(seed).lived()
    rules = ada.rules.journeys
    for view in journeys_view(rules, ada.snapshot, ada.now):
        record = ada.snapshot.journeys[view["id"]]
        assert (view["status"] == "active") == (record.active is not None)
        assert view.get("node") == (record.active.node if record.active else None)
    for name in rules.journeys:
        graph = graph_view(rules, name)
        ids = {node["id"] for node in graph["nodes"]}
        assert {edge["to"] for edge in graph["edges"]} <= ids | {None}
        assert graph["start"] in ids
