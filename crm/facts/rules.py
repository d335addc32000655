"""Which events tell something of a player under one programme version, compiled once."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from msgspec import Struct

from crm.facts import tones
from crm.facts.contexts import Occasion
from domain.conditions import compile_condition
from domain.reading import READ
from ml.tone import shipped


class ContextRule(Protocol):
    """What a policy says of a context (``crm.tower.policy``)."""

    @property
    def begins_event(self) -> str: ...
    @property
    def begins_where(self) -> Any: ...
    @property
    def ends_event(self) -> str: ...
    @property
    def ends_where(self) -> Any: ...
    @property
    def lasts_ms(self) -> int: ...


TELLING = frozenset(
    (
        *("player_excluded", "self_excluded", "cool_off_started", "account_closed", "player_blocked"),
        *("harm_marker_raised", "harm_marker_cleared", "age_verification_failed", "player_readmitted"),
        *("consent_changed", "consent_confirmed", "suppression_lifted"),
        *("device_registered", "device_removed"),
        *("support_case_opened", "support_case_solved", "round_started", "round_ended"),
        *tones.SPOKEN,
        READ,
    )
)
"""Events that tell something whatever the policy."""


class FactRules(Struct, frozen=True):
    """What the player's side of the tower needs of a programme version."""

    telling: frozenset[str] = TELLING  # names of events that tell something
    contexts: dict[str, tuple[Occasion, ...]] = {}  # event name -> what it begins and ends, endings first
    double_opt_in: frozenset[str] = frozenset()  # channels whose consents must be confirmed
    confirm_template: str = ""
    mood_lasts_ms: int | None = None  # of the built-in context ``negative_mood``, when a hold names it


def _mood(op: str, value: int, words: list[str]) -> dict[str, Any]:
    said: list[dict[str, Any]] = [
        {"field": f"event.properties.{name}", "op": op, "value": value} for name in ("mood", "sentiment")
    ]
    return {"any": [*said, {"field": "event.properties.mood", "op": "in", "value": words}]}


_UPSET = _mood("lt", 0, ["negative", "angry", "upset", "frustrated"])
_PLEASED = _mood("gt", 0, ["positive", "happy", "pleased"])
_LOSS = {"field": "event.properties.net", "op": "lte", "value": -10_000}  # minor units

ALSO: tuple[tuple[str, str, dict[str, Any] | None, bool], ...] = (
    ("fresh_loss", "bet_settled", _LOSS, True),
    *(("negative_mood", name, _UPSET, True) for name in ("support_case_opened", "comment_left")),
    *(("negative_mood", name, _PLEASED, False) for name in ("support_case_opened", "comment_left")),
    ("negative_mood", "support_case_solved", None, False),
    ("complaint_open", "complaint_closed", None, False),
)
"""Further ways in which built-in contexts begin and end, beside the one that the policy's words have room for."""


def compile_facts(
    contexts: Mapping[str, ContextRule],
    *,
    built_in: Collection[str] = (),
    double_opt_in: frozenset[str] = frozenset(),
    confirm_template: str = "",
) -> FactRules:
    """Compile what a policy says of a player's facts.

    Args:
        contexts: Those that are to be told.
        built_in: Which of them the operator left as they are.
    """
    found: dict[str, list[Occasion]] = {}

    def add(context: str, event: str, where: Any, lasts_ms: int, *, begins: bool) -> None:
        condition = compile_condition(where) if where is not None else None
        found.setdefault(event, []).append(Occasion(context, condition, begins, lasts_ms if begins else 0))

    for name, rule in contexts.items():
        add(name, rule.begins_event, rule.begins_where, rule.lasts_ms, begins=True)
        if rule.ends_event:
            add(name, rule.ends_event, rule.ends_where, 0, begins=False)
    for name, event, where, begins in ALSO:
        if name in contexts and name in built_in:
            add(name, event, where, contexts[name].lasts_ms, begins=begins)
    by_event = {event: tuple(sorted(held, key=lambda one: one.begins)) for event, held in found.items()}
    shipped()  # the weights of tone, once a process: a turn reads no files
    is_mood_told = "negative_mood" in contexts and "negative_mood" in built_in
    lasts_ms = contexts["negative_mood"].lasts_ms if is_mood_told else None
    return FactRules(TELLING | by_event.keys(), by_event, double_opt_in, confirm_template, lasts_ms)
