"""A compiled policy: what ``policies/default`` says, in the shape the judgement asks for."""

from msgspec import Struct

from crm.config import CapConfig, PolicyConfig, QuietHoursConfig
from crm.tower.why import Reason

CHANNELS = ("in_app", "push", "email", "sms", "messenger", "webhook")
"""Order in which the tower tries channels when a request leaves it the choice ("best")."""
CHANNELS_AVAILABLE = ("in_app",)

UNCOUNTED = frozenset({"legal", "transactional"})  # neither capped nor counted
HOUR_MS = 3_600_000


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

    reason: Reason
    purposes: frozenset[str]
    for_ms: int  # after the request; then the message no longer waits for this


class Policy(Struct, frozen=True):
    """What the tower lets through, and when."""

    caps: tuple[Cap, ...] = ()
    min_gap_ms: int = 0
    quiet_hours: QuietHours | None = None
    holds: tuple[Hold, ...] = ()
    priorities: dict[str, int] = {}
    consent_required: frozenset[str] = frozenset()
    available: tuple[str, ...] = CHANNELS_AVAILABLE


def compile_policy(config: PolicyConfig, *, available: tuple[str, ...] = CHANNELS_AVAILABLE) -> Policy:
    """Return the compiled form of a validated policy."""
    return Policy(
        caps=tuple(map(_cap, config.caps)),
        min_gap_ms=config.min_gap_s * 1000,
        quiet_hours=_quiet_hours(config.quiet_hours) if config.quiet_hours else None,
        holds=tuple(Hold(Reason(hold.when), frozenset(hold.purposes), hold.for_s * 1000) for hold in config.holds),
        priorities={str(purpose): priority for purpose, priority in config.priorities.items()},
        consent_required=frozenset(config.consent.required_for),
        available=available,
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
