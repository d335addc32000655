"""What must hold of messages that were really sent, said without the tower's code: lists, wall clocks, nothing clever.

Everything here reads the policy as the operator wrote it and the truth as the player lived it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from domain.entries import MessageRequest

EXEMPT = ("legal", "transactional")  # neither capped nor counted
CALL = ("webhook",)  # it reaches another system: no player is contacted
DAYS = {"1d": 1, "7d": 7}
BUDGET = frozenset({"cap_reached", "minimum_gap", "outranked", "expires_first"})


@dataclass
class Truth:
    """The player as they are, whoever knows it already."""

    zone: str
    consent: dict[str, bool] = field(default_factory=dict)  # as said; takes effect in the player's turn
    exclusions: dict[str, int | None] = field(default_factory=dict)  # reason -> until
    moved: bool = False  # between zones, at any time
    dead: set[str] = field(default_factory=set)  # channels whose address bounced

    def is_excluded(self, at: int) -> bool:
        return any(until is None or at < until for until in self.exclusions.values())


@dataclass
class Sent:
    """A message that was really sent; ``at`` is when, ``heard_at`` when the tower learnt it."""

    request: MessageRequest
    channel: str
    cleared_at: int
    turn: int  # number of the turn that cleared it
    order: int  # of clearance
    rank: int  # its priority class
    at: int
    zone: str  # in which it was cleared
    heard_at: int | None = None
    engaged_at: int | None = None


def wall(at: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))


def forbidden(policy: Mapping[str, Any], truth: Truth, sent: Sent, *, is_legal_notice: bool) -> Iterator[str]:
    """Yield why this message may not be sent at this moment to this player, whatever was sent before."""
    request, channel, at = sent.request, sent.channel, sent.at
    purpose = request.purpose
    if at >= request.expires_at:
        yield "after its expiry"
    if purpose == "legal":
        if not is_legal_notice:
            yield "as legal, and its template is none"
    elif truth.is_excluded(at):
        yield "to an excluded player"
    if purpose != "legal":
        yield from _consents(policy, truth.consent, request, channel)
    if channel in truth.dead:
        yield "to an address that is dead"
    quiet = policy.get("quiet_hours")
    if quiet and channel in quiet["channels"] and purpose not in EXEMPT and is_quiet(quiet, at, sent.zone):
        yield f"at {wall(at, sent.zone)}, in quiet hours"


def _consents(
    policy: Mapping[str, Any], said: Mapping[str, bool], asked: MessageRequest, channel: str
) -> Iterator[str]:
    keys = [asked.purpose, channel] + [f"{asked.product}/{channel}"] * bool(asked.product)
    yield from (f"without consent for {key}" for key in keys if said.get(key) is False)
    required = policy.get("consent", {})
    if asked.purpose in required.get("required_for", ()):
        needed = keys[2:] if asked.product and required.get("products") else keys
        if not any(said.get(key) for key in needed):
            yield f"without any of the consents {needed}"


def is_quiet(quiet: Mapping[str, Any], at: int, zone: str) -> bool:
    """Tell whether the wall clock of the zone shows a time of the window."""
    clock, start, end = f"{wall(at, zone):%H:%M}", quiet["from"], quiet["until"]
    return start <= clock < end if start < end else clock >= start or clock < end


def broken_budgets(policy: Mapping[str, Any], sends: Sequence[Sent], *, moved: bool) -> Iterator[str]:
    """Yield every cap, gap, conflict group and fatigue that a message passed, by the times they were really sent.

    What was cleared later than a message cannot be held against it: messages that are exempt may come at any time.
    """
    for last in sends:
        if last.request.purpose in EXEMPT or last.request.channels == CALL:
            continue
        for cap in policy.get("caps", ()):
            if _stops(cap, last):
                others = [other for other in _before(sends, last, partial(_stops, cap)) if _counts(cap, other)]
                if (most := _most(cap, others, last, moved=moved)) >= cap["max"]:
                    yield f"{last.request.id} by {last.channel} is number {most + 1} of {cap}"
        yield from _too_close(policy, sends, last)
        if fatigue := policy.get("fatigue"):
            yield from _too_much(fatigue, sends, last)


def _before(sends: Sequence[Sent], last: Sent, is_bound: Callable[[Sent], bool]) -> list[Sent]:
    """Return what was cleared before a message and counts.

    Of one class and turn a best set was chosen at once: there only those count that the same rule binds.
    """
    return [
        other
        for other in sends
        if other.request.purpose not in EXEMPT
        and other.request.channels != CALL
        and (
            other.turn < last.turn
            or (other.turn == last.turn and other.rank > last.rank)
            or (other.turn == last.turn and other.rank == last.rank and other.order < last.order and is_bound(other))
        )
    ]


def _too_close(policy: Mapping[str, Any], sends: Sequence[Sent], last: Sent) -> Iterator[str]:
    request = last.request
    gap = policy.get("min_gap_s", 0) * 1_000
    if request.purpose != "service":
        for other in _before(sends, last, lambda other: other.request.purpose != "service"):
            if (between := abs(last.at - other.at)) < gap:
                yield f"{request.id} came {between} ms beside {other.request.id}"
    if request.conflict_group:
        gap = _group_gap(policy, request.conflict_group)
        for other in _before(sends, last, lambda _: True):
            between = abs(last.at - other.at)
            if other.request.conflict_group == request.conflict_group and between < gap:
                yield f"{request.id} came {between} ms beside {other.request.id} of the group {request.conflict_group}"


def _too_much(fatigue: Mapping[str, Any], sends: Sequence[Sent], last: Sent) -> Iterator[str]:
    tires = fatigue["purposes"]
    if last.request.purpose in tires:
        before = _before(sends, last, lambda other: other.request.purpose in tires)
        if (bears := _weight(fatigue, before, last)) >= fatigue["limit"]:
            yield f"{last.request.id} came to a player who bore {bears}"


def _stops(cap: Mapping[str, Any], sent: Sent) -> bool:
    purpose = sent.request.purpose
    if cap.get("channel", sent.channel) != sent.channel:
        return False
    return bool(cap["purpose"] == purpose if "purpose" in cap else purpose not in (*EXEMPT, "service"))


def _counts(cap: Mapping[str, Any], sent: Sent) -> bool:
    return cap.get("purpose", sent.request.purpose) == sent.request.purpose and cap.get("channel", sent.channel) == (
        sent.channel
    )


def _most(cap: Mapping[str, Any], others: Sequence[Sent], last: Sent, *, moved: bool) -> int:
    """Return how many of the others stand in the fullest window of the cap that the last one stands in."""
    days = DAYS[cap["per"]]
    if cap.get("rolling"):
        length = days * 24 * 3_600_000
        starts = [sent.at for sent in (*others, last) if last.at - length < sent.at <= last.at]
        return max(sum(start <= other.at < start + length for other in others) for start in starts)

    def day(sent: Sent) -> date:
        # Where the player moved between zones, a day is that of the clearance: no other is said anywhere.
        at = sent.at if not moved else min(sent.at, last.cleared_at)
        return wall(at, last.zone).date()

    own = wall(last.cleared_at if moved else last.at, last.zone).date()
    first = [own - timedelta(days=n) for n in range(1 if moved else days)]
    if moved:
        first = [own - timedelta(days=days - 1)]
    return max(sum(start <= day(other) < start + timedelta(days=days) for other in others) for start in first)


def _group_gap(policy: Mapping[str, Any], group: str) -> int:
    conflicts = policy.get("conflicts", {})
    return int(conflicts.get("groups", {}).get(group, conflicts.get("gap_s", 86_400))) * 1_000


def _weight(fatigue: Mapping[str, Any], before: Sequence[Sent], last: Sent) -> float:
    """Return what the player bears of what was sent in the week before."""
    total = 0.0
    for other in before:
        if last.at - 7 * 24 * 3_600_000 < other.at <= last.at:
            engaged = other.engaged_at is not None and other.engaged_at <= last.at
            weight = fatigue["engaged_weight"] if engaged else 1.0
            total += weight * 0.5 ** ((last.at - other.at) / 1_000 / fatigue["half_life_s"])
    return round(total, 9)


def had_room(policy: Mapping[str, Any], sends: Sequence[Sent], asked: Sent) -> bool:
    """Tell whether caps and gap would have let this message go, after these others and no more."""
    kept = [*sends, asked]
    caps_and_gap = {name: policy[name] for name in ("caps", "min_gap_s") if name in policy}
    return not any(asked.request.id == told.split()[0] for told in broken_budgets(caps_and_gap, kept, moved=True))
