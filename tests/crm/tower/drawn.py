"""Drawn policies, requests and places: what the laws of the tower are tried with (``test_properties.py``)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from domain.entries import MessageRequest

HOUR = 3_600_000
DAY = 24 * HOUR
CHANNELS = ("in_app", "push", "email", "sms", "messenger", "webhook")
PURPOSES = ("promo", "promo", "promo", "retention", "retention", "reward", "service", "transactional", "legal")
PRODUCTS = ("betting", "casino")
GROUPS = ("welcome", "spring")
ZONES = (
    *("Africa/Cairo", "Africa/Casablanca", "America/Havana", "America/Los_Angeles", "America/New_York"),
    *("America/Nuuk", "America/Santiago", "America/St_Johns", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza"),
    *("Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo", "Atlantic/Azores", "Australia/Adelaide"),
    *("Australia/Lord_Howe", "Australia/Sydney", "Europe/Chisinau", "Europe/Kyiv", "Europe/Lisbon", "Europe/London"),
    *("Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Kiritimati", "Pacific/Norfolk"),
    "UTC",
)
YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def changes(zone: str) -> tuple[int, ...]:
    """Return when the zone's clock is set in the year, ms; any day where it never is."""
    tz, found = ZoneInfo(zone), []
    for day in range(365):
        at = YEAR + timedelta(days=day)
        if _offset(at, tz) != _offset(at + timedelta(days=1), tz):
            while _offset(at, tz) == _offset(at + timedelta(minutes=30), tz):
                at += timedelta(minutes=30)
            found.append(int((at + timedelta(minutes=30)).timestamp() * 1_000))
    return tuple(found) or (int(datetime(2026, 3, 10, tzinfo=UTC).timestamp() * 1_000),)


def _offset(at: datetime, tz: ZoneInfo) -> timedelta | None:
    return at.astimezone(tz).utcoffset()


def drawn_start(r: Random, zone: str) -> int:
    """Return a moment up to two days before a clock change of the zone."""
    return r.choice(changes(zone)) - r.randrange(2 * DAY)


def drawn_clock(r: Random) -> str:
    return f"{r.randrange(24):02}:{r.choice([0, 0, 15, 30, 45, r.randrange(60)]):02}"


def drawn_policy(r: Random) -> dict[str, Any]:
    """Return ``policies/default`` as an operator might write it."""
    policy: dict[str, Any] = {
        "caps": [_cap(r) for _ in range(r.choice([0, 1, 1, 2, 4]))],
        "priorities": {"legal": 100, "transactional": 90, "service": 80, "reward": 60, "retention": 40, "promo": 20},
    }
    if r.random() < 0.2:
        policy["priorities"] = {purpose: r.choice([10, 20, 20]) for purpose in set(PURPOSES)}
    if r.random() < 0.4:
        policy["min_gap_s"] = r.choice([30, 600, 7_200])
    if r.random() < 0.6:
        start, end = drawn_clock(r), drawn_clock(r)
        if start != end:
            silent = r.sample(CHANNELS, r.randint(1, len(CHANNELS)))
            policy["quiet_hours"] = {"from": start, "until": end, "channels": silent}
    if r.random() < 0.5:
        policy["holds"] = [_hold(r) for _ in range(r.randint(1, 2))]
    if r.random() < 0.3:
        required = r.sample(["promo", "retention", "reward"], r.randint(1, 2))
        policy["consent"] = {"required_for": required, "products": r.random() < 0.5}
    if r.random() < 0.5:
        policy["conflicts"] = {"gap_s": r.choice([0, 3_600, 86_400]), "groups": {"spring": r.choice([60, 40_000])}}
    if r.random() < 0.3:
        policy["fatigue"] = {
            "limit": r.choice([0.5, 1.5, 4]),
            "half_life_s": r.choice([3_600, 86_400]),
            "engaged_weight": r.choice([0, 0.5, 1]),
            "purposes": r.choice([["promo", "retention"], ["promo"]]),
        }
    if r.random() < 0.35:
        policy["gather"] = [{"purposes": r.choice([["promo"], ["promo", "retention"]]), "for_s": r.choice([60, 7_200])}]
    if r.random() < 0.3:
        policy["approvals"] = [{"purposes": [r.choice(["promo", "retention", "service"])]}]
    return policy


def _cap(r: Random) -> dict[str, Any]:
    cap: dict[str, Any] = {"max": r.choice([1, 1, 2, 3]), "per": r.choice(["1d", "1d", "7d"])}
    if r.random() < 0.6:
        cap["purpose"] = r.choice(["promo", "promo", "retention", "reward", "service"])
    if r.random() < 0.4:
        cap["channel"] = r.choice(CHANNELS)
    if r.random() < 0.4:
        cap["rolling"] = True
    return cap


def _hold(r: Random) -> dict[str, Any]:
    hold: dict[str, Any] = {
        "when": r.choice(["support_case_open", "round_in_play"]),
        "purposes": r.sample(["promo", "retention", "reward", "service"], r.randint(1, 3)),
        "for_s": r.choice([600, 86_400]),
    }
    if r.random() < 0.3:
        hold["then"] = r.choice(["refuse", "escalate"])
    if r.random() < 0.3:
        hold["channels"] = r.sample(CHANNELS, 2)
    return hold


def drawn_requests(r: Random, first: int, count: int, now: int) -> list[MessageRequest]:
    """Return requests of one moment, of any purpose, by any channels; often several of a kind."""
    alike: dict[str, Any] = {}
    if r.random() < 0.5:
        alike = {"purpose": r.choice(["promo", "retention"]), "conflict_group": "", "product": "", "template": "offer"}
    return [_request(r, number, now, alike) for number in range(first, first + count)]


def _request(r: Random, number: int, now: int, alike: dict[str, Any]) -> MessageRequest:
    purpose = r.choice(PURPOSES)
    drawn: dict[str, Any] = {
        "template": "notice" if purpose == "legal" and r.random() < 0.8 else "offer",
        "purpose": purpose,
        "channels": r.choice([("best",), ("in_app",), tuple(r.sample(CHANNELS, r.randint(1, 3)))]),
        "expires_at": now + r.choice([60_000, HOUR, 12 * HOUR, 2 * DAY]),
        "content": {"title": f"Message {number}", "body": "Come and see"},
        "priority": r.choice([None, None, None, 20, 50]),
        "conflict_group": r.choice(["", "", *GROUPS]),
        "product": r.choice(["", "", *PRODUCTS]),
        "source": r.choice(["api", "journeys/welcome#1", "campaigns/spring#1"]),
        "ask_person": r.random() < 0.03,
    }
    return MessageRequest(player="ann", id=f"r{number}", requested_at=now, **{**drawn, **alike})
