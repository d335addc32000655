"""A compiled policy: what ``policies/default`` says, in the shape the judgement asks for."""

from collections.abc import Mapping
from typing import get_args

from msgspec import Struct, structs

from crm.fields import Purpose
from crm.tower.config import (
    NAMED,
    TOLD,
    CapConfig,
    ContextConfig,
    FatigueConfig,
    HoldConfig,
    PolicyConfig,
    QuietHoursConfig,
    default_contexts,
)
from crm.tower.why import Reason
from domain.conditions import Tree
from domain.entries import MessageRequest

CHANNELS = ("in_app", "push", "email", "sms", "messenger", "webhook")
"""Order in which the tower tries channels when a request leaves it the choice ("best")."""
CHANNELS_AVAILABLE = ("in_app",)

UNCOUNTED = frozenset({"legal", "transactional"})  # neither capped nor counted
HOUR_MS = 3_600_000


def is_call(request: MessageRequest) -> bool:
    """Tell whether it is a call to another system and nothing else: no cap, gap, group, fatigue counts or stops it."""
    return request.channels == ("webhook",)


class Cap(Struct, frozen=True):
    """At most ``max`` matching sends in ``days`` local days, today included; ``rolling_ms`` > 0: in that time."""

    max: int
    days: int
    rolling_ms: int = 0
    purpose: str = ""  # "": every purpose that is not exempt
    channel: str = ""  # "": all channels together

    def stops(self, purpose: str) -> bool:
        """Tell whether the cap may stop a message of a purpose; service only when it names it."""
        return purpose == self.purpose or (not self.purpose and purpose not in UNCOUNTED and purpose != "service")

    def counts(self, purpose: str, channel: str) -> bool:
        """Tell whether a send counts against the cap; service counts as any other does."""
        return (not self.purpose or purpose == self.purpose) and (not self.channel or channel == self.channel)


class QuietHours(Struct, frozen=True):
    """A daily window of the local wall clock, in minutes after midnight; it may pass midnight."""

    start: int
    end: int
    channels: frozenset[str]


class Hold(Struct, frozen=True):
    """A condition of the player that makes some purposes wait."""

    reason: str  # code of ``crm.tower.why``; of an operator's own context ``context:<id>``
    purposes: frozenset[str]
    for_ms: int  # after the request; then the message no longer waits for this
    context: str = ""  # id in ``Policy.contexts``; "": a condition with a fact of its own
    then: str = "hold"  # refuse, escalate
    channels: frozenset[str] = frozenset()  # only these; none: all
    stale_ms: int = 0  # a support case's mood that was said longer ago does not count; 0: it always does


class ContextRule(Struct, frozen=True):
    """When something begins and ends to go on with a player. The trees are as written; who tells it compiles them."""

    begins_event: str
    begins_where: Tree | None
    ends_event: str  # "": only by time
    ends_where: Tree | None
    lasts_ms: int  # after it began; 0: until the event that ends it


class Fatigue(Struct, frozen=True):
    """How much a player bears (``crm.tower.limits``)."""

    limit: float
    half_life_ms: int
    engaged_weight: float
    purposes: frozenset[str]


class Gather(Struct, frozen=True):
    """Messages that wait a moment for others of their kind and go as one."""

    purposes: frozenset[str]
    for_ms: int
    template: str  # "": the most important one's title, the others as lines
    max: int  # in one message


class Approval(Struct, frozen=True):
    """Messages that a person must approve."""

    purposes: frozenset[str]
    channels: frozenset[str] = frozenset()  # none: all
    sources: tuple[str, ...] = ()  # none: all

    def asks(self, purpose: str, channel: str, source: str) -> bool:
        """Tell whether the line concerns a message; ``campaigns/spring`` stands for each of its runs too."""
        if purpose not in self.purposes or (self.channels and channel not in self.channels):
            return False
        return not self.sources or any(
            source == named or source.startswith((f"{named}#", f"{named}/")) for named in self.sources
        )


class ChannelLimit(Struct, frozen=True):
    """What a channel may send over all players; None: no limit of its own."""

    per_day: int | None = None  # UTC day
    per_s: float | None = None


class Plan(Struct, frozen=True):
    """What of the policy concerns one purpose, so that a judgement looks at nothing else."""

    priority: int = 0
    counted: bool = True  # its sends count
    is_legal: bool = False
    caps: tuple[tuple[int, Cap], ...] = ()  # those that may stop it, with their place in ``Policy.caps``
    gap_ms: int = 0
    quiet: QuietHours | None = None
    holds: tuple[Hold, ...] = ()
    fatigue: Fatigue | None = None
    gather: Gather | None = None
    approvals: tuple[Approval, ...] = ()
    grouped: bool = True  # conflict groups concern it
    consent_required: bool = False


class Policy(Struct, frozen=True):
    """What the tower lets through, and when."""

    caps: tuple[Cap, ...] = ()
    min_gap_ms: int = 0
    quiet_hours: QuietHours | None = None
    holds: tuple[Hold, ...] = ()
    priorities: dict[str, int] = {}
    consent_required: frozenset[str] = frozenset()
    available: tuple[str, ...] = CHANNELS_AVAILABLE
    contexts: dict[str, ContextRule] = {}  # those that are declared, and the built-in ones that a hold names
    conflict_gap_ms: int = 0
    conflict_gaps: dict[str, int] = {}  # by group, where it differs
    fatigue: Fatigue | None = None
    gather: tuple[Gather, ...] = ()
    approvals: tuple[Approval, ...] = ()
    channels: dict[str, ChannelLimit] = {}
    consent_products: bool = False
    double_opt_in: frozenset[str] = frozenset()
    confirm_template: str = ""
    plans: dict[str, Plan] = {}

    def plan(self, purpose: str) -> Plan:
        """Return what concerns a purpose; one of another version is treated as any that caps may stop."""
        return self.plans.get(purpose) or plan_of(self, purpose)

    def group_gap_ms(self, group: str) -> int:
        """Return how long after one message of a conflict group the next may go."""
        return self.conflict_gaps.get(group, self.conflict_gap_ms)


def compile_policy(config: PolicyConfig, *, available: tuple[str, ...] = CHANNELS_AVAILABLE) -> Policy:
    """Return the compiled form of a validated policy."""
    consent = config.consent
    contexts = _contexts(config)
    policy = Policy(
        caps=tuple(map(_cap, config.caps)),
        min_gap_ms=config.min_gap_s * 1000,
        quiet_hours=_quiet_hours(config.quiet_hours) if config.quiet_hours else None,
        holds=tuple(_hold(hold, contexts) for hold in config.holds),
        priorities={str(purpose): priority for purpose, priority in config.priorities.items()},
        consent_required=frozenset(consent.required_for),
        available=available,
        contexts=contexts,
        conflict_gap_ms=config.conflicts.gap_s * 1000,
        conflict_gaps={group: gap_s * 1000 for group, gap_s in config.conflicts.groups.items()},
        fatigue=_fatigue(config.fatigue) if config.fatigue else None,
        gather=tuple(Gather(frozenset(g.purposes), g.for_s * 1000, g.template or "", g.max) for g in config.gather),
        approvals=tuple(Approval(frozenset(a.purposes), frozenset(a.channels), a.sources) for a in config.approvals),
        channels={name: ChannelLimit(limit.per_day, limit.per_s) for name, limit in config.channels.items()},
        consent_products=consent.products,
        double_opt_in=frozenset(consent.double_opt_in),
        confirm_template=consent.confirm_template or "",
    )
    return structs.replace(policy, plans={purpose: plan_of(policy, purpose) for purpose in get_args(Purpose)})


def plan_of(policy: Policy, purpose: str) -> Plan:
    """Return what of a policy concerns one purpose."""
    counted = purpose not in UNCOUNTED
    fatigue = policy.fatigue
    return Plan(
        priority=policy.priorities.get(purpose, 0),
        counted=counted,
        is_legal=purpose == "legal",
        caps=tuple((n, cap) for n, cap in enumerate(policy.caps) if cap.stops(purpose)),
        gap_ms=policy.min_gap_ms if counted and purpose != "service" else 0,
        quiet=policy.quiet_hours if counted else None,
        holds=tuple(hold for hold in policy.holds if purpose in hold.purposes),
        fatigue=fatigue if fatigue is not None and purpose in fatigue.purposes else None,
        gather=next((gather for gather in policy.gather if purpose in gather.purposes), None),
        approvals=tuple(approval for approval in policy.approvals if purpose in approval.purposes),
        grouped=counted,
        consent_required=purpose in policy.consent_required,
    )


def _hold(config: HoldConfig, contexts: Mapping[str, ContextRule]) -> Hold:
    context = "" if config.when in TOLD else config.when
    reason = Reason(config.when).value if config.when in NAMED else f"{Reason.CONTEXT.value}:{config.when}"
    return Hold(
        reason,
        frozenset(config.purposes),
        config.for_s * 1000,
        context,
        config.then,
        frozenset(config.channels),
        contexts[context].lasts_ms if context == Reason.NEGATIVE_MOOD else 0,
    )


def _fatigue(config: FatigueConfig) -> Fatigue:
    return Fatigue(config.limit, config.half_life_s * 1000, config.engaged_weight, frozenset(config.purposes))


def _contexts(config: PolicyConfig) -> dict[str, ContextRule]:
    named = {hold.when for hold in config.holds}
    built_in = {name: context for name, context in default_contexts().items() if name in named}
    return {name: _context(context) for name, context in (built_in | config.contexts).items()}


def _context(config: ContextConfig) -> ContextRule:
    ends = config.ends
    return ContextRule(
        config.begins.event,
        config.begins.where,
        ends.event if ends else "",
        ends.where if ends else None,
        (config.lasts_s or 0) * 1000,
    )


def _cap(config: CapConfig) -> Cap:
    days = int(config.per.removesuffix("d"))
    return Cap(
        max=config.max,
        days=days,
        rolling_ms=days * 24 * HOUR_MS if config.rolling else 0,
        purpose=config.purpose or "",
        channel="" if config.channel == "any" else config.channel,
    )


def _quiet_hours(config: QuietHoursConfig) -> QuietHours:
    return QuietHours(_minute(config.from_), _minute(config.until), frozenset(config.channels))


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
