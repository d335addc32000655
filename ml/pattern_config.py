"""Configuration of patterns and intent, as people write it, and compiled for the turn."""

import math
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from domain.durations import duration_s
from domain.habits import HELP, LEAVE, PAY, TROUBLE

LENGTH, STAKE, HOURS = "session_length", "stake", "hours"
SINGLE = "single"  # this session is out of the player's own 99th percentile
LASTING = "lasting"  # several are higher than usual, and it stays so (CUSUM)
LIMIT = "limit"  # the operator's limit, whatever is usual

Duration = Annotated[int, BeforeValidator(duration_s), Field(le=366 * 86_400)]
Pattern = Literal[
    "session_length.single",
    "session_length.lasting",
    "session_length.limit",
    "stake.single",
    "stake.lasting",
    "hours.lasting",
]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=100)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IntentConfig(_Document):
    """What an event says of the intent, beside what its signal says (a bet is play, a withdrawal is a way out).

    Names that end in ``_failed``, ``_error``, ``_declined`` or ``_rejected`` are trouble anyway.
    """

    pay: Words = ("deposit_started", "checkout_started", "cart_viewed", "product_added", "payment_info_entered")
    trouble: Words = ("error_shown", "form_abandoned", "search_empty", "login_failed")
    help: Words = ("support_case_opened", "help_opened", "faq_viewed", "chat_opened")
    leave: Words = ("logged_out", "account_close_started", "unsubscribe_opened", "withdrawal_started")
    places: Words = ("page", "path", "screen", "game", "product_id")  # properties that say where, the first one found


class PatternConfig(_Document):
    """Thresholds. Those of the detectors are in the player's own standard deviations of the log.

    The defaults were measured on real sessions (docs/patterns.md): z 2.33 is a player's own 99th percentile,
    ``cusum_k`` half the shift looked for, ``cusum_h`` the alarm.
    """

    enabled: bool = True
    sessions_min: Annotated[int, Field(ge=3, le=100)] = 8  # before that it cannot be told what is usual
    memory: Annotated[int, Field(ge=10, le=500)] = 40  # sessions that "usual" looks back on, fading
    z: Annotated[float, Field(ge=1, le=6)] = 2.33
    cusum_k: Annotated[float, Field(gt=0, le=2)] = 0.5
    cusum_h: Annotated[float, Field(ge=1, le=20)] = 4.0
    erratic: Annotated[float, Field(gt=0, le=5)] = 1.25  # sd of the log above which one session tells nothing
    session_at_least: Duration | Literal[0] = 3_600  # shorter ones are never long
    session_limit: Duration | None = 4 * 3_600  # told whatever is usual; none: never
    stakes_min: Annotated[int, Field(ge=1, le=1000)] = 5  # bets of a session before its stakes are judged
    stake_at_least: Annotated[float, Field(ge=0)] = 0.0  # major units
    hours_h: Annotated[float, Field(ge=1, le=20)] = 6.0  # of log likelihood, for sessions at strange hours
    usual_session: Duration = 20 * 60  # of all players, where a player's own are few
    spread: Annotated[float, Field(gt=0, le=5)] = 0.9  # sd of the log of one player's sessions, of all players
    markers: Annotated[tuple[Pattern, ...], Field(max_length=6)] = ()  # treated as markers of harm
    intent: IntentConfig = IntentConfig()


class IntentPlan(Struct, frozen=True):
    """Compiled ``IntentConfig``."""

    kinds: dict[str, int]  # event name -> gesture (``domain.habits``)
    places: tuple[str, ...]


class PatternPlan(Struct, frozen=True):
    """Compiled ``PatternConfig``: what ``ml.patterns.watch`` asks for."""

    session_gap_ms: int
    sessions_min: int
    memory: float
    z: float
    cusum_k: float
    cusum_h: float
    erratic: float
    session_at_least_ms: int
    session_limit_ms: int  # 0: none
    stakes_min: int
    stake_at_least: float
    hours_h: float
    usual_length: float  # log minutes
    spread: float
    markers: frozenset[str]
    intent: IntentPlan


def compile_patterns(config: PatternConfig, session_gap_ms: int) -> PatternPlan | None:
    """Return the plan, None when nothing is to be watched."""
    if not config.enabled:
        return None
    said = config.intent
    kinds = {  # of a name in two lists the latter counts
        name: kind
        for kind, names in ((PAY, said.pay), (TROUBLE, said.trouble), (HELP, said.help), (LEAVE, said.leave))
        for name in names
    }
    return PatternPlan(
        session_gap_ms,
        config.sessions_min,
        float(config.memory),
        config.z,
        config.cusum_k,
        config.cusum_h,
        config.erratic,
        config.session_at_least * 1000,
        (config.session_limit or 0) * 1000,
        config.stakes_min,
        config.stake_at_least,
        config.hours_h,
        math.log(config.usual_session / 60),
        config.spread,
        frozenset(config.markers),
        IntentPlan(kinds, said.places),
    )
