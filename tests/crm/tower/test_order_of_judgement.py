"""One case a row: what stops a message, in the order in which it is judged (docs/tower.md).

Every row has one thing wrong, and everything that is judged later, too: the first one is told first.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from crm.tower.why import Reason, explain
from domain.entries import ChannelChanged

from .airport import DAY, EXCLUDED, HOUR, Airport, at, case, request, rules

LATER: dict[str, Any] = {
    "holds": [
        {"when": "support_case_open", "purposes": ["promo"], "for_s": "1d"},
        {"when": "round_in_play", "purposes": ["promo"], "for_s": 600},
        {"when": "fresh_loss", "purposes": ["promo"], "for_s": 600},
        {"when": "negative_mood", "purposes": ["promo"], "for_s": 600},
        {"when": "session_just_begun", "purposes": ["promo"], "for_s": 600},
        {"when": "deposit_failed", "purposes": ["promo"], "for_s": 600},
        {"when": "complaint_open", "purposes": ["promo"], "for_s": 600},
        {"when": "dispute", "purposes": ["promo"], "for_s": 600},
    ],
    "contexts": {"dispute": {"begins": {"event": "dispute_opened"}, "ends": {"event": "dispute_closed"}}},
    "caps": [{"purpose": "promo", "max": 1, "per": "1d"}],
    "min_gap_s": 7200,
    "fatigue": {"limit": 0.5, "half_life_s": "1d"},
    "quiet_hours": {"from": "11:00", "until": "14:00", "channels": ["email"]},
    "consent": {"required_for": ["promo"], "products": True},
    "approvals": [{"purposes": ["promo"]}],
    "priorities": {"promo": 20},
}
CONSENT = {"consent": {"casino/email": True}}
GOES_ON = {"open": True, "since": 0, "until": 0}
CONTEXTS = ("fresh_loss", "session_just_begun", "deposit_failed", "complaint_open", "dispute")


@dataclass
class Row:
    """A player in a state, a message, and what is first told."""

    what: str
    reason: str
    outcome: str = "refused"
    facts: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    sent: tuple[str, ...] = ()  # purposes of what went at 11:00
    group: str = ""  # of what went
    closed: str = ""
    connected: tuple[str, ...] = ("in_app", "email", "sms")
    stopped: bool = False
    clock: str = "12:00"


ROWS = [
    Row("its time is over", "expired", asked={"expires_at": at("12:00")}, stopped=True),
    Row("the id lives on under another", "player_merged", facts={"merged_into": "ada"}, stopped=True),
    Row("self-excluded", "excluded", facts={"excluded": EXCLUDED}),
    Row(
        "a harm marker",
        "excluded",
        facts={"exclusions": {"harm": {"since": 0, "until": None, "ends_by_itself": False}}},
    ),
    Row("a stop of the store", "excluded", stopped=True),
    Row("legal, its template is no notice", "not_a_legal_notice", asked={"purpose": "legal"}, stopped=True),
    Row("the channel's consent is withdrawn", "consent_withdrawn", facts={"consent": {"email": False}}),
    Row("the purpose's consent is withdrawn", "consent_withdrawn", facts={"consent": {"promo": False}}),
    Row(
        "the product's consent is withdrawn",
        "consent_withdrawn",
        facts={"consent": {"email": True, "casino/email": False}},
    ),
    Row("no consent for the product there", "consent_missing", facts={"consent": {"email": True, "promo": True}}),
    Row(
        "a consent that is not confirmed",
        "consent_pending",
        facts={"consent": {}, "consent_pending": ["casino/email"]},
    ),
    Row("the address bounced", "suppressed", facts={**CONSENT, "suppressed": {"email": {"0e": "bounced"}}}),
    Row("no address", "no_address", facts={**CONSENT, "reach": {"sms": "05"}}),
    Row("an open support case", "support_case_open", "held", {**CONSENT, "support_case": case(is_open=True)}),
    Row("in the middle of a round", "round_in_play", "held", {**CONSENT, "round_in_play": {"open": True, "since": 0}}),
    Row("a fresh big loss", "fresh_loss", "held", {**CONSENT, "context:fresh_loss": GOES_ON}),
    Row("upset", "negative_mood", "held", {**CONSENT, "context:negative_mood": GOES_ON}),
    Row("the session has just begun", "session_just_begun", "held", {**CONSENT, "context:session_just_begun": GOES_ON}),
    Row("a failed deposit", "deposit_failed", "held", {**CONSENT, "context:deposit_failed": GOES_ON}),
    Row("an open complaint", "complaint_open", "held", {**CONSENT, "context:complaint_open": GOES_ON}),
    Row("an operator's own context", "context:dispute", "held", {**CONSENT, "context:dispute": GOES_ON}),
    Row("one of its group went", "conflict_group", "held", CONSENT, {"conflict_group": "spring"}, ("promo",), "spring"),
    Row("the day's cap", "cap_reached", "held", CONSENT, sent=("promo",)),
    Row("the minimum gap", "minimum_gap", "held", CONSENT, sent=("reward",)),
    Row("tired", "fatigue", "held", CONSENT, sent=("reward",), clock="13:30"),
    Row("quiet hours", "quiet_hours", "held", CONSENT),
    Row("not connected", "channel_not_available", facts=CONSENT, connected=("in_app",), clock="14:00"),
    Row(
        "nothing to say there",
        "no_content",
        facts=CONSENT,
        asked={"content": {}, "contents": {"in_app": {"title": "Hi"}}},
        clock="14:00",
    ),
    Row("the provider is down", "provider_down", "held", CONSENT, closed="provider_down", clock="14:00"),
    Row("the budget is spent", "budget_spent", "held", CONSENT, closed="budget_spent", clock="14:00"),
    Row("a person must approve", "needs_approval", "escalated", CONSENT, clock="14:00"),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.what) for row in ROWS])
def test_what_stops_a_message(row: Row) -> None:
    tower = played(row)
    decision = tower.last()
    assert decision.outcome == row.outcome
    assert decision.reasons[0] == row.reason
    assert explain(row.reason).endswith(".")
    assert decision.policy_version == 7
    assert (decision.until > tower.now) == (row.outcome in ("held", "escalated"))


def played(row: Row) -> Airport:
    tower = Airport(rules(**LATER, channels=row.connected), now=at("11:00"))
    tower.tell("consent", {"promo": True, "reward": True})
    for n, purpose in enumerate(row.sent):
        tower.rules = rules(channels=row.connected)
        tower.ask(f"earlier {n}", purpose=purpose, conflict_group=row.group)
    tower.rules = rules(**LATER, channels=row.connected)
    tower.now = at(row.clock)
    for name, value in row.facts.items():
        tower.tell(name, value)
    tower.stopped = row.stopped
    if row.closed:
        tower.closed = {"email": ChannelChanged("email", False, row.closed, at=tower.now)}
    tower.ask(**{"channels": ("email",), "product": "casino", "expires_at": at("12:00") + 3 * DAY, **row.asked})
    return tower


def test_the_reasons_are_listed_in_the_order_in_which_they_are_judged() -> None:
    order = list(dict.fromkeys(Reason(row.reason.partition(":")[0]) for row in ROWS))
    assert order == [reason for reason in Reason if reason in order]


def test_everything_at_once_is_told_in_that_order() -> None:
    """What ends the matter hides what makes it wait; without it, all that makes it wait is told."""
    facts = {**CONSENT, "support_case": case(is_open=True), "round_in_play": {"open": True, "since": 0}}
    facts |= {f"context:{name}": GOES_ON for name in (*CONTEXTS, "negative_mood")}
    asked = {"conflict_group": "spring"}
    tower = played(Row("all", "", facts=facts, asked=asked, sent=("promo",), group="spring", closed="provider_down"))
    assert tower.last().reasons == (
        *("support_case_open", "round_in_play", "fresh_loss", "negative_mood", "session_just_begun"),
        *("deposit_failed", "complaint_open", "context:dispute"),
        *("conflict_group", "cap_reached", "minimum_gap", "fatigue", "quiet_hours", "provider_down"),
    )


def test_nothing_wrong_and_approved_it_goes_and_says_which_consent_let_it() -> None:
    facts = {"consent": {"casino/email": True, "promo": True}}
    tower = played(Row("nothing", "", facts=facts, clock="14:00"))
    assert tower.outcome() == "escalated"
    tower.rules = rules(**{**LATER, "approvals": []}, channels=("in_app", "email"))
    assert tower.ask("r2", channels=("email",), product="casino") == "cleared"
    assert tower.last("r2").consent == ("casino/email", "promo")


@pytest.mark.parametrize(
    ("purpose", "passes"),
    [
        ("legal", True),
        ("transactional", False),
        ("service", False),
        ("reward", False),
        ("retention", False),
        ("promo", False),
    ],
)
def test_of_an_excluded_player_s_messages_only_a_legal_notice_passes(purpose: str, passes: bool) -> None:
    for tell, stopped in ((True, False), (False, True)):
        tower = Airport(rules(), stopped=stopped)
        if tell:
            tower.tell("exclusions", {"register": {"since": 0, "until": 5, "ends_by_itself": False}})
        assert tower.ask(purpose=purpose, template="notice") == ("cleared" if passes else "refused")


def test_each_exclusion_ends_by_its_own_rule() -> None:
    tower = Airport(rules())
    cool_off = {"since": tower.now, "until": tower.now + HOUR, "ends_by_itself": True}
    tower.tell("exclusions", {"cool_off": cool_off, "operator": {**cool_off, "until": tower.now + 2 * HOUR}})
    tower.wait_until(tower.now + HOUR)
    assert tower.ask("one still stands") == "refused"
    tower.wait_until(tower.now + HOUR)
    assert tower.ask("both are over") == "cleared"


def test_a_grave_exclusion_s_end_in_the_past_ends_nothing() -> None:
    tower = Airport(rules())
    tower.tell("exclusions", {"self_exclusion": {"since": 0, "until": tower.now - DAY, "ends_by_itself": False}})
    assert tower.ask() == "refused"
    tower.tell("exclusions", {})
    assert tower.ask("r2") == "cleared"


@pytest.mark.parametrize(("then", "outcome"), [("hold", "held"), ("refuse", "refused"), ("escalate", "escalated")])
def test_what_a_context_does_is_the_policy_s_choice(then: str, outcome: str) -> None:
    hold = {"when": "complaint_open", "purposes": ["promo"], "for_s": 3600, "then": then}
    tower = Airport(rules(holds=[hold]))
    tower.tell("context:complaint_open", GOES_ON)
    assert tower.ask() == outcome
    assert tower.last().reasons == ("complaint_open",)


def test_a_context_of_some_channels_leaves_the_others() -> None:
    hold = {"when": "session_just_begun", "purposes": ["promo"], "for_s": 3600, "channels": ["in_app"]}
    tower = Airport(rules(holds=[hold]))
    tower.tell("context:session_just_begun", GOES_ON)
    assert tower.ask(channels=("in_app", "email")) == "rerouted"
    assert (tower.last().channel, tower.last().reasons) == ("email", ("session_just_begun",))


def test_a_context_ends_by_its_time_or_by_its_event() -> None:
    hold = {"when": "fresh_loss", "purposes": ["promo"], "for_s": "1d"}
    tower = Airport(rules(holds=[hold]))
    tower.tell("context:fresh_loss", {"open": True, "since": tower.now, "until": tower.now + HOUR})
    tower.ask("by time")
    assert tower.last("by time").until == tower.now + HOUR
    tower.wait_until(tower.now + HOUR)
    assert tower.outcome("by time") == "cleared"
    tower.tell("context:fresh_loss", {"open": True, "since": tower.now, "until": tower.now + HOUR})
    tower.ask("by event")
    tower.tell("context:fresh_loss", {"open": False, "since": 0, "until": 0})
    assert tower.sent()[-1] == ("by event", tower.now)
    assert not tower.timers


def test_a_support_case_s_mood_holds_until_it_is_better() -> None:
    hold = {"when": "negative_mood", "purposes": ["promo"], "for_s": "1d"}
    tower = Airport(rules(holds=[hold]))
    tower.tell("support_case", case(is_open=True) | {"mood": "negative"})
    assert tower.ask() == "held"
    tower.tell("support_case", case(is_open=True) | {"mood": "positive"})
    assert tower.outcome() == "cleared"


def test_a_support_case_s_mood_goes_stale_as_the_built_in_context_does() -> None:
    hold = {"when": "negative_mood", "purposes": ["promo"], "for_s": "3d"}
    tower = Airport(rules(holds=[hold]))
    tower.tell("support_case", case(is_open=True) | {"mood": "negative", "mood_at": tower.now - HOUR})
    tower.ask()
    assert (tower.last().reasons, tower.last().until) == (("negative_mood",), tower.now + DAY - HOUR)
    tower.wait_until(tower.now + DAY - HOUR)
    assert tower.outcome() == "cleared"


def test_a_policy_says_how_long_a_mood_lasts() -> None:
    hold = {"when": "negative_mood", "purposes": ["promo"], "for_s": "3d"}
    mood = {"begins": {"event": "mood_changed"}, "lasts_s": "2h"}
    tower = Airport(rules(holds=[hold], contexts={"negative_mood": mood}))
    tower.tell("support_case", case(is_open=True) | {"mood": "negative", "mood_at": tower.now})
    tower.tell("context:negative_mood", {"open": True, "since": tower.now, "until": tower.now + HOUR})
    tower.ask()
    assert tower.last().until == tower.now + 2 * HOUR, "the later of the two"
    tower.tell("context:negative_mood", {"open": True, "since": tower.now, "until": tower.now + 3 * HOUR})
    tower.ask("r2")
    assert tower.last("r2").until == tower.now + 3 * HOUR


def test_a_context_that_ends_on_a_channel_that_was_not_waited_for_sends_it_there() -> None:
    """It waits for the end of quiet hours of sms; the session's end frees in-app first."""
    hold = {"when": "round_in_play", "purposes": ["promo"], "for_s": "3d", "channels": ["in_app"]}
    quiet = {"from": "11:00", "until": "14:00", "channels": ["sms"]}
    tower = Airport(rules(holds=[hold], quiet_hours=quiet))
    tower.tell("round_in_play", {"open": True, "since": tower.now})
    tower.ask(channels=("sms", "in_app"))
    assert tower.last().reasons == ("quiet_hours",)
    tower.tell("round_in_play", {"open": False, "since": 0})
    assert tower.last().channel == "in_app"


class TestTheCaseOfTheMission:
    """A support case at 12:00, an upsell at 12:05, the case solved at 12:40."""

    HOLDS = ({"when": "support_case_open", "purposes": ["promo"], "for_s": 86_400},)

    def held(self, **asked: Any) -> Airport:
        tower = Airport(rules(holds=list(self.HOLDS)))
        tower.tell("support_case", case(is_open=True, since=at("12:00")))
        tower.wait_until(at("12:05"))
        assert tower.ask(**asked) == "held"
        assert tower.last().reasons == ("support_case_open",)
        return tower

    def test_it_is_sent_when_the_case_is_solved(self) -> None:
        tower = self.held()
        tower.wait_until(at("12:40"))
        tower.tell("support_case", case(is_open=False))
        assert tower.sent() == [("r1", at("12:40"))]
        assert [d.outcome for d in tower.decisions] == ["held", "cleared"]

    def test_it_expires_when_its_time_is_over_first(self) -> None:
        tower = self.held(expires_at=at("12:30"))
        tower.wait_until(at("12:30"))
        assert (tower.last().outcome, tower.last().reasons, tower.last().at) == ("refused", ("expired",), at("12:30"))
        tower.tell("support_case", case(is_open=False))
        assert tower.sent() == []
        assert not tower.timers

    def test_a_policy_may_refuse_it_at_once(self) -> None:
        tower = Airport(rules(holds=[self.HOLDS[0] | {"then": "refuse"}]))
        tower.tell("support_case", case(is_open=True, since=at("12:00")))
        assert tower.ask() == "refused"


def test_a_request_that_must_not_be_judged_twice_is_not() -> None:
    tower = Airport(rules())
    tower.ask()
    before = tower.airspace
    assert tower.take(request()).airspace is before
