"""Consents key by key: their proof, their confirmation, and how they end."""

from typing import Any

import pytest

from crm.facts.consents import CONFIRM_AGAIN_MS, KEYS
from domain.effects import ConsentChanged

from .ears import HOUR, NOON, Ears, rules

ALL_OF_CASINO = {key: False for key in KEYS if key.startswith("casino/")}
DOUBLE = rules(consent={"double_opt_in": ["email"], "confirm_template": "confirm"})


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        pytest.param({"channel": "sms", "granted": False}, {"sms": False}, id="a channel"),
        pytest.param({"purpose": "promo", "granted": True}, {"promo": True}, id="a purpose"),
        pytest.param({"product": "casino", "channel": "sms", "granted": True}, {"casino/sms": True}, id="product"),
        pytest.param({"key": "bingo/push", "product": "casino", "granted": True}, {"bingo/push": True}, id="a key"),
        pytest.param({"product": "casino", "granted": True}, None, id="a product alone grants nothing"),
        pytest.param({"product": "casino", "granted": False}, ALL_OF_CASINO, id="and withdraws all of it"),
        pytest.param({"channel": "sms", "granted": "yes"}, None, id="yes is no answer"),
        pytest.param({"channel": "owl", "granted": True}, None, id="no such channel"),
        pytest.param({"channel": ["sms"], "granted": False}, None, id="junk"),
        pytest.param({"key": {"a": 1}, "granted": False}, None, id="more junk"),
    ],
)  # fmt: skip
def test_what_an_event_says(properties: dict[str, Any], expected: dict[str, bool] | None) -> None:
    ann = Ears()
    ann.event("consent_changed", **properties)
    assert ann.air.get("consent") == expected
    assert ann.muted == {key for key, granted in (expected or {}).items() if not granted}


def test_each_change_is_kept_with_its_proof() -> None:
    ann = Ears()
    ann.event("consent_changed", channel="sms", granted=True, source="form", proof="wording 7")
    ann.now += 5
    ann.event("consent_changed", channel="sms", granted=True, source="form", proof="wording 7")
    ann.now += 5
    ann.event("consent_changed", channel="sms", granted=False, source="one_click", proof="req_1")
    assert ann.consents() == [
        ConsentChanged("sms", True, NOON, "form", "wording 7"),
        ConsentChanged("sms", False, NOON + 10, "one_click", "req_1"),
    ]
    assert ann.air["consents"] == {"sms": [False, NOON + 10, "one_click", "req_1", False]}


def test_another_wording_is_a_proof_of_its_own() -> None:
    ann = Ears()
    ann.event("consent_changed", channel="sms", granted=True, wording="v1")
    ann.event("consent_changed", channel="sms", granted=True, wording="v2")
    assert [change.proof for change in ann.consents()] == ["v1", "v2"]


def test_a_grant_that_comes_late_does_not_undo_a_withdrawal() -> None:
    ann = Ears()
    ann.event("consent_changed", channel="sms", granted=False)
    ann.event("consent_changed", channel="sms", granted=True, at=NOON - HOUR)
    assert ann.air["consent"] == {"sms": False}
    ann.event("consent_changed", channel="sms", granted=True, at=NOON + 1)
    assert (ann.air["consent"], ann.muted) == ({"sms": True}, set())


def test_a_withdrawal_is_never_too_late() -> None:
    ann = Ears()
    ann.event("consent_changed", channel="sms", granted=True, at=NOON + HOUR)
    ann.event("consent_changed", channel="sms", granted=False)
    assert ann.air["consent"] == {"sms": False}


def test_traits_may_nest_by_product() -> None:
    ann = Ears()
    ann.says(consent={"email": True, "casino": {"sms": False, "owl": True, "push": "no"}, "unknown": {"sms": True}})
    assert ann.air["consent"] == {"email": True, "casino/sms": False}
    assert ann.muted == {"casino/sms"}


@pytest.mark.parametrize("source", ["one_click", "preference_centre"])
def test_what_the_player_withdrew_a_repeated_trait_does_not_give_again(source: str) -> None:
    ann = Ears()
    ann.says(consent={"email": True, "sms": True})
    ann.event("consent_changed", channel="email", granted=False, source=source)
    ann.says(consent={"sms": False})
    ann.now += 1
    ann.says(consent={"email": True, "sms": True})
    assert ann.air["consent"] == {"email": False, "sms": True}
    ann.event("consent_changed", channel="email", granted=True, source="preference_centre")
    assert ann.air["consent"]["email"] is True


@pytest.mark.parametrize(
    ("outcome", "properties", "withdrawn"),
    [
        pytest.param("complained", {}, True, id="a complaint"),
        pytest.param("unsubscribed", {}, True, id="a provider's unsubscribe"),
        pytest.param("unsubscribed", {"source_": "link:unsubscribe"}, False, id="a page says the key itself"),
        pytest.param("replied", {"detail": "STOP"}, True, id="an answer"),
        pytest.param("replied", {"text": "stop it, please"}, True, id="an answer that begins so"),
        pytest.param("replied", {"text": "When does the sale stop?"}, False, id="another question"),
        pytest.param("replied", {"text": "Стоп"}, True, id="in another language"),
        pytest.param("delivered", {"detail": "STOP"}, False, id="no answer"),
        pytest.param("complained", {"channel": "owl"}, False, id="no such channel"),
    ],
)
def test_receipts_that_withdraw(outcome: str, properties: dict[str, Any], withdrawn: bool) -> None:
    ann = Ears()
    ann.says(consent={"email": True})
    ann.message(outcome, **properties)
    assert ann.air["consent"]["email"] is not withdrawn
    assert ("email" in ann.muted) is withdrawn


def test_no_receipt_grants() -> None:
    ann = Ears()
    ann.event("consent_changed", channel="email", granted=False)
    for outcome in ("opened", "clicked", "replied", "delivered"):
        ann.message(outcome, detail="START", granted=True, key="email")
    assert ann.air["consent"] == {"email": False}


def test_a_double_opt_in_waits_for_its_confirmation() -> None:
    ann = Ears(DOUBLE)
    heard = ann.event("consent_changed", channel="email", granted=True, proof="form 3")
    (asked,) = heard.requests
    assert (asked.template, asked.purpose, asked.channels) == ("confirm", "transactional", ("email",))
    assert asked.content == {"confirm_key": "email"}
    assert ann.air.get("consent", {}) == {}
    assert ann.air["consent_pending"] == ["email"]
    ann.now += HOUR
    ann.event("consent_confirmed", key="email", proof="link 1")
    assert (ann.air["consent"], ann.air["consent_pending"]) == ({"email": True}, [])
    assert ann.consents()[0].pending
    assert ann.consents()[1] == ConsentChanged("email", True, NOON + HOUR, "double_opt_in", "link 1")


def test_other_channels_need_none_and_an_event_may_ask_for_one() -> None:
    ann = Ears(DOUBLE)
    ann.event("consent_changed", channel="sms", granted=True)
    ann.event("consent_changed", product="casino", channel="email", granted=True)
    heard = ann.event("consent_changed", channel="push", granted=True, double_opt_in=True)
    assert ann.air["consent"] == {"sms": True}
    assert ann.air["consent_pending"] == ["casino/email", "push"]
    assert [request.channels for request in heard.requests] == [("push",)]


def test_who_presses_again_gets_one_message() -> None:
    ann = Ears(DOUBLE)
    first = ann.event("consent_changed", channel="email", granted=True)
    ann.now += CONFIRM_AGAIN_MS - 1
    again = ann.event("consent_changed", channel="email", granted=True)
    ann.now += CONFIRM_AGAIN_MS
    later = ann.event("consent_changed", channel="email", granted=True)
    assert [len(heard.requests) for heard in (first, again, later)] == [1, 0, 1]
    assert first.requests[0].id != later.requests[0].id


def test_nothing_can_be_confirmed_that_was_not_asked() -> None:
    ann = Ears(DOUBLE)
    ann.event("consent_confirmed", key="email")
    assert not ann.air
    ann.event("consent_changed", channel="email", granted=False)
    ann.event("consent_confirmed", key="email")
    assert ann.air["consent"] == {"email": False}


def test_a_withdrawn_consent_stays_withdrawn_until_the_new_one_is_confirmed() -> None:
    ann = Ears(DOUBLE)
    ann.event("consent_changed", channel="email", granted=False, source="one_click")
    ann.event("consent_changed", channel="email", granted=True)
    assert (ann.air["consent"], ann.air["consent_pending"], ann.muted) == ({"email": False}, ["email"], {"email"})
    ann.event("consent_confirmed", key="email")
    assert (ann.air["consent"], ann.air["consent_pending"], ann.muted) == ({"email": True}, [], set())


def test_who_withdraws_meanwhile_cannot_be_confirmed() -> None:
    ann = Ears(DOUBLE)
    ann.event("consent_changed", channel="email", granted=True)
    ann.event("consent_changed", channel="email", granted=False)
    ann.event("consent_confirmed", key="email")
    assert (ann.air["consent"], ann.air["consent_pending"]) == ({"email": False}, [])


def test_withdrawn_and_pending_can_be_withdrawn_again() -> None:
    ann = Ears(DOUBLE)
    ann.event("consent_changed", channel="email", granted=False, source="one_click")
    ann.event("consent_changed", channel="email", granted=True)
    ann.event("consent_changed", channel="email", granted=False)
    ann.event("consent_confirmed", key="email")
    assert (ann.air["consent"], ann.air["consent_pending"], ann.muted) == ({"email": False}, [], {"email"})


def test_of_two_profiles_no_stays_no_and_proofs_come_along() -> None:
    ann, guest = Ears(DOUBLE), Ears(DOUBLE)
    ann.event("consent_changed", channel="sms", granted=False)
    ann.event("consent_changed", purpose="promo", granted=True)
    ann.event("consent_changed", channel="email", granted=True)
    guest.event("consent_changed", channel="sms", granted=True, at=NOON + 9)
    guest.event("consent_changed", purpose="promo", granted=False)
    guest.event("consent_changed", channel="push", granted=True, proof="banner")
    guest.event("consent_changed", channel="email", granted=True)
    guest.event("consent_confirmed", key="email", proof="link")
    ann.muted.clear()
    ann.joins(guest)
    assert ann.air["consent"] == {"sms": False, "promo": False, "push": True, "email": True}
    assert ann.air["consent_pending"] == []
    assert ann.air["consents"]["push"][3] == "banner"
    assert ann.air["consents"]["email"][3] == "link"
    assert ann.muted == {"promo", "sms"}


def test_a_withdrawal_of_both_is_muted_under_the_id_that_lives_on() -> None:
    ann, guest = Ears(), Ears()
    ann.event("consent_changed", channel="sms", granted=False)
    guest.event("consent_changed", channel="sms", granted=False, at=NOON + 5)
    ann.muted.clear()
    ann.joins(guest)
    assert ann.muted == {"sms"}


def test_what_older_versions_told_is_known() -> None:
    ann = Ears()
    ann.air = {"consent": {"email": True, "sms": False}}
    ann.event("consent_changed", channel="push", granted=True)
    assert ann.air["consent"] == {"email": True, "sms": False, "push": True}
    ann.event("consent_changed", channel="sms", granted=True)
    assert ann.air["consent"]["sms"] is True
    assert (False, "sms") in ann.heard[-1].mutes


@pytest.mark.parametrize("key", [["email"], {"channel": "email"}, 7])
def test_a_key_that_is_no_name_is_passed_over(key: Any) -> None:
    ann = Ears()
    ann.message("unsubscribed", key=key)
    assert ann.air["consent"] == {"email": False}
