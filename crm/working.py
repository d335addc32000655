"""The working state of one player's CRM turn: parts copied on first write, and what happened so far, in order.

It comes after the game's rules and sees what they changed. It is also the ``Context`` that its conditions are asked in.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import structs

from crm.choices.chance import NO_CHANCE, Chance
from domain.choices import Choices
from domain.effects import Effect, MessageWithdrawn, PatternChanged
from domain.entries import Entry, Event, MessageRequest, TimerFired, Withdrawn
from domain.player import Balance, Identity, JourneyRecord, Profile, Segments, Snapshot, last_tone, scores_of
from domain.step import Grant, GroupOp, Step, TimerOp

MESSAGE_LIFE_MS = 86_400_000  # a request older than this is not worth sending
_NO_JOURNEY: Mapping[str, Any] = {}


class World(Protocol):
    """What the CRM asks of the game's rules: metrics, as they stand after the game's part of the turn."""

    def metric(self, state: Snapshot, metric_id: str, now: int, /) -> int | float | None:
        """Return a metric's value at turn time; None when it has none, or is not known."""

    def metric_changes(self, state: Snapshot, metric_id: str, now: int, thresholds: tuple[float, ...], /) -> int:
        """Return the next ms at which time alone may move the metric past one of the thresholds; 0: never."""


class Turn:
    """Mutable, and gone with the turn; only ``finished`` leaves it.

    Args:
        before: The player before this part of the turn: what differs in ``start`` is what conditions may react to.
        start: The player now.
        at: Turn time, ms.
        cause: Id of the event, command, timer or walk behind the turn.
        event: What the client sent, if this turn is an event's.
        by: Why segments change in this turn, as ``SegmentEntered.by`` names it.
        chance: What draws need.
        seen: What was unlike the player in this turn.
    """

    __slots__ = (
        "at",
        "before",
        "by",
        "cause",
        "chance",
        "choices",
        "effects",
        "entered",
        "event",
        "first_seen_at",
        "grants",
        "groups",
        "identity",
        "journey",
        "journeys",
        "last_seen_at",
        "left",
        "levels",
        "now",
        "player",
        "profile",
        "relays",
        "requests",
        "seen",
        "segments",
        "start",
        "timers",
        "told",
        "traits",
        "wallet",
        "world",
        "zone",
    )

    def __init__(
        self,
        world: World,
        before: Snapshot,
        start: Snapshot,
        at: int,
        cause: str,
        *,
        timezone: str,
        event: Event | None = None,
        by: str = "event",
        chance: Chance = NO_CHANCE,
        seen: tuple[PatternChanged, ...] = (),
    ) -> None:
        self.world = world
        self.before = before
        self.start = start
        self.player = start.player
        self.at = self.now = at
        self.cause = cause
        self.event = event
        self.by = by
        self.seen = seen
        self.segments: Segments = start.segments
        self.journeys: dict[str, JourneyRecord] = start.journeys
        self.identity: Identity = start.identity
        self.choices: Choices = start.choices
        self.chance = chance
        self.profile: Profile = start.profile
        self.traits: Mapping[str, Any] = start.profile.traits
        self.zone = start.profile.timezone or timezone
        self.first_seen_at = start.profile.first_seen_at
        self.last_seen_at = start.profile.last_seen_at
        self.wallet: Mapping[str, Balance] = start.wallet
        self.levels: Mapping[str, str] = start.progress.levels
        self.journey: Mapping[str, Any] = _NO_JOURNEY  # what ``journey.*`` means while a journey's conditions are asked
        self.entered: list[str] = []  # segments entered in this turn
        self.left: list[str] = []
        self.effects: list[Effect] = []
        self.timers: list[TimerOp] = []
        self.requests: list[MessageRequest] = []
        self.groups: list[GroupOp] = []
        self.relays: list[Entry] = []
        self.grants: list[Grant] = []
        self.told: list[Entry] = []  # for the tower, beside facts and requests

    # what conditions ask

    @property
    def scores(self) -> Mapping[str, float]:
        """As the models' part of this turn has left them; made when asked for, which few conditions do."""
        return scores_of(self.start)

    @property
    def tone(self) -> Mapping[str, Any]:
        """Return the mood last said or read, this turn's text included."""
        return last_tone(self.start)

    def metric(self, metric_id: str) -> int | float | None:
        """Return a metric's value at turn time."""
        return self.world.metric(self.start, metric_id, self.at)

    def metric_changes(self, metric_id: str, thresholds: tuple[float, ...]) -> int:
        """Return when time alone may move the metric past a threshold, ms; 0: never."""
        return self.world.metric_changes(self.start, metric_id, self.at, thresholds)

    def segment(self, segment_id: str) -> bool | None:
        """Return whether the player is in a segment, as this turn has judged it so far."""
        return segment_id in self.segments.member

    # what rules do

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile
        self.traits = profile.traits

    def set_journey(self, journey_id: str, record: JourneyRecord) -> None:
        if self.journeys is self.start.journeys:
            self.journeys = dict(self.journeys)
        self.journeys[journey_id] = record

    def set_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.player, kind, ref, due, generation)))

    def clear_timer(self, kind: str, ref: str, due: int, generation: int = 0) -> None:
        self.timers.append(TimerOp(TimerFired(self.player, kind, ref, due, generation), set=False))

    def ask_for_message(
        self,
        template: str,
        purpose: str,
        key: str,
        variables: dict[str, Any],
        *,
        channels: tuple[str, ...] = ("best",),
        life_ms: int = MESSAGE_LIFE_MS,
        priority: int | None = None,
        conflict_group: str = "",
        source: str = "",
        product: str = "",
        goal: dict[str, Any] | None = None,
        ask_person: bool = False,
        tells: bool = False,
    ) -> None:
        """Ask the tower to tell the player. ``key`` names the occurrence; the actor makes the request's id of it.

        ``variables`` are the template's, not yet rendered; ``tone`` among them picks a variant.
        """
        self.requests.append(
            MessageRequest(
                self.player,
                key,
                template,
                purpose,
                channels,
                requested_at=self.at,
                expires_at=self.at + life_ms,
                content=variables,
                priority=priority,
                conflict_group=conflict_group,
                cause=self.cause,
                product=product,
                source=source,
                goal=goal or {},
                ask_person=ask_person,
                tells=tells,
            )
        )

    def withdraw(self, source: str, reason: str) -> None:
        """Take back what a source asked for before this turn and was not sent yet."""
        self.told.append(Withdrawn(self.player, reason, source=source, cause=self.cause))
        self.effects.append(MessageWithdrawn(reason, source=source))

    def finished(self) -> Step[Snapshot]:
        """Return the step; parts that nothing changed are the very same objects."""
        start, state = self.start, self.start
        if (
            self.segments is not start.segments
            or self.journeys is not start.journeys
            or self.identity is not start.identity
            or self.profile is not start.profile
            or self.choices is not start.choices
        ):
            state = structs.replace(
                start,
                profile=self.profile,
                segments=self.segments,
                journeys=self.journeys,
                identity=self.identity,
                choices=self.choices,
            )
        return Step(
            state,
            tuple(self.effects),
            tuple(self.timers),
            (),
            tuple(self.requests),
            tuple(self.groups),
            tuple(self.relays),
            tuple(self.grants),
            told=tuple(self.told),
        )
