"""What is on its way to a provider: its place in caps, its receipt, its second judgement, its withdrawal."""

from typing import Any

import pytest

from crm.tower.airspace import FLYING_MAX
from domain.entries import ChannelChanged, Reviewed, TimerFired, Withdrawn

from .airport import DAY, HOUR, Airport, at, request, rules

ONE_PROMO = [{"purpose": "promo", "max": 1, "per": "1d"}]
BY_MAIL = {"channels": ("email",)}
MAIL_THEN_SMS = {"channels": ("email", "sms")}
MINUTE = 60_000


def test_a_dispatch_holds_all_that_a_courier_needs() -> None:
    quiet = {"from": "21:00", "until": "08:00", "channels": ["email"]}
    tower = Airport(rules(quiet_hours=quiet, timezone="Europe/Kyiv"))
    contents = {"email": {"subject": "Spins", "text": "Come"}}
    tower.ask(**BY_MAIL, contents=contents, product="casino", source="journeys/welcome#3")
    (dispatch,) = tower.dispatches
    assert (dispatch.id, dispatch.player, dispatch.channel, dispatch.template) == ("r1", "ann", "email", "free-spins")
    assert dispatch.content == {"subject": "Spins", "text": "Come"}
    assert dispatch.marks == ("promo", "email", "casino/email", "email:0e")
    assert (dispatch.address, dispatch.source, dispatch.policy_version) == ("0e", "journeys/welcome#3", 7)
    assert (dispatch.cleared_at, dispatch.expires_at) == (tower.now, tower.now + 3 * DAY)
    assert dispatch.send_until == at("19:00")  # 21:00 in Kyiv
    assert tower.deliveries == []
    assert tower.airspace.flying["r1"].channel == "email"


def test_a_legal_notice_is_stopped_by_a_dead_address_only() -> None:
    tower = Airport(rules(quiet_hours={"from": "13:00", "until": "14:00", "channels": ["email"]}))
    tower.ask(**BY_MAIL, purpose="legal", template="notice", product="casino")
    assert tower.dispatches[0].marks == ("email:0e",)
    assert tower.dispatches[0].send_until == tower.dispatches[0].expires_at


def test_a_webhook_needs_no_address() -> None:
    tower = Airport(rules())
    tower.tell("reach", {})
    assert tower.ask(channels=("webhook",)) == "cleared"
    assert tower.dispatches[0].marks == ("promo", "webhook")
    assert tower.ask("r2", channels=("email",)) == "refused"


def test_a_message_on_its_way_counts_as_sent_now_even_over_midnight() -> None:
    """It may go at any moment: the next day's cap is not free beside it."""
    tower = Airport(rules(caps=ONE_PROMO), now=at("23:58"))
    tower.ask("flies", **BY_MAIL)
    tower.ask("waits", expires_at=tower.now + 9 * DAY)
    tower.wait_until(at("00:05") + DAY)
    assert tower.outcome("waits") == "held"
    assert tower.last("waits").reasons == ("cap_reached",)
    tower.land("flies", at=at("23:59"))  # it was sent yesterday
    assert tower.sent()[-1] == ("waits", tower.now)


def test_a_message_sent_after_midnight_takes_the_new_day_s_place() -> None:
    tower = Airport(rules(caps=ONE_PROMO), now=at("23:58"))
    tower.ask("flies", **BY_MAIL)
    tower.now = at("00:10") + DAY
    tower.land("flies", at=at("00:10") + DAY)
    assert tower.ask("next", expires_at=tower.now + 9 * DAY) == "held"
    assert tower.last("next").until == at("00:00") + 2 * DAY


def test_of_several_at_once_only_so_many_go_as_there_is_room_beside_what_flies_since_yesterday() -> None:
    tower = Airport(rules(caps=[{"purpose": "promo", "max": 2, "per": "1d"}]), now=at("23:58"))
    tower.ask("flies", **BY_MAIL)
    tower.now = at("00:05") + DAY
    assert tower.ask_together(request("a"), request("b")) == {"a": "cleared", "b": "held"}


def test_a_place_that_may_be_given_back_is_waited_for_by_what_expires_before_the_next_one() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask("flies", **BY_MAIL)
    assert tower.ask("short-lived", expires_at=tower.now + HOUR) == "held"
    tower.land("flies")
    assert tower.last("short-lived").reasons == ("cap_reached", "expires_first")


def test_one_that_waits_for_a_person_holds_up_nobody_of_its_group() -> None:
    tower = Airport(rules())
    tower.ask("asks", ask_person=True, priority=90, conflict_group="spring")
    assert tower.ask("goes", conflict_group="spring") == "cleared"


@pytest.mark.parametrize("outcome", ["failed", "stopped", "expired", "withdrawn"])
def test_a_place_that_was_not_used_is_given_back_at_once(outcome: str) -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask("flies", **BY_MAIL)
    assert tower.ask("waits") == "held"
    tower.now += MINUTE
    tower.land("flies", outcome)
    assert tower.sent()[-1] == ("waits", tower.now)
    assert tower.outcome("flies") == "refused"
    assert tower.airspace.flying == {}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"min_gap_s": 60}, "minimum_gap"),
        ({"fatigue": {"limit": 1, "half_life_s": "1h"}}, "fatigue"),
        ({"conflicts": {"gap_s": 60}}, "conflict_group"),
    ],
)
def test_gap_fatigue_and_group_count_from_the_real_time(policy: dict[str, Any], reason: str) -> None:
    tower = Airport(rules(**policy))
    group = "spring" * (reason == "conflict_group")
    tower.ask("flies", **BY_MAIL, conflict_group=group)
    tower.ask("waits", conflict_group=group)
    assert tower.last("waits").reasons == (reason,)
    tower.wait_until(tower.now + 2 * HOUR)
    assert tower.outcome("waits") == "held", "still on its way"
    judged = len(tower.decisions)
    assert judged < 15, "it is not judged again every minute"
    tower.land("flies")
    assert tower.outcome("waits") == "held"
    tower.wait_until(tower.now + MINUTE)
    assert tower.outcome("waits") == "cleared"


def test_a_failed_channel_is_not_tried_again_another_is() -> None:
    tower = Airport(rules())
    tower.ask(**MAIL_THEN_SMS)
    tower.land(outcome="failed")
    assert (tower.last().outcome, tower.last().channel, tower.last().reasons) == (
        "rerouted",
        "sms",
        ("channel_failed",),
    )
    tower.land(outcome="failed")
    assert (tower.last().outcome, tower.last().reasons) == ("refused", ("channel_failed",))
    assert [dispatch.channel for dispatch in tower.dispatches] == ["email", "sms"]
    assert tower.airspace.sends == ()


def test_what_comes_back_in_quiet_hours_waits_for_their_end() -> None:
    quiet = {"from": "21:00", "until": "08:00", "channels": ["email"]}
    tower = Airport(rules(quiet_hours=quiet), now=at("20:59"))
    tower.ask(**BY_MAIL)
    tower.now = at("21:00")
    tower.land(outcome="returned", detail="late")
    assert (tower.last().outcome, tower.last().reasons) == ("held", ("quiet_hours",))
    tower.wait_until(at("08:00") + DAY)
    assert [dispatch.cleared_at for dispatch in tower.dispatches] == [at("20:59"), at("08:00") + DAY]


def test_a_channel_that_is_back_is_tried_again_after_a_return() -> None:
    tower = Airport(rules())
    tower.ask(**MAIL_THEN_SMS)
    tower.land(outcome="returned")
    assert [dispatch.channel for dispatch in tower.dispatches] == ["email", "email"]


def test_an_unclear_end_counts_as_sent_and_is_over() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask(**BY_MAIL)
    tower.land(outcome="unknown")
    assert tower.last().reasons == ("unknown_landing",)
    assert tower.ask("next", expires_at=tower.now + 9 * DAY) == "held"
    assert len(tower.dispatches) == 1


@pytest.mark.parametrize(
    ("detail", "suppressed", "reason"),
    [
        ("excluded", {}, "excluded"),
        ("muted promo", {}, "consent_withdrawn"),
        ("muted", {"email": {"0e": "bounced"}}, "suppressed"),
        ("suppressed", {}, "suppressed"),
        ("", {}, "excluded"),
    ],
)
def test_why_it_was_stopped_is_told(detail: str, suppressed: dict[str, Any], reason: str) -> None:
    tower = Airport(rules())
    tower.ask(**BY_MAIL)
    tower.tell("suppressed", suppressed)
    tower.land(outcome="stopped", detail=detail)
    assert tower.last().reasons == (reason,)


def test_receipts_of_another_clearance_or_twice_change_nothing() -> None:
    tower = Airport(rules())
    tower.ask(**MAIL_THEN_SMS)
    first = tower.now
    tower.now += MINUTE
    tower.land(outcome="failed", cause=f"msg:r1:{first}:failed")
    for stale in (
        {"outcome": "failed", "channel": "email"},
        {"outcome": "returned", "cause": f"msg:r1:{first}:returned"},
        {"outcome": "failed", "cause": "msg:r1:failed:0011223344556677"},
        {"outcome": "sent", "cause": ""},
        {"outcome": "delivered"},
        {"outcome": "bounced"},
    ):
        before = tower.airspace
        assert tower.land(**stale).airspace is before  # type: ignore[arg-type]
    tower.land()
    before = tower.airspace
    assert tower.land().airspace is before


@pytest.mark.parametrize("digest", ["00a1b2c3d4e5f607", "1234567890123456"])
def test_a_vendors_early_failed_is_history_the_couriers_landing_settles_it(digest: str) -> None:
    """A call timed out, so the courier tries again; the vendor's hook is faster. Both must not send."""
    tower = Airport(rules())
    tower.ask(**MAIL_THEN_SMS)
    before = tower.airspace
    step = tower.land(outcome="failed", cause=f"msg:r1:failed:{digest}")
    assert (step.airspace, step.dispatches, step.decisions) == (before, (), ())
    tower.land(outcome="sent")
    assert not tower.airspace.flying
    assert [send.pending for send in tower.airspace.sends] == [False]


def test_an_answer_makes_the_player_less_tired() -> None:
    tired = {"limit": 1, "half_life_s": "1d", "engaged_weight": 0}
    tower = Airport(rules(fatigue=tired))
    tower.ask("opened", **BY_MAIL)
    tower.land("opened")
    assert tower.ask("waits") == "held"
    tower.land("opened", "clicked")
    assert tower.outcome("waits") == "cleared"


def test_a_goal_that_is_met_withdraws_what_waits() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask("sent")
    tower.ask("waits")
    tower.take(Withdrawn("ann", "goal_met", requests=("waits", "sent", "nobody's")))
    assert tower.last("waits").reasons == ("goal_met",)
    assert tower.outcome("sent") == "cleared"
    assert not tower.timers


def test_a_journey_that_ended_withdraws_only_its_own_messages() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask("sent")
    tower.ask("its", source="journeys/welcome#1")
    tower.ask("another walk's", source="journeys/welcome#12")
    tower.take(Withdrawn("ann", "journey_ended", source="journeys/welcome#1"))
    assert tower.last("its").reasons == ("journey_ended",)
    assert tower.outcome("another walk's") == "held"


@pytest.mark.parametrize(
    ("landing", "outcome", "reasons"),
    [
        pytest.param("withdrawn", "refused", ("goal_met",), id="in time"),
        pytest.param("returned", "refused", ("goal_met",), id="it came back: it is not judged again"),
        pytest.param("failed", "refused", ("goal_met",), id="it failed: no other channel"),
        pytest.param("sent", "cleared", (), id="too late: it was sent"),
    ],
)
def test_a_message_on_its_way_is_taken_back_if_it_has_not_gone(
    landing: str, outcome: str, reasons: tuple[str, ...]
) -> None:
    tower = Airport(rules())
    tower.ask(**MAIL_THEN_SMS)
    withdrawn = Withdrawn("ann", "goal_met", requests=("r1",))
    tower.take(withdrawn)
    assert tower.voids == [("r1", "goal_met")]
    before = tower.airspace
    assert tower.take(withdrawn).airspace is before, "taken back twice"
    tower.land(outcome=landing)
    assert (tower.last().outcome, tower.last().reasons) == (outcome, reasons)
    assert len(tower.dispatches) == 1
    assert tower.airspace.flying == {}


def test_a_withdrawn_message_of_a_group_lets_the_next_one_go() -> None:
    """The less important waited only because the more important one of its group goes first."""
    quiet = {"from": "11:00", "until": "14:00", "channels": ["email"]}
    tower = Airport(rules(quiet_hours=quiet))
    tower.ask("first", **BY_MAIL, priority=90, conflict_group="spring")
    assert tower.ask("second", conflict_group="spring") == "held"
    assert (tower.last("second").reasons, tower.last("second").until) == (("conflict_group",), at("14:00"))
    tower.take(Withdrawn("ann", "goal_met", requests=("first",)))
    assert tower.outcome("second") == "cleared"


class TestClosedChannels:
    def closed(self, reason: str = "provider_down", until: int = 0) -> Airport:
        tower = Airport(rules())
        tower.closed = {"email": ChannelChanged("email", False, reason, until, tower.now)}
        return tower

    def test_a_message_waits_five_minutes_at_the_most_until_it_is_judged_again(self) -> None:
        tower = self.closed()
        assert tower.ask(**BY_MAIL) == "held"
        assert (tower.last().reasons, tower.last().until) == (("provider_down",), tower.now + 5 * MINUTE)
        tower.wait_until(tower.now + 5 * MINUTE)
        assert tower.outcome() == "held"
        tower.closed = {}
        tower.wait_until(tower.now + 5 * MINUTE)
        assert tower.outcome() == "cleared"

    def test_or_until_the_channel_is_expected_back(self) -> None:
        tower = self.closed(until=at("12:01"))
        tower.ask(**BY_MAIL)
        assert tower.last().until == at("12:01")

    def test_another_channel_is_taken_meanwhile(self) -> None:
        tower = self.closed()
        assert tower.ask(**MAIL_THEN_SMS) == "rerouted"
        assert (tower.last().channel, tower.last().reasons) == ("sms", ("provider_down",))

    def test_once_it_is_open_what_waits_goes_before_what_comes(self) -> None:
        tower = self.closed()
        tower.ask("waits", **BY_MAIL)
        tower.closed = {}
        tower.now += MINUTE
        tower.ask("comes", **BY_MAIL)
        assert [name for name, _ in tower.sent()] == ["waits", "comes"]

    def test_a_broadcast_that_spent_the_budget_starves_no_service_message(self) -> None:
        tower = self.closed("budget_spent")
        assert tower.ask("promo", **BY_MAIL) == "held"
        assert tower.ask("service", **BY_MAIL, purpose="service") == "cleared"
        assert tower.ask("legal", **BY_MAIL, purpose="legal", template="notice") == "cleared"

    def test_one_that_would_expire_waits_to_the_end(self) -> None:
        tower = self.closed()
        tower.ask(**BY_MAIL, expires_at=tower.now + MINUTE)
        assert tower.last().until == tower.now + MINUTE
        tower.wait_until(tower.now + MINUTE)
        assert tower.last().reasons == ("expired",)


def test_only_so_many_fly_at_once() -> None:
    tower = Airport(rules())
    for n in range(FLYING_MAX):
        tower.ask(f"r{n}", **BY_MAIL, purpose="service")
    assert tower.ask("one more", **BY_MAIL, purpose="service") == "held"
    assert tower.last("one more").reasons == ("too_many_flying",)
    tower.land("r7")
    assert tower.outcome("one more") == "cleared"
    assert len(tower.airspace.flying) == FLYING_MAX


VIP_BY_SMS = {"approvals": [{"purposes": ["promo"], "channels": ["sms"], "sources": ["campaigns/vip"]}]}
ONE_OF_THEM: dict[str, Any] = {"channels": ("sms",), "source": "campaigns/vip#7"}


class TestReviews:
    def escalated(self, **policy: Any) -> Airport:
        tower = Airport(rules(**{**VIP_BY_SMS, **policy}))
        assert tower.ask(**ONE_OF_THEM) == "escalated"
        assert tower.last().reasons == ("needs_approval",)
        return tower

    def test_what_a_person_sees(self) -> None:
        tower = self.escalated()
        record = tower.reviews["r1"]
        assert (record["player_id"], record["template"], record["source"]) == ("ann", "free-spins", "campaigns/vip#7")
        assert record["content"]["title"] == "Ten free spins"
        assert (record["reasons"], record["until"]) == (["needs_approval"], tower.now + 3 * DAY)

    def test_approved_it_goes(self) -> None:
        tower = self.escalated()
        tower.now += HOUR
        tower.take(Reviewed("ann", "r1", True, "zoe"))
        assert tower.outcome() == "cleared"
        assert tower.reviews == {}
        assert not tower.timers

    def test_approved_it_is_judged_as_any_other(self) -> None:
        tower = self.escalated(quiet_hours={"from": "13:00", "until": "14:00", "channels": ["sms"]})
        tower.now = at("13:00")
        tower.take(Reviewed("ann", "r1", True, "zoe"))
        assert (tower.last().outcome, tower.last().reasons) == ("held", ("quiet_hours",))
        tower.wait_until(at("14:00"))
        assert tower.outcome() == "cleared"

    def test_refused_it_is_over(self) -> None:
        tower = self.escalated()
        tower.take(Reviewed("ann", "r1", False, "zoe"))
        assert tower.last().reasons == ("not_approved",)
        assert tower.reviews == {}
        assert not tower.timers

    def test_nobody_decides_in_time(self) -> None:
        tower = self.escalated()
        tower.wait_until(tower.now + 3 * DAY)
        assert tower.last().reasons == ("expired",)
        assert tower.reviews == {}
        assert tower.take(Reviewed("ann", "r1", True, "zoe")).reviews == (("r1", None),)
        assert tower.outcome() == "refused"

    def test_an_exclusion_ends_the_review(self) -> None:
        tower = self.escalated()
        tower.tell("exclusions", {"harm": {"since": 0, "until": None, "ends_by_itself": False}})
        assert tower.last().reasons == ("excluded",)
        assert tower.reviews == {}

    @pytest.mark.parametrize(
        ("changes", "outcome"),
        [
            ({"source": "campaigns/vip"}, "escalated"),
            ({"source": "campaigns/vip2"}, "cleared"),
            ({"purpose": "service"}, "cleared"),
            ({"channels": ("email",)}, "cleared"),
            ({"channels": ("sms", "email")}, "rerouted"),
            ({"purpose": "service", "ask_person": True}, "escalated"),
        ],
    )
    def test_which_messages_are_put_to_a_person(self, changes: dict[str, Any], outcome: str) -> None:
        assert Airport(rules(**VIP_BY_SMS)).ask(**{**ONE_OF_THEM, **changes}) == outcome

    def test_a_context_that_escalates_is_passed_by_an_approval(self) -> None:
        hold = {"when": "complaint_open", "purposes": ["promo"], "for_s": "9d", "then": "escalate"}
        tower = Airport(rules(holds=[hold]))
        tower.tell("context:complaint_open", {"open": True, "since": 0, "until": 0})
        assert tower.ask() == "escalated"
        tower.take(Reviewed("ann", "r1", True, "zoe"))
        assert tower.outcome() == "cleared"

    def test_when_the_context_is_over_no_person_is_asked_any_more(self) -> None:
        hold = {"when": "complaint_open", "purposes": ["promo"], "for_s": "1h", "then": "escalate"}
        tower = Airport(rules(holds=[hold]))
        tower.tell("context:complaint_open", {"open": True, "since": 0, "until": 0})
        tower.ask()
        assert tower.last().until == tower.now + HOUR
        tower.wait_until(tower.now + HOUR)
        assert tower.outcome() == "cleared"
        assert tower.reviews == {}


def test_what_a_turn_counts() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    step = tower.take(request())
    assert step.tallies == (("2026-03-10", "cleared||in_app|promo|free-spins", 1),)
    step = tower.take(request("r2"))
    assert step.tallies == (("2026-03-10", "held|cap_reached||promo|free-spins", 1),)


def test_a_request_that_is_judged_again_for_nothing_new_is_not_told_again() -> None:
    tower = Airport(rules(caps=ONE_PROMO))
    tower.ask("sent")
    tower.ask("waits")
    told, timers = len(tower.decisions), set(tower.timers)
    tower.tell("consent", {"email": True})
    assert (len(tower.decisions), tower.timers) == (told, timers)
    assert TimerFired("ann", "held", "waits", at("00:00") + DAY, 0) in timers


@pytest.mark.parametrize(("reason", "judged"), [("budget_spent", 16), ("provider_down", 145)])
def test_a_channel_that_stays_closed_is_told_once(reason: str, judged: int) -> None:
    tower = Airport(rules())
    tower.closed = {"email": ChannelChanged("email", False, reason, tower.now + DAY, tower.now)}
    generations = set()
    tower.ask(**BY_MAIL)
    while tower.now < at("12:00") + 12 * HOUR:
        generations.add(tower.airspace.waiting["r1"].generation)
        (timer,) = tower.timers
        assert timer.due == tower.airspace.waiting["r1"].until > tower.now
        tower.wait_until(timer.due)
    assert [d.reasons for d in tower.decisions] == [(reason,)]
    assert len(generations) <= judged, "looked at again, ever more seldom while a budget is spent"
    tower.closed = {}
    tower.wait_until(tower.now + HOUR)
    assert tower.outcome() == "cleared"
    assert not tower.timers


def test_a_message_behind_one_that_does_not_land_is_told_once_and_again_when_its_reason_changes() -> None:
    tower = Airport(rules(min_gap_s="1m", quiet_hours={"from": "21:00", "until": "08:00", "channels": ["email"]}))
    tower.ask("first", **BY_MAIL)
    assert tower.ask("second", **BY_MAIL) == "held"
    tower.wait_until(at("20:00"))
    told = [d.reasons for d in tower.decisions if d.request_id == "second"]
    assert told == [("minimum_gap",)]
    tower.wait_until(at("22:00"))
    assert [d.reasons for d in tower.decisions if d.request_id == "second"][1:] == [("minimum_gap", "quiet_hours")]
