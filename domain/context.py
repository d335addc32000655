"""What a condition may ask of the world, and the plain answer of a snapshot."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from domain.entries import Event
from domain.player import Balance, Snapshot, last_tone, scores_of

MAIN_LEVELS = "main"  # the level system that ``player.level`` means
_NOTHING: Mapping[str, Any] = {}


class Context(Protocol):
    """What a condition may ask. ``metric`` and ``segment`` answer None for what they do not know.

    A tree asks only for what it names, so properties that compute cost nothing to the others.
    """

    @property
    def event(self) -> Event | None: ...
    @property
    def traits(self) -> Mapping[str, Any]: ...
    @property
    def wallet(self) -> Mapping[str, Balance]: ...
    @property
    def levels(self) -> Mapping[str, str]: ...
    @property
    def scores(self) -> Mapping[str, float]: ...
    @property
    def tone(self) -> Mapping[str, Any]: ...  # {mood, at, confidence, polarity, language, ...}; {}: nothing was said
    @property
    def journey(self) -> Mapping[str, Any]: ...
    @property
    def now(self) -> int: ...  # ms
    @property
    def zone(self) -> str: ...  # IANA name; "" or an unknown one is UTC
    @property
    def first_seen_at(self) -> int: ...  # ms; 0: never
    @property
    def last_seen_at(self) -> int: ...  # ms; 0: never
    def metric(self, metric_id: str, /) -> int | float | None: ...
    def metric_changes(self, metric_id: str, thresholds: tuple[float, ...], /) -> int: ...
    def segment(self, segment_id: str, /) -> bool | None: ...


def _unknown(_: str) -> None:
    return None


def _never(_: str, __: tuple[float, ...]) -> int:
    return 0


class PlayerContext:
    """A context over a snapshot, for callers outside a turn (the audit, explanations, tests).

    Args:
        now: ms, at which ``metric`` answers too.
        zone: Of players who have told none; the player's own wins.
    """

    __slots__ = (
        "event",
        "first_seen_at",
        "journey",
        "last_seen_at",
        "levels",
        "metric",
        "metric_changes",
        "now",
        "scores",
        "segment",
        "tone",
        "traits",
        "wallet",
        "zone",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        event: Event | None = None,
        *,
        metric: Callable[[str], int | float | None] = _unknown,
        metric_changes: Callable[[str, tuple[float, ...]], int] = _never,
        segment: Callable[[str], bool | None] = _unknown,
        scores: Mapping[str, float] | None = None,
        journey: Mapping[str, Any] = _NOTHING,
        now: int = 0,
        zone: str = "",
    ) -> None:
        profile = snapshot.profile
        self.event = event
        self.traits: Mapping[str, Any] = profile.traits
        self.wallet: Mapping[str, Balance] = snapshot.wallet
        self.levels: Mapping[str, str] = snapshot.progress.levels
        self.scores = scores_of(snapshot) if scores is None else scores
        self.tone = last_tone(snapshot)
        self.journey = journey
        self.now = now
        self.zone = profile.timezone or zone
        self.first_seen_at = profile.first_seen_at
        self.last_seen_at = profile.last_seen_at
        self.metric = metric
        self.metric_changes = metric_changes
        self.segment = segment


def level_of(levels: Mapping[str, str]) -> str | None:
    """Return what ``player.level`` means: the level of ``main``, else of the first system by name."""
    if MAIN_LEVELS in levels:
        return levels[MAIN_LEVELS]
    return levels[min(levels)] if levels else None
