"""The order of judgement and each of its rules, one sentence each."""

from typing import Any

import pytest
from msgspec import structs

from crm.tower.airspace import Airspace, Condition, Exclusion, Facts, Send
from crm.tower.judgement import Cleared, Held, Refused, Verdict, judge
from crm.tower.policy import Policy
from domain.entries import MessageRequest

from .airport import DAY, HOUR, REACH, at, request, rules

NOON = at("12:00")
EVERYTHING = rules(
    caps=[{"purpose": "promo", "max": 1, "per": "1d"}],
    min_gap_s=1800,
    quiet_hours={"from": "11:00", "until": "14:00", "channels": ["in_app"]},
    holds=[
        {"when": "support_case_open", "purposes": ["promo"], "for_s": 86_400},
        {"when": "round_in_play", "purposes": ["promo"], "for_s": 600},
    ],
    channels=("in_app", "email"),
).policy
ALL_AT_ONCE = Facts(
    excluded=Exclusion("self_exclusion", 0),
    consent={"promo": False},
    support_case=Condition(True, 0),
    round_in_play=Condition(True, 0),
)
JUST_SENT = (Send(NOON - 60_000, "promo", "in_app"),)


def verdict(
    asked: MessageRequest,
    facts: Facts = Facts(),  # noqa: B008 - frozen
    sends: tuple[Send, ...] = (),
    policy: Policy = EVERYTHING,
    now: int = NOON,
    **options: Any,
) -> Verdict:
    facts = structs.replace(facts, reach=REACH)
    return judge(asked, Airspace("ann", facts=facts, sends=sends), policy, now=now, **options)


def test_the_order_of_judgement_is_the_order_of_the_reasons() -> None:
    """Everything is wrong at once; what is found first is put right, row by row."""
    expired = request(expires_at=NOON)
    fresh = request(expires_at=NOON + 3 * DAY)
    facts, told = ALL_AT_ONCE, []
    told.append(verdict(expired, facts, JUST_SENT))
    told.append(verdict(fresh, facts, JUST_SENT))
    facts = Facts(consent=facts.consent, support_case=facts.support_case, round_in_play=facts.round_in_play)
    told.append(verdict(fresh, facts, JUST_SENT))
    facts = Facts(support_case=facts.support_case, round_in_play=facts.round_in_play)
    told.append(verdict(fresh, facts, JUST_SENT))
    told.append(verdict(fresh, Facts(), JUST_SENT))
    told.append(verdict(fresh, Facts(), (Send(NOON - 60_000, "reward", "in_app"),)))
    told.append(verdict(fresh))
    told.append(verdict(fresh, now=at("14:00")))

    assert [getattr(found, "reasons", found) for found in told] == [
        ("expired",),
        ("excluded",),
        ("consent_withdrawn",),
        ("support_case_open", "round_in_play", "cap_reached", "minimum_gap", "quiet_hours"),
        ("cap_reached", "minimum_gap", "quiet_hours"),
        ("minimum_gap", "quiet_hours"),
        ("quiet_hours",),
        Cleared("in_app"),
    ]


@pytest.mark.parametrize(
    ("purpose", "reasons"),
    [
        pytest.param("legal", (), id="legal passes everything but its expiry"),
        pytest.param("transactional", ("consent_withdrawn",), id="transactional needs the channel"),
        pytest.param("service", ("consent_withdrawn",), id="service needs the channel"),
        pytest.param("promo", ("consent_withdrawn",), id="so does promo"),
    ],
)
def test_who_passes_a_channel_that_the_player_closed(purpose: str, reasons: tuple[str, ...]) -> None:
    found = verdict(request(purpose=purpose), Facts(consent={"in_app": False}))
    assert getattr(found, "reasons", ()) == reasons


@pytest.mark.parametrize(
    ("purpose", "reasons"),
    [
        ("legal", ()),
        ("transactional", ()),
        ("service", ("quiet_hours",)),
        ("reward", ("cap_reached", "minimum_gap", "quiet_hours")),
    ],
)
def test_which_purposes_pass_caps_the_gap_and_quiet_hours(purpose: str, reasons: tuple[str, ...]) -> None:
    policy = rules(
        caps=[{"max": 1, "per": "1d"}],
        min_gap_s=1800,
        quiet_hours={"from": "11:00", "until": "14:00", "channels": ["in_app"]},
    ).policy
    found = verdict(request(purpose=purpose), sends=JUST_SENT, policy=policy)
    assert getattr(found, "reasons", ()) == reasons


@pytest.mark.parametrize("purpose", ["transactional", "service", "reward", "retention", "promo"])
def test_only_legal_messages_reach_an_excluded_player(purpose: str) -> None:
    free = rules().policy
    excluded = Facts(excluded=Exclusion("self_exclusion", 0))
    assert verdict(request(purpose=purpose), excluded, policy=free) == Refused(("excluded",))
    assert verdict(request(purpose=purpose), policy=free, stopped=True) == Refused(("excluded",))
    assert verdict(request(purpose="legal"), excluded, policy=free, stopped=True) == Cleared("in_app")


def test_a_cool_off_ends_by_itself() -> None:
    facts = Facts(excluded=Exclusion("cool_off", 0, until=NOON))
    assert verdict(request(), facts, policy=rules().policy, now=NOON - 1) == Refused(("excluded",))
    assert verdict(request(), facts, policy=rules().policy, now=NOON) == Cleared("in_app")


@pytest.mark.parametrize(
    ("consent", "reasons"),
    [
        ({}, ("consent_missing",)),
        ({"promo": True}, ()),
        ({"in_app": True}, ()),
        ({"in_app": True, "promo": False}, ("consent_withdrawn",)),
        ({"email": True}, ("consent_missing",)),
    ],
)
def test_a_purpose_that_requires_consent(consent: dict[str, bool], reasons: tuple[str, ...]) -> None:
    policy = rules(consent={"required_for": ["promo"]}).policy
    found = verdict(request(), Facts(consent=consent), policy=policy)
    assert getattr(found, "reasons", ()) == reasons


@pytest.mark.parametrize(
    ("cap", "sent", "until"),
    [
        pytest.param({"max": 2, "per": "1d"}, ["00:00"], 0, id="one of two leaves room"),
        pytest.param({"max": 1, "per": "1d"}, ["00:00"], DAY, id="a day is a calendar day: free at midnight"),
        pytest.param({"max": 1, "per": "1d"}, ["-00:01"], 0, id="yesterday does not count"),
        pytest.param({"max": 1, "per": "7d"}, ["-00:01"], 6 * DAY, id="seven days include today"),
        pytest.param({"max": 1, "per": "7d"}, ["-144:01"], 0, id="the seventh day ago is out"),
        pytest.param({"max": 2, "per": "7d"}, ["-48:00", "-24:00"], 5 * DAY, id="free when the older one leaves"),
        pytest.param({"max": 1, "per": "1d", "rolling": True}, ["-11:00"], 13 * HOUR, id="rolling: 24 hours after"),
        pytest.param({"max": 1, "per": "1d", "rolling": True}, ["-12:00"], 0, id="rolling: exactly 24 hours ago"),
        pytest.param({"max": 1, "per": "1d", "purpose": "reward"}, ["10:00"], 0, id="another purpose's cap"),
        pytest.param({"max": 1, "per": "1d", "channel": "sms"}, ["10:00"], 0, id="another channel's cap"),
    ],
)
def test_caps(cap: dict[str, Any], sent: list[str], until: int) -> None:
    """Sends are hours and minutes from today's midnight."""
    midnight = at("00:00")
    sends = []
    for clock in sent:
        hours, minutes = clock.removeprefix("-").split(":")
        offset = (int(hours) * 60 + int(minutes)) * 60_000
        sends.append(Send(midnight + (-offset if clock.startswith("-") else offset), "promo", "in_app"))
    found = verdict(request(expires_at=NOON + 30 * DAY), sends=tuple(sends), policy=rules(caps=[cap]).policy)
    assert found == Cleared("in_app") if not until else isinstance(found, Held) and found.until == midnight + until


def test_a_cap_s_day_is_the_player_s() -> None:
    """23:30 in New York is 03:30 of the next day in UTC."""
    policy = rules(caps=[{"max": 1, "per": "1d"}]).policy
    sends = (Send(at("03:30"), "promo", "in_app"),)
    here = Facts(timezone="America/New_York")
    assert verdict(request(), here, sends, policy, now=at("03:50")) == Held(
        at("04:00"),
        ("cap_reached",),
        alternatives=verdict(request(), here, sends, policy, now=at("03:50")).alternatives,
    )
    assert verdict(request(), here, sends, policy, now=at("04:00")) == Cleared("in_app")
    assert isinstance(verdict(request(), Facts(), sends, policy, now=at("04:00")), Held)


def test_service_messages_count_but_only_a_cap_that_names_them_stops_them() -> None:
    sends = (Send(at("09:00"), "service", "in_app"),)
    anyone = rules(caps=[{"max": 1, "per": "1d"}]).policy
    named = rules(caps=[{"purpose": "service", "max": 1, "per": "1d"}]).policy
    assert isinstance(verdict(request(), sends=sends, policy=anyone), Held)
    assert verdict(request(purpose="service"), sends=sends, policy=anyone) == Cleared("in_app")
    assert isinstance(verdict(request(purpose="service"), sends=sends, policy=named), Held)


def test_a_message_that_would_expire_first_is_refused_with_its_reasons() -> None:
    policy = rules(caps=[{"max": 1, "per": "1d"}]).policy
    midnight = at("00:00") + DAY
    assert isinstance(verdict(request(expires_at=midnight + 1), sends=JUST_SENT, policy=policy), Held)
    refused = verdict(request(expires_at=midnight), sends=JUST_SENT, policy=policy)
    assert isinstance(refused, Refused)
    assert refused.reasons == ("cap_reached", "expires_first")


def test_a_context_hold_may_end_early_so_a_short_lived_message_waits() -> None:
    policy = rules(holds=[{"when": "support_case_open", "purposes": ["promo"], "for_s": 86_400}]).policy
    busy = Facts(support_case=Condition(True, 0))
    short, long = request(expires_at=NOON + HOUR), request(expires_at=NOON + 9 * DAY)
    assert (verdict(short, busy, policy=policy)).until == NOON + HOUR  # type: ignore[union-attr]
    assert (verdict(long, busy, policy=policy)).until == NOON + DAY  # type: ignore[union-attr]
    assert verdict(long, busy, policy=policy, now=NOON + DAY) == Cleared("in_app")
    assert verdict(request(purpose="service"), busy, policy=policy) == Cleared("in_app")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        pytest.param(("in_app",), Cleared("in_app"), id="what is asked"),
        pytest.param(("best",), Cleared("in_app"), id="best is in_app first"),
        pytest.param((), Cleared("in_app"), id="nothing said is best"),
        pytest.param(("email", "in_app"), ("in_app", True, ["channel_not_available"]), id="rerouted with its why"),
        pytest.param(("email", "best"), ("in_app", True, ["channel_not_available"]), id="one asked first, then best"),
        pytest.param(("pigeon",), ("channel_not_available",), id="a channel nobody knows"),
        pytest.param(("sms", "push"), ("channel_not_available",), id="none is connected"),
    ],
)
def test_channel_choice(channels: tuple[str, ...], expected: Any) -> None:
    found = verdict(request(channels=channels), policy=rules(channels=("in_app",)).policy)
    if isinstance(expected, Cleared):
        assert found == expected
    elif isinstance(found, Cleared):
        why_not = [reason for alternative in found.alternatives for reason in alternative.reasons]
        assert (found.channel, found.rerouted, why_not) == expected
    else:
        assert found.reasons == expected


def test_a_channel_in_quiet_hours_gives_way_to_one_that_is_not() -> None:
    policy = rules(quiet_hours={"from": "11:00", "until": "14:00", "channels": ["sms"]}).policy
    found = verdict(request(channels=("sms", "email")), policy=policy)
    assert isinstance(found, Cleared)
    assert (found.channel, found.rerouted) == ("email", True)
    assert found.alternatives[0].reasons == ("quiet_hours",)


def test_a_message_waits_for_the_channel_that_is_free_first() -> None:
    policy = rules(
        quiet_hours={"from": "11:00", "until": "14:00", "channels": ["sms"]},
        caps=[{"channel": "email", "max": 1, "per": "1d"}],
    ).policy
    found = verdict(request(channels=("email", "sms")), sends=(Send(NOON - HOUR, "promo", "email"),), policy=policy)
    assert isinstance(found, Held)
    assert (found.until, found.reasons) == (at("14:00"), ("quiet_hours",))
    assert [alternative.channel for alternative in found.alternatives] == ["email", "sms"]
