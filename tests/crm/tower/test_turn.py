"""The tower of one player: what waits, what goes first, and what no stream of entries may ever do."""

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.tower.airspace import SEEN_MAX, WAITING_MAX, Airspace, Send
from crm.tower.config import SENDS_MAX
from crm.tower.why import Reason, explain
from domain.decisions import decode_decision, decode_delivery, encode_decision, encode_delivery
from domain.entries import Event, ProgrammePublished, TimerFired
from domain.step import TimerOp

from .airport import ALL_CHANNELS, DAY, EXCLUDED, HOUR, Airport, at, case, request, rules

SUPPORT_FIRST = [{"when": "support_case_open", "purposes": ["promo", "retention"], "for_s": 86_400}]
ONE_A_DAY = [{"max": 1, "per": "1d"}]


def test_an_upsell_during_a_support_case_is_sent_when_the_case_is_solved() -> None:
    tower = Airport(rules(holds=SUPPORT_FIRST))
    tower.tell("support_case", case(is_open=True, since=at("12:00")))
    tower.wait_until(at("12:05"))
    assert tower.ask() == "held"
    assert tower.last().reasons == ("support_case_open",)
    tower.wait_until(at("12:40"))
    tower.tell("support_case", case(is_open=False))
    assert tower.sent() == [("r1", at("12:40"))]
    assert [delivery.message_id for delivery in tower.deliveries] == ["r1"]
    assert not tower.timers


def test_a_case_that_is_never_solved_holds_a_message_no_longer_than_the_policy_says() -> None:
    tower = Airport(rules(holds=SUPPORT_FIRST))
    tower.tell("support_case", case(is_open=True, since=0))
    tower.ask()
    tower.wait_until(tower.now + 9 * DAY)
    assert tower.sent() == [("r1", at("12:00") + DAY)]


def test_the_same_request_again_changes_nothing() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    tower.ask("waits")
    for name in ("sent", "waits"):
        before = tower.airspace
        assert tower.take(request(name)).airspace is before
    assert Counter(decision.outcome for decision in tower.decisions) == {"cleared": 1, "held": 1}


def test_a_capped_message_waits_for_the_player_s_midnight() -> None:
    tower = Airport(rules(caps=ONE_A_DAY, timezone="Europe/Kyiv"))
    tower.ask("a")
    tower.ask("b")
    assert tower.last("b").until == at("22:00")
    tower.wait_until(at("23:00"))
    assert tower.sent() == [("a", at("12:00")), ("b", at("22:00"))]


def test_of_several_that_wait_the_most_important_goes_first_and_the_rest_wait_again() -> None:
    tower = Airport(rules(caps=ONE_A_DAY, priorities={"promo": 20, "retention": 40}))
    tower.ask("today")
    tower.ask("a promo")
    tower.ask("an urgent promo", priority=90)
    tower.ask("retention", purpose="retention", expires_at=tower.now + 9 * DAY)
    tower.wait_until(at("12:00") + 2 * DAY)
    assert [name for name, _ in tower.sent()] == ["today", "an urgent promo", "retention"]
    assert tower.outcome("a promo") == "held"
    tower.wait_until(at("12:00") + 4 * DAY)
    assert [name for name, _ in tower.sent()][-1] == "a promo"


def test_one_that_waits_for_something_else_does_not_go_before_its_time() -> None:
    tower = Airport(rules(caps=[{"purpose": "promo", "max": 1, "per": "1d"}], holds=SUPPORT_FIRST[:1]), now=at("23:50"))
    tower.ask("first")
    tower.ask("capped")
    tower.tell("support_case", case(is_open=True))
    tower.ask("both", purpose="retention")
    tower.wait_until(at("00:00") + DAY)
    assert tower.outcome("capped") == "held"
    assert tower.outcome("both") == "held"


def test_an_exclusion_refuses_all_that_waits_and_readmission_brings_none_back() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    for name in ("sent", "waits", "waits too"):
        tower.ask(name)
    tower.tell("excluded", EXCLUDED)
    assert tower.last("waits").reasons == ("excluded",)
    assert not tower.timers
    tower.tell("excluded", None)
    tower.wait_until(tower.now + 9 * DAY)
    assert [name for name, _ in tower.sent()] == ["sent"]
    assert tower.ask("new", expires_at=tower.now + DAY) == "cleared"


def test_a_stop_of_the_store_counts_before_its_event_has_come() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    tower.ask("waits")
    tower.stopped = True
    tower.wait_until(tower.now + DAY)
    assert tower.last("waits").reasons == ("excluded",)
    assert tower.ask("legal", purpose="legal", template="notice") == "cleared"


def test_a_withdrawn_consent_refuses_what_waits() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    tower.ask("waits")
    tower.tell("consent", {"promo": False})
    assert tower.last("waits").reasons == ("consent_withdrawn",)


def test_moving_to_another_zone_moves_the_end_of_quiet_hours() -> None:
    night = {"from": "21:00", "until": "08:00", "channels": ["in_app"]}
    tower = Airport(rules(quiet_hours=night), now=at("22:00"))
    tower.ask()
    assert tower.last().until == at("08:00") + DAY
    tower.tell("timezone", "Asia/Tokyo")
    assert tower.last().until == at("23:00")
    assert tower.timers == {TimerFired("ann", "held", "r1", at("23:00"), 1)}


def test_a_timer_of_an_older_judgement_is_ignored() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    tower.ask("waits")
    before = tower.airspace
    tower.now += DAY
    for stale in (
        TimerFired("ann", "held", "waits", tower.now, generation=5),
        TimerFired("ann", "held", "sent", tower.now),
        TimerFired("ann", "mission_expires", "waits", tower.now),
    ):
        assert tower.take(stale).airspace is before


@pytest.mark.parametrize("entry", [Event("ann", "e", "bet_placed", 0), ProgrammePublished(3)])
def test_other_entries_change_nothing(entry: Any) -> None:
    tower = Airport(rules())
    before = tower.airspace
    assert tower.take(entry).airspace is before


def test_a_fact_that_concerns_nothing_that_waits_judges_nothing_again() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    tower.ask("waits")
    judged = len(tower.decisions)
    tower.tell("round_in_play", {"open": True, "since": tower.now})
    tower.tell("round_in_play", {"open": False, "since": 0})
    tower.tell("locale", "uk")
    assert len(tower.decisions) == judged


def test_at_most_a_hundred_messages_wait_and_the_least_important_is_refused() -> None:
    tower = Airport(rules(caps=ONE_A_DAY))
    tower.ask("sent")
    for n in range(WAITING_MAX):
        tower.ask(f"waits {n:03}", priority=50)
    assert tower.ask("trifle", priority=1) == "refused"
    assert tower.last("trifle").reasons == ("too_many_waiting",)
    assert tower.ask("urgent", priority=99) == "held"
    assert tower.outcome("waits 099") == "refused"
    assert len(tower.airspace.waiting) == len(tower.timers) == WAITING_MAX
    assert tower.ask("trifle") == "refused"


def test_the_tower_remembers_a_bounded_past_and_forgets_no_send_a_cap_needs() -> None:
    tower = Airport(rules(caps=[{"purpose": "promo", "max": 2, "per": "7d"}]))
    tower.ask("promo")
    for n in range(SENDS_MAX + 50):
        tower.ask(f"service {n}", purpose="service", channels=("email",))
        tower.land(f"service {n}")
    assert len(tower.airspace.sends) == SENDS_MAX
    assert tower.airspace.sends[0] == Send(at("12:00"), "promo", "in_app", "promo")
    assert len(tower.airspace.seen) == SEEN_MAX
    assert tower.ask("second promo") == "cleared"
    assert tower.ask("third promo", expires_at=tower.now + 9 * DAY) == "held"


def test_sends_of_last_week_are_forgotten() -> None:
    tower = Airport(rules())
    tower.ask("old")
    tower.wait_until(tower.now + 9 * DAY)
    tower.ask("new", expires_at=tower.now + DAY)
    assert tower.airspace.sends == (Send(tower.now, "promo", "in_app", "new"),)


def test_a_decision_tells_all_that_the_console_shows() -> None:
    tower = Airport(rules(channels=("in_app",)))
    step = tower.take(request(channels=("sms", "in_app"), content={"title": "Hi", "body": "B", "action": {"url": "/"}}))
    decision, delivery = step.decisions[0], step.deliveries[0]
    assert (decision.outcome, decision.channel, decision.reasons) == ("rerouted", "in_app", ("channel_not_available",))
    assert (decision.policy_version, decision.title, decision.at) == (7, "Hi", at("12:00"))
    assert decision.alternatives[0].channel == "sms"
    assert (delivery.message_id, delivery.body, delivery.action) == ("r1", "B", {"url": "/"})
    assert decode_decision(encode_decision(decision)) == decision
    assert decode_delivery(encode_delivery(delivery)) == delivery


def test_only_in_app_messages_are_delivered_by_the_tower_itself() -> None:
    tower = Airport(rules())
    assert tower.ask(channels=("email",)) == "cleared"
    assert tower.deliveries == []
    assert [dispatch.id for dispatch in tower.dispatches] == ["r1"]


def test_every_reason_has_its_sentence() -> None:
    assert all(explain(reason).endswith(".") for reason in Reason)
    assert explain("of_another_version") == "of_another_version"


ZONES = ["UTC", "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
PURPOSES = ["transactional", "service", "reward", "retention", "promo", "legal"]
NEAR_A_CHANGE = [at("00:30", "2026-03-28"), at("18:00", "2026-10-24"), at("20:00", "2026-10-31")]
CAPS = st.lists(
    st.fixed_dictionaries(
        {"max": st.integers(1, 3), "per": st.sampled_from(["1d", "7d"]), "rolling": st.booleans()},
        optional={
            "purpose": st.sampled_from(["promo", "retention", "service"]),
            "channel": st.sampled_from(["any", "in_app", "sms"]),
        },
    ),
    max_size=3,
    unique_by=repr,
)
CLOCKS = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
QUIET = st.tuples(CLOCKS, CLOCKS).filter(lambda window: window[0] != window[1])
REQUESTS = st.tuples(
    st.just("ask"),
    st.fixed_dictionaries(
        {
            "purpose": st.sampled_from(PURPOSES),
            "channels": st.lists(st.sampled_from([*ALL_CHANNELS[:1], "sms", "email", "best"]), max_size=3).map(tuple),
            "priority": st.none() | st.integers(0, 100),
        }
    ),
    st.sampled_from([HOUR // 4, 7 * HOUR, 30 * HOUR, 9 * DAY]),
)
FACTS = st.tuples(
    st.just("tell"),
    st.sampled_from(
        [
            ("excluded", EXCLUDED),
            ("excluded", None),
            ("support_case", case(is_open=True)),
            ("support_case", case(is_open=False)),
            ("round_in_play", {"open": True, "since": 0}),
            ("round_in_play", {"open": False, "since": 0}),
            ("consent", {"sms": False}),
            ("consent", {"promo": False, "sms": True}),
            ("consent", {}),
        ]
    ),
    st.just(0),
)
PASSING = st.tuples(st.just("wait"), st.just(None), st.sampled_from([60_000, HOUR // 2, 5 * HOUR, 25 * HOUR, 3 * DAY]))


@settings(deadline=None)
@given(
    start=st.sampled_from(NEAR_A_CHANGE),
    zone=st.sampled_from(ZONES),
    caps=CAPS,
    quiet=QUIET,
    gap=st.sampled_from([0, 1800]),
    stream=st.lists(st.one_of(REQUESTS, REQUESTS, FACTS, PASSING), max_size=30),
)
def test_no_stream_of_entries_gets_a_message_past_the_policy(
    start: int, zone: str, caps: list[dict[str, Any]], quiet: tuple[str, str], gap: int, stream: list[Any]
) -> None:
    """Nothing passes a cap, the gap, a quiet window, an exclusion or its expiry; and everything ends."""
    tower = Airport(
        rules(
            timezone=zone,
            caps=caps,
            min_gap_s=gap,
            quiet_hours={"from": quiet[0], "until": quiet[1], "channels": ["sms", "in_app"]},
            holds=SUPPORT_FIRST,
        ),
        now=start,
    )
    asked, excluded_from = {}, []  # request id -> (purpose, expires_at); [from, to) spans
    for n, (what, said, span) in enumerate(stream):
        if what == "ask":
            asked[f"r{n}"] = (said["purpose"], tower.now + span)
            tower.ask(f"r{n}", expires_at=tower.now + span, **said)
        elif what == "tell":
            tower.tell(*said)
            if said[0] == "excluded":
                excluded_from.append((len(tower.decisions), said[1] is not None))
        else:
            tower.wait_until(tower.now + span)
        assert {timer.ref for timer in tower.timers} == set(tower.airspace.waiting), "something waits without a timer"
        assert all(timer.due > tower.now for timer in tower.timers), "a timer in the past"
    tower.tell("excluded", None)
    end = len(tower.decisions)
    excluded_from.append((end, False))
    tower.wait_until(tower.now + 10 * DAY)
    assert not tower.airspace.waiting, "a message waits for ever"
    assert {tower.outcome(name) for name in asked} <= {"cleared", "rerouted", "refused"}

    sent = [(n, d) for n, d in enumerate(tower.decisions) if d.outcome in ("cleared", "rerouted")]
    assert max(Counter(decision.request_id for _, decision in sent).values(), default=1) == 1, "sent twice"
    for n, decision in sent:
        assert decision.at < asked[decision.request_id][1], "sent after its expiry"
        told = [state for index, state in excluded_from if index <= n]
        assert decision.purpose == "legal" or not told or not told[-1], "sent to an excluded player"
        local = datetime.fromtimestamp(decision.at // 1000, ZoneInfo(zone))
        in_window = _stands_in(quiet, local.strftime("%H:%M"))
        exempt = decision.purpose in ("legal", "transactional")
        assert exempt or decision.channel not in ("sms", "in_app") or not in_window, "sent in quiet hours"
    counted = [d for _, d in sent if d.purpose not in ("legal", "transactional")]
    for n, decision in enumerate(counted):
        if decision.purpose != "service":
            assert n == 0 or decision.at - counted[n - 1].at >= gap * 1000, "sent too soon"
        for cap in caps:
            if _stopped_by(cap, decision):
                before = [d for d in counted[:n] if _counts(cap, d, decision, zone)]
                assert len(before) < cap["max"], "sent past a cap"


def _stands_in(window: tuple[str, str], clock: str) -> bool:
    start, end = window
    return start <= clock < end if start < end else clock >= start or clock < end


def _stopped_by(cap: dict[str, Any], decision: Any) -> bool:
    named = cap.get("purpose")
    by_purpose = decision.purpose == named if named else decision.purpose != "service"
    return bool(by_purpose) and cap.get("channel", "any") in ("any", decision.channel)


def _counts(cap: dict[str, Any], earlier: Any, decision: Any, zone: str) -> bool:
    if cap.get("purpose") not in (None, earlier.purpose) or cap.get("channel", "any") not in ("any", earlier.channel):
        return False
    days = int(cap["per"][0])
    if cap["rolling"]:
        return bool(decision.at - earlier.at < days * DAY)
    tz = ZoneInfo(zone)
    day, then = (datetime.fromtimestamp(d.at // 1000, tz).date() for d in (decision, earlier))
    return (day - then).days < days


def test_timers_are_cleared_by_the_very_values_they_were_set_with() -> None:
    tower = Airport(rules(holds=SUPPORT_FIRST))
    tower.tell("support_case", case(is_open=True))
    (set_op,) = tower.take(request()).timers
    assert set_op == TimerOp(TimerFired("ann", "held", "r1", at("12:00") + DAY, 0))
    assert tower.tell("support_case", case(is_open=False)).timers == (TimerOp(set_op.timer, set=False),)


def test_an_empty_airspace_is_a_player_never_seen() -> None:
    assert Airspace("ann") == Airspace("ann", version=0)
