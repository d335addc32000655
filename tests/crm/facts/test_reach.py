"""Where the player can be reached, which devices, and which addresses nothing is sent to any more."""

from typing import Any

import pytest

from crm.addresses import DEVICES_MAX, addresses_of, digest_of
from crm.facts.suppression import KEPT_MAX

from .ears import HOUR, NOON, Ears

KEYS = {"p256dh": "BCVx", "auth": "BTBZ"}
WEB = {"kind": "web_push", "value": "https://push.example.net/a", "keys": KEYS}
PHONE = {"kind": "fcm", "value": "token-1"}
MAIL = digest_of("ann@example.com")


def test_the_tower_knows_digests_by_channel_and_no_address() -> None:
    ann = Ears(traits={"email": "Ann@Example.com", "phone": "+351910000000", "telegram_chat_id": 77})
    assert ann.air["reach"] == {
        "email": MAIL,
        "sms": digest_of("+351910000000"),
        "messenger": digest_of("77"),
    }


def test_a_device_is_kept_whole_and_told_as_a_digest() -> None:
    ann = Ears()
    heard = ann.event("device_registered", **WEB)
    assert ann.air["devices"] == {digest_of(WEB["value"]): {**WEB, "seen_at": NOON}}
    assert heard.facts == {"reach": {"push": digest_of(WEB["value"])}}


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({**WEB, "value": "http://push.example.net/a"}, id="not https"),
        pytest.param({**WEB, "value": "https://user@push.example.net/a"}, id="with a user"),
        pytest.param({**WEB, "value": "https:///a"}, id="without a host"),
        pytest.param({**WEB, "value": "https://[x"}, id="no address at all"),
        pytest.param({**WEB, "keys": {"p256dh": "BCVx"}}, id="without its secret"),
        pytest.param({**WEB, "keys": "BCVx"}, id="keys that are none"),
        pytest.param({**WEB, "kind": "owl"}, id="no such kind"),
        pytest.param({**PHONE, "value": "x" * 5_000}, id="too long"),
        pytest.param({**PHONE, "value": 7}, id="no text"),
        pytest.param({}, id="nothing"),
    ],
)
def test_what_is_no_device_is_not_kept(properties: dict[str, Any]) -> None:
    ann = Ears()
    ann.event("device_registered", **properties)
    assert not ann.air


def test_the_devices_seen_last_are_kept_and_the_latest_is_the_best() -> None:
    ann = Ears()
    for n in range(DEVICES_MAX + 2):
        ann.now += 1
        ann.event("device_registered", kind="fcm", value=f"token-{n}")
    kept = {device["value"] for device in ann.air["devices"].values()}
    assert kept == {f"token-{n}" for n in range(2, DEVICES_MAX + 2)}
    assert ann.air["reach"]["push"] == digest_of(f"token-{DEVICES_MAX + 1}")
    ann.now += HOUR
    ann.event("device_registered", kind="fcm", value="token-3")
    assert ann.air["reach"]["push"] == digest_of("token-3")


def test_a_device_that_says_the_same_soon_is_not_written_again() -> None:
    ann = Ears()
    ann.event("device_registered", **PHONE)
    before = ann.air
    ann.now += HOUR - 1
    assert ann.event("device_registered", **PHONE).air == before


def test_a_device_that_is_removed_is_forgotten() -> None:
    ann = Ears()
    ann.event("device_registered", **PHONE)
    ann.event("device_removed", value="somebody else's")
    assert ann.air["devices"]
    ann.event("device_removed", value=PHONE["value"])
    assert "devices" not in ann.air
    assert ann.air["reach"] == {}


@pytest.mark.parametrize(
    ("outcome", "properties", "reason"),
    [
        pytest.param("bounced", {"is_address_dead": True, "address": MAIL}, "bounced", id="a hard bounce"),
        pytest.param("failed", {"is_address_dead": True, "address": MAIL}, "bounced", id="refused for good"),
        pytest.param("bounced", {"address": MAIL}, "", id="a full mailbox"),
        pytest.param("complained", {"address": MAIL}, "complained", id="a complaint"),
        pytest.param("complained", {}, "complained", id="a report without the address is of the present one"),
        pytest.param("complained", {"address": "ann@example.com"}, "complained", id="or names it in full"),
        pytest.param("bounced", {"is_address_dead": "yes", "address": MAIL}, "", id="yes is no truth"),
        pytest.param("opened", {"is_address_dead": True, "address": MAIL}, "", id="it was opened"),
    ],
)
def test_what_suppresses_an_address(outcome: str, properties: dict[str, Any], reason: str) -> None:
    ann = Ears(traits={"email": "ann@example.com"})
    ann.message(outcome, **properties)
    assert ann.air.get("suppressed", {}) == ({"email": {MAIL: reason}} if reason else {})
    assert (f"email:{MAIL}" in ann.muted) is bool(reason)


def test_a_complaint_outweighs_a_bounce() -> None:
    ann = Ears(traits={"email": "ann@example.com"})
    ann.message("complained", address=MAIL)
    ann.message("bounced", address=MAIL, is_address_dead=True)
    assert ann.air["suppressed"] == {"email": {MAIL: "complained"}}


def test_a_push_that_bounced_takes_its_device_away_and_the_next_best_is_told() -> None:
    ann = Ears()
    ann.event("device_registered", **PHONE)
    ann.now += 1
    ann.event("device_registered", **WEB)
    ann.message("bounced", channel="push", address=digest_of(WEB["value"]), is_address_dead=True)
    assert set(ann.air["devices"]) == {digest_of(PHONE["value"])}
    assert ann.air["reach"] == {"push": digest_of(PHONE["value"])}


def test_of_two_devices_the_best_is_one_that_is_not_suppressed() -> None:
    ann = Ears()
    ann.event("device_registered", **PHONE)
    ann.now += 1
    ann.event("device_registered", **WEB)
    ann.message("complained", channel="push", address=digest_of(WEB["value"]))
    assert len(ann.air["devices"]) == 2
    assert ann.air["reach"] == {"push": digest_of(PHONE["value"])}
    ann.message("complained", channel="push", address=digest_of(PHONE["value"]))
    assert ann.air["reach"] == {"push": digest_of(WEB["value"])}, "the tower says that it is suppressed"


def test_a_device_that_registers_again_works_again() -> None:
    ann = Ears()
    ann.event("device_registered", **WEB)
    ann.message("bounced", channel="push", address=digest_of(WEB["value"]), is_address_dead=True)
    assert f"push:{digest_of(WEB['value'])}" in ann.muted
    ann.event("device_registered", **WEB)
    assert ann.air["suppressed"] == {}
    assert not ann.muted
    ann.message("complained", channel="push", address=digest_of(WEB["value"]))
    ann.now += 2 * HOUR
    ann.event("device_registered", **WEB)
    assert ann.air["suppressed"]["push"] == {digest_of(WEB["value"]): "complained"}, "that was a person's word"


def test_only_so_many_are_kept_and_what_is_forgotten_is_forgotten_everywhere() -> None:
    ann = Ears()
    for n in range(KEPT_MAX + 3):
        ann.message("complained", address=digest_of(f"{n}@x.com"))
    held = ann.air["suppressed"]["email"]
    assert list(held) == [digest_of(f"{n}@x.com") for n in range(3, KEPT_MAX + 3)]
    assert {mark for mark in ann.muted if ":" in mark} == {f"email:{digest}" for digest in held}


@pytest.mark.parametrize("named", [{"digest": MAIL}, {"address": " ANN@example.com "}])
def test_an_operator_lifts_a_suppression(named: dict[str, str]) -> None:
    ann = Ears(traits={"email": "ann@example.com"})
    ann.message("bounced", address=MAIL, is_address_dead=True)
    assert not ann.event("suppression_lifted", channel="sms", **named).mutes, "it was not suppressed there"
    assert ann.air["suppressed"]
    ann.event("suppression_lifted", channel="email", **named)
    assert ann.air["suppressed"] == {}
    assert not ann.muted


def test_of_two_profiles_devices_and_bad_addresses_come_along() -> None:
    ann, guest = Ears(), Ears()
    ann.event("device_registered", **PHONE)
    guest.now += 5
    guest.event("device_registered", **PHONE)
    guest.event("device_registered", **WEB)
    guest.message("complained", address=MAIL)
    ann.joins(guest)
    assert {device["seen_at"] for device in ann.air["devices"].values()} == {NOON + 5}
    assert len(ann.air["devices"]) == 2
    assert ann.air["suppressed"] == {"email": {MAIL: "complained"}}
    assert f"email:{MAIL}" in ann.muted


@pytest.mark.parametrize(
    ("chat", "reached"),
    [(77, "77"), ("77", "77"), ("-100123", "-100123"), ("@channel", ""), ("7 7", ""), (True, ""), ("7" * 20, "")],
)
def test_a_chat_is_a_number(chat: object, reached: str) -> None:
    found = addresses_of({"telegram_chat_id": chat}, {}).get("messenger", ())
    assert [address.value for address in found] == ([reached] if reached else [])
