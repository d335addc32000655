"""May this message go to this player now, and by which channel? A pure answer, with its reasons."""

from collections.abc import Collection, Container, Mapping
from types import MappingProxyType

from msgspec import Struct, structs

from crm.addresses import REACHABLE
from crm.facts.consents import CONFIRMS
from crm.tower.airspace import BYTES_MAX, FLYING_MAX, Airspace, Facts
from crm.tower.limits import Obstacle, room_obstacles
from crm.tower.policy import CHANNELS, Hold, Plan, Policy
from crm.tower.quiet import is_quiet, quiet_until
from crm.tower.scores import by_answers, scores
from crm.tower.why import Reason
from domain.decisions import Alternative
from domain.dispatch import URGENT
from domain.entries import ChannelChanged, MessageRequest

CAPACITY_MS = 300_000  # a message that waits for a closed channel is judged again after this, if nothing tells sooner
BUDGET_MS_MAX = 3_600_000  # for a budget that is spent twice as long each time, up to this
FULL_MS = 60_000  # likewise one that waits for others of its player to land
ALL_OPEN: Mapping[str, ChannelChanged] = MappingProxyType({})
_CLOSED = frozenset({Reason.PROVIDER_DOWN.value, Reason.BUDGET_SPENT.value})
_NEEDS_ADDRESS = frozenset(REACHABLE)
_AFTER_OUTRANKED = frozenset({Reason.CAP_REACHED.value, Reason.MINIMUM_GAP.value, Reason.FATIGUE.value})
_NOWHERE: frozenset[str] = frozenset()


class Cleared(Struct, frozen=True):
    """It goes now. ``rerouted``: not by the channel that was asked for first."""

    channel: str
    rerouted: bool = False
    alternatives: tuple[Alternative, ...] = ()  # channels preferred to this one, and why not
    score: int = 0
    consent: tuple[str, ...] = ()  # keys of the consents that were given for it


class Held(Struct, frozen=True):
    """It waits; judged again at ``until``, or when an entry ends its reason."""

    until: int  # ms, later than now
    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = ()


class Escalated(Struct, frozen=True):
    """It waits for a person, until ``until`` at the most: then it expires, or the reason to ask is over."""

    until: int  # ms, later than now
    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = ()


class Refused(Struct, frozen=True):
    """It is never sent."""

    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...] = ()


Verdict = Cleared | Held | Escalated | Refused


class Case(Struct, frozen=True):
    """A request with what became of it so far."""

    request: MessageRequest
    tried: tuple[str, ...] = ()  # channels whose providers refused it
    approved: bool = False
    carries: tuple[str, ...] = ()  # ids of the requests that are part of it
    generation: int = -1  # of its last timer; -1: it never waited
    window: int = -1  # ms, until when it waits for others of its kind; 0: it need not, -1: not said yet


class Light(Struct, frozen=True):
    """What is the same for all that are judged together."""

    policy: Policy
    now: int  # the turn's time, ms; it decides expiry, caps, gap and quiet hours
    timezone: str = "UTC"  # of players whose zone is not known
    stopped: bool = False  # the store has a confirmed stop for the player; counts as an exclusion
    closed: Mapping[str, ChannelChanged] = ALL_OPEN  # channels that can send nothing at the moment
    notices: Container[str] | None = None  # templates that are marked as legal notices; None: all


class Weighed(Struct, frozen=True):
    """A request beside an airspace: the verdict if it were alone, and where it could go."""

    verdict: Verdict
    free: tuple[str, ...] = ()  # channels that nothing stops, in order; only the first unless all were asked for
    channels: tuple[str, ...] = ()  # all that were looked at, in order
    why_not: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # by channel that is not free
    scores: tuple[int, ...] = ()  # beside ``channels``


def judge(
    request: MessageRequest,
    airspace: Airspace,
    policy: Policy,
    *,
    now: int,
    timezone: str = "UTC",
    stopped: bool = False,
    closed: Mapping[str, ChannelChanged] = ALL_OPEN,
) -> Verdict:
    """Judge one request alone; see ``weigh``."""
    return weigh(Case(request), airspace, Light(policy, now, timezone, stopped, closed)).verdict


def weigh(
    case: Case, airspace: Airspace, light: Light, *, every: bool = False, joins: Collection[str] = _NOWHERE
) -> Weighed:
    """Judge one request against one player's airspace.

    In this order, which is the order of the reasons (docs/tower.md, "The order of judgement"):

    1. expired: ``expires_at`` is not after now; merged: the id lives on under another;
    2. exclusion: only ``legal`` passes, and only with a template that is marked as a legal notice;
    3. consent: withdrawn for the purpose, the channel or the product, or required and not given; ``legal`` passes;
    4. address: none, or a suppressed one;
    5. context: what the policy's holds name;
    6. (goals: what they end is withdrawn, ``crm.tower.turn``) conflict groups; ``legal`` and ``transactional`` pass;
    7. frequency caps; ``legal`` and ``transactional`` pass and do not count, ``service`` counts but is stopped
       only by a cap that names it; minimum gap: ``service`` passes too; fatigue, for the purposes that it names;
    8. quiet hours of the channel in the player's zone; ``legal`` and ``transactional`` pass;
    9. channel: connected, with content, not tried in vain; the first of the request's that nothing stops;
    10. capacity: a channel that is closed at the moment;
    11. approval by a person.

    What ends the matter (1 to 4, 9, a hold that refuses) refuses; the others make the message wait, for the last of
    them, on the channel that is free first. One that would expire before that is refused with the reasons and
    ``expires_first``, unless an entry may end the wait sooner: then it waits until it expires.

    Args:
        every: Look at all channels, not only until one is free.
        joins: Channels by which another message goes now that this one may be part of: there it needs no room.
    """
    request, now = case.request, light.now
    plan = light.policy.plan(request.purpose)
    if reason := _end(request, airspace.facts, plan, light):
        return Weighed(Refused((reason.value,)))
    channels = _channels(request, airspace)
    zone = airspace.facts.timezone or light.timezone
    free: list[str] = []
    why_not: dict[str, tuple[str, ...]] = {}
    stopped: list[tuple[str, list[Obstacle]]] = []
    for channel in channels:
        obstacles = _obstacles(case, channel, airspace, light, plan, zone, joins)
        if obstacles:
            stopped.append((channel, obstacles))
            final = any(o.until == 0 for o in obstacles)
            why_not[channel] = tuple(dict.fromkeys(o.reason for o in obstacles if not final or o.until == 0))
        else:
            free.append(channel)
            if not every:
                break
    worth = scores(request, channels, airspace.sends, plan, now)
    weighed = Weighed(_UNSAID, tuple(free), channels, why_not, worth)
    verdict = cleared(weighed, request, free[0], airspace) if free else _stopped(weighed, request, stopped, now)
    return Weighed(verdict, weighed.free, channels, why_not, worth)


def cleared(weighed: Weighed, request: MessageRequest, channel: str, airspace: Airspace) -> Cleared:
    """Return the verdict for one of the channels that are free; one before it was left to another message."""
    place = weighed.channels.index(channel)
    given: tuple[str, ...] = ()
    if consent := airspace.facts.consent:
        given = tuple(key for key in _consent_keys(request, channel) if consent.get(key))
    return Cleared(
        channel,
        bool(request.channels) and request.channels[0] not in ("best", channel),
        _alternatives(weighed, place) if place else (),
        weighed.scores[place],
        given,
    )


_UNSAID = Refused(())


def outranked(verdict: Verdict) -> Verdict:
    """Return the verdict of one that could have gone, had others not gone first: it says so."""
    if not isinstance(verdict, Held | Refused):
        return verdict
    place = next((n for n, reason in enumerate(verdict.reasons) if reason in _AFTER_OUTRANKED), None)
    if place is None:
        return verdict
    reasons = (*verdict.reasons[:place], Reason.OUTRANKED.value, *verdict.reasons[place:])
    return structs.replace(verdict, reasons=reasons)


def other_causes(verdict: Held | Escalated) -> tuple[str, ...]:
    """Return the reasons of channels other than the one it waits for."""
    if len(verdict.alternatives) < 2:
        return ()
    others = dict.fromkeys(reason for other in verdict.alternatives for reason in other.reasons)
    return tuple(reason for reason in others if reason not in verdict.reasons)


def _alternatives(weighed: Weighed, most: int) -> tuple[Alternative, ...]:
    left = (Reason.OUTRANKED.value,)
    return tuple(
        Alternative(channel, weighed.why_not.get(channel, left), score)
        for channel, score in zip(weighed.channels[:most], weighed.scores, strict=False)
    )


def _stopped(
    weighed: Weighed, request: MessageRequest, stopped: list[tuple[str, list[Obstacle]]], now: int
) -> Held | Escalated | Refused:
    """Return the verdict of a message that no channel is free for."""
    alternatives = _alternatives(weighed, len(weighed.channels))
    waits: list[tuple[int, tuple[str, ...]]] = []
    too_late: tuple[str, ...] = ()
    for channel, obstacles in stopped:
        if any(obstacle.until == 0 for obstacle in obstacles):
            continue
        if asking := [obstacle for obstacle in obstacles if obstacle.escalates]:
            until = min(request.expires_at, max(obstacle.until for obstacle in asking))
            return Escalated(until, tuple(dict.fromkeys(obstacle.reason for obstacle in asking)), alternatives)
        fixed = max((o.until for o in obstacles if not o.may_end_early), default=now)
        reasons = weighed.why_not[channel]
        if fixed < request.expires_at:
            waits.append((min(max(o.until for o in obstacles), request.expires_at), reasons))
        elif not too_late:
            too_late = (*reasons, Reason.EXPIRES_FIRST.value)
    if waits:
        until, reasons = min(waits, key=lambda wait: wait[0])
        return Held(until, reasons, alternatives)
    return Refused(too_late or weighed.why_not[weighed.channels[0]], alternatives)


def _end(request: MessageRequest, facts: Facts, plan: Plan, light: Light) -> Reason | None:
    """Return what ends the matter whatever the channel."""
    if request.expires_at <= light.now:
        return Reason.EXPIRED
    if facts.merged_into:
        return Reason.PLAYER_MERGED
    if plan.is_legal:
        is_notice = light.notices is None or request.template in light.notices
        return None if is_notice else Reason.NOT_A_LEGAL_NOTICE
    if light.stopped or ((facts.excluded or facts.exclusions) and _is_excluded(facts, light.now)):
        return Reason.EXCLUDED
    return None


def _is_excluded(facts: Facts, now: int) -> bool:
    excluded = facts.excluded
    if excluded is not None and (excluded.until is None or now < excluded.until):
        return True
    return any(not bar.ends_by_itself or bar.until is None or now < bar.until for bar in facts.exclusions.values())


def _channels(request: MessageRequest, airspace: Airspace) -> tuple[str, ...]:
    """The request's channels once each, "best" standing for all in the tower's order for this player."""
    asked = request.channels
    if len(asked) == 1 and asked[0] != "best":
        return asked
    wanted: list[str] = []
    for name in asked or ("best",):
        wanted += by_answers(CHANNELS, airspace.sends) if name == "best" else (name,)
    return tuple(dict.fromkeys(wanted))


def _obstacles(
    case: Case, channel: str, airspace: Airspace, light: Light, plan: Plan, zone: str, joins: Collection[str]
) -> list[Obstacle]:
    """Return what stops the request on one channel, in order of judgement."""
    request, facts, policy, now = case.request, airspace.facts, light.policy, light.now
    found: list[Obstacle] = []
    if not plan.is_legal and (reason := _consent(request, channel, facts, plan, products=policy.consent_products)):
        found.append(Obstacle(reason.value))
    if channel in _NEEDS_ADDRESS:
        address = facts.reach.get(channel)
        if not address:
            found.append(Obstacle(Reason.NO_ADDRESS.value))
        elif address in facts.suppressed.get(channel, ()):
            found.append(Obstacle(Reason.SUPPRESSED.value))
    if plan.holds and (facts.support_case.open or facts.round_in_play.open or facts.contexts):
        found += holding(case, channel, plan, facts, now)
    if (airspace.sends or request.conflict_group) and channel not in joins:
        found += room_obstacles(request, channel, airspace, policy, plan, now, zone)
    quiet = plan.quiet
    if quiet is not None and channel in quiet.channels and is_quiet(quiet, now, zone):
        found.append(Obstacle(Reason.QUIET_HOURS.value, quiet_until(quiet, now, zone)))
    if channel not in policy.available:
        found.append(Obstacle(Reason.CHANNEL_NOT_AVAILABLE.value))
    if request.contents and not has_content(request, channel):
        found.append(Obstacle(Reason.NO_CONTENT.value))
    if channel in case.tried:
        found.append(Obstacle(Reason.CHANNEL_FAILED.value))
    if channel != "in_app" and (full := _capacity(case, channel, airspace, light)):
        found.append(full)
    if not found and not case.approved and _needs_approval(request, channel, plan):
        found.append(Obstacle(Reason.NEEDS_APPROVAL.value, request.expires_at, may_end_early=True, escalates=True))
    return found


def _needs_approval(request: MessageRequest, channel: str, plan: Plan) -> bool:
    if request.ask_person:
        return True
    return bool(plan.approvals) and any(line.asks(request.purpose, channel, request.source) for line in plan.approvals)


def _consent_keys(request: MessageRequest, channel: str) -> tuple[str, ...]:
    """The keys that concern a message, the most specific first."""
    return consent_keys(request.purpose, channel, request.product)


def _consent(request: MessageRequest, channel: str, facts: Facts, plan: Plan, *, products: bool) -> Reason | None:
    consent = facts.consent
    if not consent and not plan.consent_required:
        return None
    keys = _consent_keys(request, channel)
    if facts.consent_pending and request.source.startswith(CONFIRMS):
        # it asks whether a consent is given again: that it was withdrawn before is no answer
        keys = tuple(key for key in keys if request.source != CONFIRMS + key or key not in facts.consent_pending)
    asked = 1 if products and request.product else len(keys)
    return consent_obstacle(consent, keys, facts.consent_pending, asked=asked if plan.consent_required else 0)


def consent_keys(purpose: str, channel: str, product: str = "") -> tuple[str, ...]:
    """Return the keys of the consents that concern a message, the most specific first."""
    return (f"{product}/{channel}", channel, purpose) if product else (channel, purpose)


def consent_obstacle(
    consent: Mapping[str, bool], keys: tuple[str, ...], pending: Collection[str], *, asked: int
) -> Reason | None:
    """Return which consent stands in the way: one of ``keys`` is withdrawn, or none was given.

    Args:
        consent: What the player has said, by key.
        pending: Keys of consents that wait for a confirmation.
        asked: One of so many of the first keys must be given; 0: none need be.
    """
    said = [consent.get(key) for key in keys]
    if False in said:
        return Reason.CONSENT_WITHDRAWN
    if not asked or any(said[:asked]):
        return None
    return Reason.CONSENT_PENDING if set(keys[:asked]) & set(pending) else Reason.CONSENT_MISSING


def holding(case: Case, channel: str, plan: Plan, facts: Facts, now: int) -> list[Obstacle]:
    """Return what goes on with the player and stands between a message and a channel."""
    return [
        obstacle
        for hold in plan.holds
        if (not hold.channels or channel in hold.channels) and (obstacle := _hold_obstacle(hold, case, facts, now))
    ]


def _hold_obstacle(hold: Hold, case: Case, facts: Facts, now: int) -> Obstacle | None:
    ends = _goes_on_until(hold, facts, case.request.requested_at + hold.for_ms)
    if ends <= now:
        return None
    if hold.then == "refuse":
        return Obstacle(hold.reason)
    if hold.then == "hold":
        return Obstacle(hold.reason, ends, may_end_early=True)
    if case.approved:
        return None
    return Obstacle(hold.reason, ends, may_end_early=True, escalates=True)


def _goes_on_until(hold: Hold, facts: Facts, most: int) -> int:
    """Return until when a condition stands in the way, ``most`` at the latest; 0: it does not."""
    if not hold.context:
        condition = facts.support_case if hold.reason == Reason.SUPPORT_CASE_OPEN else facts.round_in_play
        return most if condition.open else 0
    going = facts.contexts.get(hold.context)
    until = 0 if going is None else going.until or most
    if hold.context == Reason.NEGATIVE_MOOD and facts.mood == "negative":
        until = max(until, facts.mood_at + hold.stale_ms if facts.mood_at and hold.stale_ms else most)
    return min(most, until)


def has_content(request: MessageRequest, channel: str) -> bool:
    """Tell whether there is something to say by a channel; ``content`` is for those without words of their own."""
    return bool(request.contents.get(channel, request.content))


def _capacity(case: Case, channel: str, airspace: Airspace, light: Light) -> Obstacle | None:
    request, now = case.request, light.now
    flying = airspace.flying
    if flying and (len(flying) >= FLYING_MAX or sum(one.size for one in flying.values()) >= BYTES_MAX):
        return Obstacle(Reason.TOO_MANY_FLYING.value, now + FULL_MS, may_end_early=True)
    closed = light.closed.get(channel)
    if closed is None or (closed.reason == Reason.BUDGET_SPENT and request.purpose in URGENT):
        return None
    reason = closed.reason if closed.reason in _CLOSED else Reason.PROVIDER_DOWN.value
    until = now + CAPACITY_MS
    if reason == Reason.BUDGET_SPENT:
        until = now + min(CAPACITY_MS << min(case.generation + 1, 8), BUDGET_MS_MAX)
    return Obstacle(reason, min(until, closed.until) if closed.until > now else until, may_end_early=True)
