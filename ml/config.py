"""Configuration of the models as operators write it (``models/churn``), and what a turn reads of it.

One document says which events are bets, deposits and so on; every other event of a player only shows presence. Without
the document nothing is computed and nothing is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.durations import duration_s
from domain.entries import Event
from domain.event_fields import check_path, field_value, keys_of
from domain.receipts import TYPE, outcome_of
from ml.features import SESSION_GAP_MS, Kind, Signal
from ml.pattern_config import PatternConfig, PatternPlan, compile_patterns

DOCUMENT = "churn"  # the one id of the kind ``models``
HORIZONS_DAYS = (7, 14, 28)  # what the net has heads for
PRESENCE = frozenset(("track", "page", "screen"))  # identify, group and alias are often sent by servers in bulk

_DAY_S = 86_400
_OTHER = Signal("other")
_MESSAGES: Mapping[str, Kind] = {"sent": "received", "opened": "responded", "clicked": "responded"}  # by outcome


EventName = Annotated[str, Field(min_length=1, max_length=200)]
FieldPath = Annotated[str, Field(max_length=200), AfterValidator(check_path)]
Duration = Annotated[int, BeforeValidator(duration_s)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalConfig(_Document):
    """Which event it is and where its amount stands: of money in minor units, of a session in seconds."""

    event: EventName
    amount: FieldPath | None = None
    game: FieldPath | None = None  # what was played, to tell how many different games a player knows


class SignalsConfig(_Document):
    bet: SignalConfig | None = None
    win: SignalConfig | None = None
    deposit: SignalConfig | None = None
    withdrawal: SignalConfig | None = None
    purchase: SignalConfig | None = None
    session: SignalConfig | None = None  # an event at a session's end; without one, sessions are told by silences

    @model_validator(mode="after")
    def _one_meaning_an_event(self) -> Self:
        meant: dict[str, str] = {}
        for kind, said in self.by_kind().items():
            if said.event in meant:
                raise ValueError(f"expected distinct events, got {said.event!r} for {meant[said.event]} and {kind}")
            meant[said.event] = kind
        return self

    def by_kind(self) -> dict[Kind, SignalConfig]:
        """Return what is configured, by kind."""
        named: dict[Kind, SignalConfig | None] = {
            "bet": self.bet,
            "win": self.win,
            "deposit": self.deposit,
            "withdrawal": self.withdrawal,
            "purchase": self.purchase,
            "session": self.session,
        }
        return {kind: said for kind, said in named.items() if said is not None}


class ModelsConfig(_Document):
    """``models/churn``: what the models take for behaviour, and how far ahead ``player.scores.churn`` looks."""

    enabled: bool = True
    horizon: Duration = 14 * _DAY_S
    session_gap: Annotated[Duration, Field(ge=60, le=_DAY_S)] = SESSION_GAP_MS // 1000
    signals: SignalsConfig = SignalsConfig()
    ignore: Annotated[tuple[EventName, ...], Field(max_length=100)] = ()
    """Events that do not show the player to be there, such as a payout that a bank confirms days later."""
    minor_units: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 100  # of money, in one major unit
    patterns: PatternConfig = PatternConfig()  # what counts as unlike the player; ``enabled: false``: not watched

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.horizon not in {days * _DAY_S for days in HORIZONS_DAYS}:
            raise ValueError(f"horizon: expected 7d, 14d or 28d, got {self.horizon} seconds")
        meant = {said.event: kind for kind, said in self.signals.by_kind().items()}
        for name in self.ignore:
            if name in meant:
                raise ValueError(f"ignore: expected events that mean nothing, but {name!r} is a {meant[name]}")
        return self


KINDS: dict[str, type[BaseModel]] = {"models": ModelsConfig}


@dataclass(frozen=True, slots=True)
class SignalRule:
    """How an event of one name is read."""

    kind: Kind
    amount: tuple[str, ...]  # path; empty: none
    game: tuple[str, ...]
    units: float  # what the amount is divided by


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The document, compiled: what a turn reads."""

    horizon_days: Literal[7, 14, 28] = 14
    session_gap_ms: int = SESSION_GAP_MS
    rules: Mapping[str, SignalRule] = field(default_factory=dict)  # by event name
    ignored: frozenset[str] = frozenset()
    patterns: PatternPlan | None = None  # None: not watched

    def signal(self, event: Event) -> Signal | None:
        """Return what the event means to the models; None: nothing.

        What became of a message is told (``ml.features.MESSAGE_KINDS``), and does not show the player to be there.
        """
        if event.type not in PRESENCE or event.name in self.ignored:
            return _message(event) if event.type == TYPE else None
        rule = self.rules.get(event.name)
        if rule is None:
            return _OTHER
        amount = field_value(event, rule.amount) if rule.amount else None
        game = field_value(event, rule.game) if rule.game else None
        return Signal(rule.kind, _number(amount) / rule.units, game if isinstance(game, str) else "")


def compile_models(config: ModelsConfig) -> ModelPlan | None:
    """Return the plan; None when the models are switched off."""
    if not config.enabled:
        return None
    return ModelPlan(
        config.horizon // _DAY_S,  # type: ignore[arg-type]  # validated: one of HORIZONS_DAYS
        config.session_gap * 1000,
        {said.event: _rule(kind, said, config.minor_units) for kind, said in config.signals.by_kind().items()},
        frozenset(config.ignore),
        compile_patterns(config.patterns, config.session_gap * 1000),
    )


def _message(event: Event) -> Signal | None:
    kind, name = _MESSAGES.get(outcome_of(event)), event.properties.get("message_id")
    return Signal(kind, game=name) if kind and isinstance(name, str) else None


def _rule(kind: Kind, said: SignalConfig, minor_units: int) -> SignalRule:
    units = 1.0 if kind == "session" else float(minor_units)
    return SignalRule(kind, keys_of(said.amount), keys_of(said.game), units)


def _number(value: object) -> float:
    """Return the number as a float, 0.0 for what is none (the sender is not trusted)."""
    if type(value) is float:
        return value
    return float(value) if type(value) is int and -(2**63) <= value < 2**64 else 0.0
