"""``policies/default``: what an operator may write, what it becomes, and what they are told when it is wrong."""

from typing import Any

import pytest

from crm.programme import InvalidCrm, compile_crm
from crm.tower.config import NAMED, default_contexts
from crm.tower.policy import Approval, ChannelLimit, ContextRule, Fatigue, Gather, Hold, Policy, plan_of
from domain.conditions import compile_condition

LOSS = {"field": "event.properties.amount", "op": "gte", "value": 500}
WHOLE: dict[str, Any] = {
    "holds": [
        {"when": "support_case_open", "purposes": ["promo"], "for_s": "1d"},
        {"when": "dispute", "purposes": ["promo"], "for_s": "1h", "then": "escalate", "channels": ["sms"]},
        {"when": "fresh_loss", "purposes": ["promo"], "for_s": 600, "then": "refuse"},
    ],
    "contexts": {
        "fresh_loss": {"begins": {"event": "bet_lost", "where": LOSS}, "lasts_s": "30m"},
        "dispute": {"begins": {"event": "dispute_opened"}, "ends": {"event": "dispute_closed", "where": LOSS}},
        "unused": {"begins": {"event": "x"}, "lasts_s": 1},
    },
    "conflicts": {"gap_s": "2d", "groups": {"spring": "1h"}},
    "fatigue": {"limit": 6, "half_life_s": "12h", "engaged_weight": 0.2, "purposes": ["promo"]},
    "gather": [{"purposes": ["reward"], "for_s": 5, "template": "several", "max": 4}],
    "approvals": [{"purposes": ["promo"], "channels": ["sms"], "sources": ["campaigns"]}],
    "channels": {"sms": {"per_day": 1000, "per_s": 2.5}},
    "consent": {
        "required_for": ["promo"],
        "products": True,
        "double_opt_in": ["email"],
        "confirm_template": "several",
    },
    "priorities": {"promo": 20},
}
TEMPLATE = {"channel": "in_app", "title": {"en": "T"}, "body": {"en": "B"}}


def compiled(policy: dict[str, Any]) -> Policy:
    return compile_crm(3, {"policies": {"default": policy}, "templates": {"several": TEMPLATE}}).policy


def test_the_whole_document_compiles() -> None:
    policy = compiled(WHOLE)
    promo = frozenset({"promo"})
    assert policy.holds == (
        Hold("support_case_open", promo, 86_400_000),
        Hold("context:dispute", promo, 3_600_000, "dispute", "escalate", frozenset({"sms"})),
        Hold("fresh_loss", promo, 600_000, "fresh_loss", "refuse"),
    )
    assert policy.contexts == {
        "fresh_loss": ContextRule("bet_lost", LOSS, "", None, 1_800_000),
        "dispute": ContextRule("dispute_opened", None, "dispute_closed", LOSS, 0),
        "unused": ContextRule("x", None, "", None, 1000),
    }
    assert (policy.group_gap_ms("spring"), policy.group_gap_ms("other")) == (3_600_000, 172_800_000)
    assert policy.fatigue == Fatigue(6, 43_200_000, 0.2, promo)
    assert policy.gather == (Gather(frozenset({"reward"}), 5_000, "several", 4),)
    assert policy.approvals == (Approval(promo, frozenset({"sms"}), ("campaigns",)),)
    assert policy.channels == {"sms": ChannelLimit(1000, 2.5)}
    assert (policy.consent_products, policy.double_opt_in, policy.confirm_template) == (
        True,
        frozenset({"email"}),
        "several",
    )


def test_built_in_contexts_are_told_only_when_a_hold_names_them() -> None:
    assert compiled({}).contexts == {}
    hold = {"purposes": ["promo"], "for_s": 60}
    assert set(compiled({"holds": [hold | {"when": name} for name in NAMED]}).contexts) == set(default_contexts())
    for context in default_contexts().values():
        compile_condition(context.begins.where)
        assert context.lasts_s


def test_without_a_word_on_conflicts_a_group_sends_once_a_day() -> None:
    assert compiled({}).group_gap_ms("spring") == 86_400_000


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("campaigns", True),
        ("campaigns/spring#1", True),
        ("campaigns#1", True),
        ("campaignsx", False),
        ("journeys/campaigns", False),
        ("", False),
    ],
)
def test_a_source_stands_for_all_below_it(source: str, asks: bool) -> None:
    (approval,) = compiled(WHOLE).approvals
    assert approval.asks("promo", "sms", source) is asks


def test_a_purpose_of_another_version_is_stopped_by_what_stops_any() -> None:
    policy = compiled({"caps": [{"max": 1, "per": "1d"}], "min_gap_s": 60})
    plan = plan_of(policy, "of_a_later_version")
    assert policy.plan("of_a_later_version") == plan
    assert (plan.counted, plan.gap_ms, len(plan.caps)) == (True, 60_000, 1)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"holds": [{"when": "bored", "purposes": ["promo"], "for_s": 1}]}, "complaint_open, got 'bored'"),
        ({"holds": [{"when": "fresh_loss", "purposes": [], "for_s": 1}]}, "holds.0.purposes: "),
        (
            {"holds": [{"when": "fresh_loss", "purposes": ["promo"], "for_s": 1, "then": "x"}]},
            "holds.0.then: Input should be 'hold', 'refuse' or 'escalate', got 'x'",
        ),
        ({"contexts": {"x": {"begins": {"event": "e"}}}}, "expected `ends`, `lasts_s` or both, got neither"),
        ({"contexts": {"x": {"begins": {"event": "e"}, "lasts_s": 0}}}, "contexts.x.lasts_s: "),
        ({"contexts": {"x": {"begins": {"event": "e", "where": {"op": "eq"}}, "lasts_s": 1}}}, "contexts.x.begins."),
        (
            {"contexts": {"round_in_play": {"begins": {"event": "e"}, "lasts_s": 1}}},
            "contexts: expected names of your own or built-in ones that events tell, got 'round_in_play'",
        ),
        ({"conflicts": {"gap_s": "8d"}}, "conflicts.gap_s: "),
        ({"fatigue": {"limit": 0}}, "fatigue.limit: "),
        ({"fatigue": {"limit": 1, "purposes": ["transactional"]}}, "got 'transactional', which never is"),
        ({"gather": [{"purposes": ["legal"], "for_s": 5}]}, "got 'legal', which never is"),
        ({"gather": [{"purposes": ["promo"], "for_s": 5}] * 2}, "to be gathered once, got 'promo' twice"),
        (
            {"gather": [{"purposes": ["promo"], "for_s": 5, "template": "none"}]},
            "policies/default: gather.0.template: expected the id of a template, got 'none'",
        ),
        ({"approvals": [{"purposes": ["legal"]}]}, "approvals.0.purposes: expected purposes that may wait; legal"),
        ({"channels": {"in_app": {"per_s": 1}}}, "expected channels that couriers send by, got 'in_app'"),
        ({"channels": {"sms": {"per_s": 0}}}, "channels.sms.per_s: "),
        ({"channels": {"pigeon": {}}}, "channels.pigeon"),
        ({"consent": {"double_opt_in": ["email"]}}, "expected `confirm_template` beside `double_opt_in`, got none"),
        (
            {"consent": {"confirm_template": "none"}},
            "consent.confirm_template: expected the id of a template, got 'none'",
        ),
    ],
)
def test_what_an_operator_is_told(document: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidCrm) as raised:
        compiled(document)
    assert len(raised.value.errors) == 1
    assert raised.value.errors[0].startswith("policies/default: ")
    assert error in raised.value.errors[0]
    assert ", got" in raised.value.errors[0]
