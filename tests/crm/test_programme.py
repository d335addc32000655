"""Configuration as operators write it, and what they are told when it is wrong."""

from typing import Any

import pytest

from crm.config import KINDS, PolicyConfig
from crm.programme import InvalidCrm, compile_crm
from crm.tower.policy import Cap, Hold, QuietHours
from crm.tower.why import Reason

CONTRACT_POLICY: dict[str, Any] = {
    "caps": [{"purpose": "promo", "channel": "any", "max": 2, "per": "1d"}, {"channel": "sms", "max": 3, "per": "7d"}],
    "min_gap_s": 1800,
    "quiet_hours": {"from": "21:00", "until": "08:00", "channels": ["sms", "push"]},
    "holds": [{"when": "support_case_open", "purposes": ["promo", "retention"], "for_s": 86400}],
    "priorities": {"transactional": 100, "service": 80, "reward": 60, "retention": 40, "promo": 20},
}
CONTRACT_TEMPLATE: dict[str, Any] = {
    "channel": "in_app",
    "title": {"en": "Hi {{ player.traits.first_name }}"},
    "body": {"en": "..."},
    "action": {"label": {"en": "Play"}, "url": "/lobby"},
}


def test_the_documents_of_the_contract_compile() -> None:
    rules = compile_crm(
        3,
        {
            "policies": {"default": CONTRACT_POLICY},
            "templates": {"come-back": CONTRACT_TEMPLATE},
            "settings": {"main": {"timezone": "Europe/Kyiv", "locale": "uk"}},
            "missions": {"not": {"looked": "at"}},
        },
    )
    policy = rules.policy
    assert (rules.version, rules.timezone, rules.locale, set(rules.templates)) == (
        3,
        "Europe/Kyiv",
        "uk",
        {"come-back"},
    )
    assert policy.caps == (Cap(2, 1, purpose="promo"), Cap(3, 7, channel="sms"))
    assert policy.quiet_hours == QuietHours(1260, 480, frozenset({"sms", "push"}))
    assert policy.holds == (Hold(Reason.SUPPORT_CASE_OPEN, frozenset({"promo", "retention"}), 86_400_000),)
    assert (policy.min_gap_ms, policy.priorities["promo"], policy.available) == (1_800_000, 20, ("in_app",))


def test_without_documents_the_default_policy_holds() -> None:
    rules = compile_crm(1, {})
    assert (rules.timezone, rules.locale) == ("UTC", "en")
    assert [cap.purpose for cap in rules.policy.caps] == ["promo", "retention"]
    assert {"policies", "templates", "settings", "campaigns"} <= set(KINDS)


def test_times_and_durations_as_yaml_brings_them() -> None:
    quiet = {"from": 1260, "until": "08:00", "channels": ["sms"]}  # YAML reads an unquoted 21:00 as 1260
    policy = PolicyConfig.model_validate({"quiet_hours": quiet, "min_gap_s": "1d 2h 30m"})
    assert policy.quiet_hours is not None
    assert policy.quiet_hours.from_ == "21:00"
    assert policy.min_gap_s == 95_400


CAP = {"max": 1, "per": "1d"}


@pytest.mark.parametrize(
    ("kind", "name", "document", "error"),
    [
        ("policies", "default", {"cap": []}, "policies/default: cap: Extra inputs are not permitted, got []"),
        ("policies", "default", {"caps": [CAP | {"max": 0}]}, "policies/default: caps.0.max: "),
        ("policies", "default", {"caps": [CAP | {"per": "2d"}]}, "policies/default: caps.0.per: "),
        ("policies", "default", {"caps": [CAP | {"purpose": "legal"}]}, "legal messages are never capped"),
        ("policies", "default", {"caps": [CAP | {"max": 300}] * 2}, "less than 500, got 600"),
        (
            "policies",
            "default",
            {"quiet_hours": {"from": "08:00", "until": "08:00", "channels": ["sms"]}},
            "to differ",
        ),
        ("policies", "default", {"quiet_hours": {"from": "25:00", "until": "08:00", "channels": ["sms"]}}, "from: "),
        (
            "policies",
            "default",
            {"holds": [{"when": "support_case_open", "purposes": ["legal"], "for_s": 1}]},
            "legal messages are never held",
        ),
        ("policies", "vip", {}, "policies/vip: id: expected 'default'"),
        ("settings", "main", {"timezone": "Mars"}, "settings/main: timezone: expected an IANA zone"),
        ("settings", "main", {"locale": "??"}, "settings/main: locale: expected a language"),
        (
            "templates",
            "t",
            CONTRACT_TEMPLATE | {"body": {"en": "a\n{% if %}"}},
            "templates/t: body: en: expected Liquid, got in line 2",
        ),
        ("templates", "t", CONTRACT_TEMPLATE | {"title": {}}, "templates/t: title: "),
        ("templates", "t", CONTRACT_TEMPLATE | {"body": {"e n": "x"}}, "templates/t: body: expected a language"),
        (
            "templates",
            "t",
            CONTRACT_TEMPLATE | {"action": {"label": {"en": "x"}, "url": "javascript:x"}},
            "templates/t: action.url: expected a path",
        ),
    ],
)
def test_what_an_operator_is_told(kind: str, name: str, document: Any, error: str) -> None:
    with pytest.raises(InvalidCrm) as raised:
        compile_crm(1, {kind: {name: document}})
    assert len(raised.value.errors) == 1
    assert raised.value.errors[0].startswith(f"{kind}/{name}: ")
    assert error in raised.value.errors[0]


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(InvalidCrm) as raised:
        compile_crm(1, {"policies": {"default": {"x": 1}}, "settings": {"main": {"y": 1}}})
    assert len(raised.value.errors) == 2
