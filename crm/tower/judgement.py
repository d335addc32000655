"""May this message go to this player now, and by which channel? A pure answer, with its reasons."""

from collections.abc import Iterable

from msgspec import Struct

from crm.tower.airspace import Airspace, Facts, Send
from crm.tower.policy import CHANNELS, UNCOUNTED, Cap, Hold, Policy
from crm.tower.quiet import MINUTE_MS, is_quiet, quiet_until
from crm.tower.why import Reason
from domain.calendar import day_starts_at, local_day
from domain.decisions import Alternative
from domain.entries import MessageRequest


class Cleared(Struct, frozen=True):
    """It goes now. ``rerouted``: not by the channel that was asked for first."""

    channel: str
    rerouted: bool = False
    alternatives: tuple[Alternative, ...] = ()  # channels preferred to this one, and why not


class Held(Struct, frozen=True):
    """It waits; judged again at ``until``, or when a fact ends its reason."""

    until: int  # ms, later than now
    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = ()


class Refused(Struct, frozen=True):
    """It is never sent."""

    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = ()


Verdict = Cleared | Held | Refused


class _Obstacle(Struct, frozen=True):
    """What stands between a message and a channel, and until when: 0 for ever."""

    reason: str
    until: int = 0
    may_end_early: bool = False  # a fact can end it, so expiring before ``until`` is no reason to refuse now


def judge(
    request: MessageRequest,
    airspace: Airspace,
    policy: Policy,
    *,
    now: int,
    timezone: str = "UTC",
    stopped: bool = False,
) -> Verdict:
    """Judge one request against one player's airspace.

    In this order, which is the order of the reasons:

    1. expired: ``expires_at`` is not after ``now``; merged: the id lives on under another;
    2. exclusion: only ``legal`` passes;
    3. consent: withdrawn for the purpose or the channel, or required and not given; ``legal`` passes;
    4. context: an open support case, a round in play, for the purposes that the policy's holds name;
    5. frequency caps; ``legal`` and ``transactional`` pass and do not count, ``service`` counts but is stopped
       only by a cap that names it;
    6. minimum gap since the last counted send; ``legal``, ``transactional`` and ``service`` pass;
    7. quiet hours of the channel in the player's zone; ``legal`` and ``transactional`` pass;
    8. channel: connected or not; the first of the request's that nothing stops.

    1 to 3 end the matter, 4 to 7 make the message wait. It waits for the last of them, on the channel that is free
    first; one that would expire before that is refused with the reasons and ``expires_first``. A hold of step 4
    lasts at most its ``for_s`` after the request and may end at any time, so there the message waits until it
    expires.

    Args:
        now: The turn's time, ms. It decides expiry, caps, gap and quiet hours.
        timezone: Of players whose zone is not known.
        stopped: The store has a confirmed stop for the player; counts as an exclusion.
    """
    if request.expires_at <= now:
        return Refused((Reason.EXPIRED,))
    facts = airspace.facts
    if facts.merged_into:
        return Refused((Reason.PLAYER_MERGED,))
    if request.purpose != "legal" and (stopped or _is_excluded(facts, now)):
        return Refused((Reason.EXCLUDED,))

    zone = facts.timezone or timezone
    held_up: list[Alternative] = []
    free_at: list[tuple[int, tuple[str, ...]]] = []
    channels = _channels(request)
    for channel in channels:
        obstacles = tuple(_obstacles(request, channel, airspace, policy, now=now, zone=zone))
        reasons = tuple(obstacle.reason for obstacle in obstacles)
        if not obstacles:
            asked = request.channels[:1] or ("best",)
            return Cleared(channel, asked[0] not in ("best", channel), tuple(held_up))
        if any(obstacle.until == 0 for obstacle in obstacles):
            held_up.append(Alternative(channel, tuple(o.reason for o in obstacles if o.until == 0)))
            continue
        held_up.append(Alternative(channel, reasons))
        fixed = max((o.until for o in obstacles if not o.may_end_early), default=now)
        if fixed >= request.expires_at:
            free_at.append((request.expires_at, (*reasons, Reason.EXPIRES_FIRST.value)))
        else:
            until = max(obstacle.until for obstacle in obstacles)
            free_at.append((min(until, request.expires_at), reasons))

    possible = [found for found in free_at if Reason.EXPIRES_FIRST not in found[1]]
    if possible:
        until, why = min(possible, key=lambda found: found[0])
        return Held(until, why, tuple(held_up))
    why = free_at[0][1] if free_at else held_up[0].reasons
    return Refused(why, tuple(held_up))


def _channels(request: MessageRequest) -> tuple[str, ...]:
    """The request's channels once each, "best" standing for all in the tower's order."""
    wanted: list[str] = []
    for name in request.channels or ("best",):
        wanted += CHANNELS if name == "best" else (name,)
    return tuple(dict.fromkeys(wanted))


def _is_excluded(facts: Facts, now: int) -> bool:
    excluded = facts.excluded
    return excluded is not None and (excluded.until is None or now < excluded.until)


def _obstacles(
    request: MessageRequest, channel: str, airspace: Airspace, policy: Policy, *, now: int, zone: str
) -> Iterable[_Obstacle]:
    """Yield what stops the request on one channel, in order of judgement, each reason once."""
    purpose, facts = request.purpose, airspace.facts
    if purpose != "legal" and (reason := _consent(purpose, channel, facts.consent, policy)):
        yield _Obstacle(reason)
    for hold in policy.holds:
        if purpose in hold.purposes and _goes_on(hold, facts):
            until = request.requested_at + hold.for_ms
            if until > now:
                yield _Obstacle(hold.reason, until, may_end_early=True)
    capped = [
        _cap_until(cap, airspace.sends, now=now, zone=zone)
        for cap in policy.caps
        if cap.stops(purpose) and cap.channel in ("", channel)
    ]
    if (until := max(capped, default=0)) > now:
        yield _Obstacle(Reason.CAP_REACHED, until)
    if purpose not in UNCOUNTED and purpose != "service" and airspace.sends:
        until = airspace.sends[-1].at + policy.min_gap_ms
        if until > now:
            yield _Obstacle(Reason.MINIMUM_GAP, until)
    quiet = policy.quiet_hours
    if quiet and channel in quiet.channels and purpose not in UNCOUNTED and is_quiet(quiet, now, zone):
        yield _Obstacle(Reason.QUIET_HOURS, quiet_until(quiet, now, zone))
    if channel not in policy.available:
        yield _Obstacle(Reason.CHANNEL_NOT_AVAILABLE)


def _consent(purpose: str, channel: str, consent: dict[str, bool], policy: Policy) -> Reason | None:
    if consent.get(purpose) is False or consent.get(channel) is False:
        return Reason.CONSENT_WITHDRAWN
    given = consent.get(purpose) or consent.get(channel)
    return Reason.CONSENT_MISSING if purpose in policy.consent_required and not given else None


def _goes_on(hold: Hold, facts: Facts) -> bool:
    if hold.context:
        return False
    condition = facts.support_case if hold.reason == Reason.SUPPORT_CASE_OPEN else facts.round_in_play
    return condition.open


def _cap_until(cap: Cap, sends: tuple[Send, ...], *, now: int, zone: str) -> int:
    """Return when the cap next lets a message through; 0: now.

    That is when the oldest of its last ``max`` sends leaves the window: at the start of a local day, or, rolling,
    so long after it.
    """
    counted = [send.at for send in sends if cap.counts(send.purpose, send.channel)]
    if len(counted) < cap.max:
        return 0
    oldest = counted[-cap.max]
    if cap.rolling_ms:
        return oldest + cap.rolling_ms
    free_day = local_day(oldest, zone) + cap.days
    if free_day <= local_day(now, zone):
        return 0
    # In a zone that goes back over midnight the day has begun once already: then look again in a minute.
    return max(day_starts_at(free_day, zone), now + MINUTE_MS)
