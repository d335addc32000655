"""A player's whole turn: what goes to the tower, in which order, with which words, and what the store's gates hear."""

from typing import Any

import pytest

from actors.player import Player, Told
from actors.programme import compile_programme
from actors.turns import Turns
from crm.addresses import digest_of
from domain.effects import Answered, Effect, FactTold, MessageWithdrawn, decode_record
from domain.entries import (
    Asked,
    Command,
    Entry,
    Event,
    Fact,
    LogEntry,
    MergeAsked,
    MessageRequest,
    Receipt,
    Reviewed,
    TimerFired,
    Visited,
    Withdrawn,
    decode_entry,
)
from domain.player import Profile, Snapshot
from tests.crm.town import NOON, Town

DAY = 86_400_000
MAIL = {"kind": "smtp", "host": "localhost", "from": "news@example.com", "tls": "none"}
HOOK = {"kind": "webhook", "url": "https://crm.example.com/in", "secret": {"env": "HOOK"}}


def template(channel: str = "email", **more: Any) -> dict[str, Any]:
    return {"channel": channel, "title": {"en": "Hi"}, "body": {"en": "Come and play"}, **more}


def documents(**kinds: Any) -> dict[str, dict[str, Any]]:
    """Return a programme with e-mail connected and one template."""
    written = {kind.replace("_", "-"): value for kind, value in kinds.items()}
    return {"connectors": {"mail": MAIL}, "templates": {"hi": template()}} | written


class Turn:
    """Turns of one player in batches, decoded."""

    def __init__(self, **kinds: Any) -> None:
        self.told = Told(compile_programme(1, documents(**kinds)), 0, "seed")
        self.state = Snapshot("ann")
        self.now = NOON
        self.turns = Turns("ann", 0)
        self.effects: list[Effect] = []
        self._count = 0

    def take(self, *entries: Entry) -> list[Entry]:
        """Take a batch; return what goes to the tower's log."""
        log = []
        for entry in entries:
            self._count += 1
            log.append(LogEntry(f"{self._count}-0", self.now, entry))
        self.turns, self.state = Player(self.state).take(log, self.told)
        assert not self.turns.failed, self.turns.failed
        self.effects = [e for _, data in self.turns.history for e in decode_record(data).effects]
        return [decode_entry(body) for body in self.turns.outputs]

    def does(self, name: str, **properties: Any) -> list[Entry]:
        return self.take(event(name, f"e{self._count}", **properties))

    def asks(self, name: str = "message", **args: Any) -> list[Entry]:
        given = {"template": "hi", "request_id": f"req_0_{self._count:08}"} if name == "message" else {}
        return self.take(Command("ann", f"cmd:{self._count}", name, given | args))

    def answer(self) -> Answered:
        (answered,) = [effect for effect in self.effects if isinstance(effect, Answered)]
        return answered


def event(name: str, id: str = "e", **properties: Any) -> Event:
    return Event("ann", id, name, NOON, properties)


def identify(**traits: Any) -> Event:
    return Event("ann", "i", "identified", NOON, traits=traits)


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.name if isinstance(entry, Fact) else type(entry).__name__ for entry in entries]


LOSS = {"when": "fresh_loss", "purposes": ["promo"], "for_s": 3600}


def node(id: str, kind: str, next: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id, "kind": kind, **({"next": next} if next else {}), **more}


def ask(id: str, next: str | None = None, **more: Any) -> dict[str, Any]:
    return node(id, "message", next, template="hi", purpose="promo", **more)


def test_facts_go_first_then_what_is_taken_back_then_what_is_asked_together() -> None:
    ann = Turn(
        policies={"default": {"holds": [LOSS]}},
        journeys={
            "comfort": {"entry": {"event": "bet_settled"}, "nodes": [ask("one", "two"), ask("two", "w"), wait()]},
            "win": {
                "entry": {"event": "session_started"},
                "exit": {"goal": {"event": "bet_settled"}},
                "nodes": [ask("a", "w"), wait()],
            },
        },
    )
    ann.does("session_started")
    told = ann.does("bet_settled", net=-50_000)
    assert kinds(told) == ["context:fresh_loss", "Withdrawn", "Asked"]
    assert isinstance(told[1], Withdrawn)
    assert (told[1].reason, told[1].source) == ("goal_met", "journeys/win#1")
    assert isinstance(told[2], Asked)
    assert [r.source for r in told[2].requests] == ["journeys/comfort#1"] * 2


def wait() -> dict[str, Any]:
    return node("w", "wait", **{"for": {"event": "never"}})


def test_one_request_goes_alone() -> None:
    ann = Turn()
    assert kinds(ann.asks()) == ["MessageRequest"]


def test_words_are_found_for_the_channels_that_may_be_taken_and_no_other() -> None:
    ann = Turn(connectors={"mail": MAIL, "hook": HOOK})
    (unreachable,) = ann.asks()
    ann.take(identify(email="ann@example.com", phone="+351910000000"))
    (best,) = ann.asks()
    (explicit,) = ann.asks(channels=["sms", "email"])
    (in_app,) = ann.asks(channels=["in_app"])
    for request in (unreachable, best, explicit, in_app):
        assert isinstance(request, MessageRequest)
        assert request.content["title"] == "Hi"
    assert [set(r.contents) for r in (unreachable, best, explicit, in_app)] == [set(), {"email"}, {"email"}, set()]  # type: ignore[union-attr]
    assert best.contents["email"]["subject"] == "Hi"  # type: ignore[union-attr]


def test_a_callers_message_says_what_it_is_about_and_for() -> None:
    ann = Turn()
    goal = {"event": "deposit_completed", "where": {"field": "event.properties.amount", "op": "gte", "value": 100}}
    (asked,) = ann.asks(product="casino", goal=goal, ask_person=True, priority=7, conflict_group="g")
    assert isinstance(asked, MessageRequest)
    assert (asked.product, asked.goal, asked.ask_person, asked.source) == ("casino", goal, True, "api")
    assert (asked.priority, asked.conflict_group) == (7, "g")
    assert ann.does("deposit_completed", amount=99) == []
    assert ann.does("deposit_completed", amount=100) == [Withdrawn("ann", "goal_met", (asked.id,), cause="e2")]
    assert MessageWithdrawn("goal_met", (asked.id,)) in ann.effects


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param({"product": "poker"}, "product: expected one of betting", id="no such product"),
        pytest.param({"goal": {"where": {}}}, "goal.event: expected", id="a goal without an event"),
    ],
)
def test_a_callers_message_that_makes_no_sense_is_refused_with_a_reason(args: dict[str, Any], said: str) -> None:
    ann = Turn()
    assert ann.asks(**args) == []
    assert ann.answer().code == "invalid_arguments"
    assert said in ann.answer().detail


def test_a_persons_decision_goes_to_the_tower() -> None:
    ann = Turn()
    told = ann.asks("review_message", request_id="req_0_1", approved=False, by="key1", note="too loud")
    assert told == [Reviewed("ann", "req_0_1", False, "key1", "too loud", "cmd:0")]
    assert ann.answer() == Answered("ok", data={"request_id": "req_0_1"})
    assert ann.asks("review_message", request_id="req_0_1", approved="yes") == []
    assert ann.answer().code == "invalid_arguments"


def test_missions_say_where_their_messages_come_from() -> None:
    message = {"template": "hi", "purpose": "reward"}
    task = {"id": "t", "event": "bet_placed", "count": 1}
    ann = Turn(missions={"first": {"tasks": [task], "message": message}})
    (asked,) = ann.does("bet_placed")
    assert isinstance(asked, MessageRequest)
    assert asked.source == "missions/first"


# --- journeys ---


def test_a_journeys_message_carries_what_its_node_says() -> None:
    goal = {"event": "deposit_completed"}
    ann = Turn(
        journeys={
            "j": {
                "entry": {"event": "signed_up"},
                "nodes": [ask("a", "w", product="bingo", goal=goal, ask_person=True), wait()],
            }
        }
    )
    (asked,) = ann.does("signed_up")
    assert isinstance(asked, MessageRequest)
    assert (asked.source, asked.product, asked.goal, asked.ask_person) == ("journeys/j#1", "bingo", goal, True)
    told = ann.does("deposit_completed")
    assert [entry.requests for entry in told if isinstance(entry, Withdrawn)] == [(asked.id,)]


def test_a_campaigns_message_does_too() -> None:
    message = {"template": "hi", "purpose": "promo", "product": "bingo", "goal": {"event": "bet_placed"}}
    ann = Turn(campaigns={"sale": {"name": "Sale", "everyone": True, "send": {"now": "api"}, "message": message}})
    (asked,) = ann.take(Visited("ann", "campaign:1", "journey", "campaigns/sale", {"run": "campaign:1"}))
    assert isinstance(asked, MessageRequest)
    assert (asked.source, asked.product, asked.goal) == ("campaigns/sale#1", "bingo", {"event": "bet_placed"})


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        pytest.param(event("bought"), "goal_met", id="its goal"),
        pytest.param(event("left"), "journey_ended", id="an exit"),
        pytest.param(Command("ann", "c", "exit_journey", {"journey": "j"}), "journey_ended", id="by a caller"),
        pytest.param(event("done"), "", id="walked to its end"),
        pytest.param(event("stopped"), "goal_met", id="a node that says so"),
    ],
)
def test_what_a_walk_asked_for_is_taken_back_when_it_is_over_before_its_end(ends: Entry, reason: str) -> None:
    ann = Turn(
        journeys={
            "j": {
                "entry": {"event": "signed_up", "api": True},
                "exit": {"goal": {"event": "bought"}, "on": [{"event": "left"}]},
                "interrupts": [
                    {"id": "done", "event": "done", "to": "last"},
                    {"id": "stopped", "event": "stopped", "to": "x"},
                ],
                "nodes": [ask("a", "w"), wait(), ask("last"), node("x", "exit", outcome="goal")],
            }
        }
    )  # fmt: skip
    ann.does("signed_up")
    told = ann.take(ends)
    taken_back = [(entry.reason, entry.source) for entry in told if isinstance(entry, Withdrawn)]
    assert taken_back == ([(reason, "journeys/j#1")] if reason else [])
    assert [(e.reason, e.source) for e in ann.effects if isinstance(e, MessageWithdrawn)] == taken_back


def test_a_walk_that_asked_for_nothing_takes_nothing_back() -> None:
    nodes = [wait() | {"next": "m"}, ask("m")]
    ann = Turn(journeys={"j": {"entry": {"event": "a"}, "exit": {"on": [{"event": "b"}]}, "nodes": nodes}})
    ann.does("a")
    assert ann.does("b") == []


def test_a_call_to_another_system_outlives_its_journey() -> None:
    ann = Turn(
        connectors={"hook": HOOK},
        journeys={
            "j": {
                "entry": {"event": "lead_received"},
                "exit": {"goal": {"event": "bought"}},
                "nodes": [node("call", "webhook", "a", payload={"who": "ann"}), ask("a", "w"), wait()],
            }
        },
    )
    (told,) = ann.does("lead_received")
    assert isinstance(told, Asked)
    call, message = told.requests
    assert (call.channels, call.content["payload"], call.source) == (("webhook",), {"who": "ann"}, "journeys/j")
    (taken_back,) = ann.does("bought")
    assert isinstance(taken_back, Withdrawn)
    assert taken_back.source == message.source != call.source


def test_a_journey_that_is_removed_takes_back_what_it_asked_for() -> None:
    first = documents(journeys={"j": {"entry": {"event": "a"}, "nodes": [ask("m", "w"), wait()]}})
    old = compile_programme(1, first)
    gone = {kind: named for kind, named in first.items() if kind != "journeys"}
    ann = Turn()
    ann.told = Told(old, 0, "seed")
    ann.does("a")
    other = compile_programme(2, gone | {"journeys": {"other": first["journeys"]["j"]}})
    ann.told = Told(other, 0, "seed")
    told = ann.does("b")
    assert [(e.reason, e.source) for e in told if isinstance(e, Withdrawn)] == [("journey_ended", "journeys/j#1")]


# --- gates ---


def excluded(reason: str) -> Event:
    return event("player_excluded", reason=reason)


@pytest.mark.parametrize(
    ("batch", "stops", "lifts"),
    [
        pytest.param([excluded("a")], ["a"], [], id="excluded"),
        pytest.param([excluded("a"), event("player_readmitted")], [], ["a"], id="and readmitted"),
        pytest.param([excluded("a"), event("player_readmitted"), excluded("a")], ["a"], ["a"], id="and excluded again"),
        pytest.param([excluded("a"), excluded("b"), event("player_readmitted", reason="a")], ["b"], ["a"], id="of two"),
        pytest.param(
            [event("cool_off_started", until=NOON + 5), event("cool_off_started", until=NOON + 9)],
            [f"cool_off|{NOON + 9}"],
            [],
            id="the longer one",
        ),
    ],
)
def test_the_last_word_of_a_batch_is_what_the_store_hears(
    batch: list[Entry], stops: list[str], lifts: list[str]
) -> None:
    ann = Turn()
    ann.take(*batch)
    assert (ann.turns.stops, ann.turns.lifts) == (stops, lifts)


def test_a_consent_that_comes_and_goes_in_a_batch_ends_as_it_was_said_last() -> None:
    ann = Turn()
    says = [
        event("consent_changed", f"e{n}", channel="sms", granted=granted) for n, granted in enumerate((False, True))
    ]
    ann.take(*says)
    assert ann.turns.mutes == [(False, "sms")]
    ann.take(says[0], event("consent_changed", purpose="promo", granted=False))
    assert ann.turns.mutes == [(True, "sms"), (True, "promo")]


# --- reach, consents, receipts ---


def test_the_tower_hears_where_she_can_be_reached_when_that_changes() -> None:
    ann = Turn()
    mail = digest_of("ann@example.com")
    told = ann.take(identify(email="ann@example.com"))
    assert [(f.name, f.value) for f in told if isinstance(f, Fact)] == [("reach", {"email": mail})]
    assert ann.take(identify(name="Ann")) == []
    told = ann.take(identify(email=None))
    assert [(f.name, f.value) for f in told if isinstance(f, Fact)] == [("reach", {})]


@pytest.mark.parametrize(
    "touch",
    [event("page"), Visited("ann", "w", "review"), TimerFired("ann", "x", "y", NOON)],
    ids=["an event", "a visit", "a timer"],
)
def test_a_player_of_an_older_version_is_looked_at_once(touch: Entry) -> None:
    ann = Turn()
    ann.state = Snapshot("ann", 3, Profile({"email": "ann@example.com"}, "", "", 1, 2))
    assert kinds(ann.take(touch)) == ["reach"]
    assert ann.take(touch) == []
    bob = Turn()
    bob.state = Snapshot("ann", 3, Profile({"name": "Bob"}, "", "", 1, 2))
    assert bob.take(touch) == []
    air = bob.state.air
    assert air == {"reach": {}}, "looked at"
    bob.take(touch)
    assert bob.state.air is air, "nothing is written twice"


def test_a_journey_that_changes_the_address_tells_it() -> None:
    change = node("p", "profile", set={"email": "new@example.com"})
    ann = Turn(journeys={"j": {"entry": {"event": "a"}, "nodes": [change]}})
    assert [f.value for f in ann.does("a") if isinstance(f, Fact)] == [{"email": digest_of("new@example.com")}]


def test_an_event_that_tells_nothing_writes_nothing_to_the_air() -> None:
    ann = Turn()
    ann.take(identify(email="ann@example.com"))
    air = ann.state.air
    assert ann.does("bet_placed", amount=5) == []
    assert ann.state.air is air


def test_a_double_opt_in_asks_by_the_channel_in_question_with_a_link_that_names_it() -> None:
    ann = Turn(
        policies={"default": {"consent": {"double_opt_in": ["email"], "confirm_template": "sure"}}},
        templates={"sure": template(body={"en": "Is it you? {{ links.confirm }}"})},
    )
    ann.take(identify(email="ann@example.com"))
    told = ann.does("consent_changed", channel="email", granted=True)
    assert kinds(told) == ["consent_pending", "MessageRequest"]
    asked = told[-1]
    assert isinstance(asked, MessageRequest)
    assert (asked.purpose, asked.channels, asked.source) == ("transactional", ("email",), "consents/email")
    assert asked.contents["email"]["confirm"] == "email"
    assert asked.id.startswith("req_0_")
    told = ann.does("consent_confirmed", key="email")
    assert {f.name: f.value for f in told if isinstance(f, Fact)} == {"consent": {"email": True}, "consent_pending": []}
    assert FactTold("consent", {"email": True}) in ann.effects


def test_a_receipt_of_an_id_that_ended_reaches_its_own_tower_and_the_persons() -> None:
    town = Town()
    town.does("ada")
    town.does("anon:g")
    town.does("ada", anonymous="anon:g")
    town.settle()
    assert town.of("anon:g").identity.merged_into == "ada"
    sent = Event(
        "anon:g", "msg:req_1:5:sent", "message_sent", NOON, {"message_id": "req_1", "channel": "email"}, type="message"
    )
    town.outputs.clear()
    town.take(sent)
    town.settle()
    receipts = [entry for entry in town.outputs if isinstance(entry, Receipt)]
    assert [(r.player, r.request, r.outcome, r.cause) for r in receipts] == [
        ("anon:g", "req_1", "sent", sent.id),
        ("ada", "req_1", "sent", sent.id),
    ]


def test_a_profile_that_joins_brings_its_devices_and_is_told_where_she_is_now() -> None:
    town = Town()
    town.does("anon:g", "device_registered", properties={"kind": "fcm", "value": "token-1"})
    town.does("anon:g", traits={"phone": "+351910000000"})
    town.does("ada", traits={"email": "ada@example.com"})
    town.does("ada", anonymous="anon:g")
    town.facts.clear()
    town.settle()
    reach = {"email": digest_of("ada@example.com"), "sms": digest_of("+351910000000"), "push": digest_of("token-1")}
    assert [f.value for f in town.facts if (f.player, f.name) == ("ada", "reach")] == [reach]
    assert [f.name for f in town.facts if f.player == "anon:g"] == ["merged_into"]
    assert town.stops == {"anon:g": {"merged"}}, "what waits in its lines is not claimed any more; hers are"
    assert not town.of("ada").air.get("exclusions")
    town.take(MergeAsked("anon:g", "ada", "again"))


MUG = {
    "type": "currency",
    "gives": [{"kind": "currency", "currency": "points", "amount": 1}],
    "price": {"currency": "points", "amount": 5},
    "stock": 1,
}
GIFT = {"event": "gifted", "stages": [{"at": 1, "rewards": [{"kind": "currency", "currency": "points", "amount": 1}]}]}


@pytest.mark.parametrize(
    ("entry", "is_awaited"),
    [
        (Command("ann", "cmd:1", "buy", {"item": "mug"}, "gateway-0"), True),
        (Command("ann", "cmd:1", "buy", {"item": "mug"}), False),
        (event("gifted"), False),
        (Event("ann", "e", "came", NOON, anonymous="anon:g"), True),
    ],
    ids=["asked by who waits", "asked by who does not", "asked by a rule", "no ask"],
)
def test_a_turn_tells_whether_somebody_waits_for_what_it_relays(entry: Entry, is_awaited: bool) -> None:
    budgets = {"programme": {"amount": 10}}
    ann = Turn(rewards={"mug": MUG}, achievements={"gift": GIFT}, budgets=budgets)
    ann.take(Command("ann", "cmd:0", "adjust", {"currency": "points", "amount": 100}))
    assert not ann.turns.is_awaited
    ann.take(event("other"), entry, event("another"))
    assert len(ann.turns.relays) == 1
    assert ann.turns.is_awaited is is_awaited
