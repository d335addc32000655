"""The CRM's part of a programme version: documents in, rules ready to judge and render out."""

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ValidationError

from crm.campaigns import as_journeys
from crm.choices.rules import ChoiceRules, compile_choices
from crm.config import KINDS, PolicyConfig, SettingsConfig, TemplateConfig
from crm.connectors import connected_channels
from crm.facts import FactRules, compile_facts
from crm.journeys.programme import compile_journeys
from crm.journeys.rules import JourneyRules
from crm.placements import Placement, compile_placements
from crm.recurrence import Scheduled, scheduled_of
from crm.segments import SegmentRules, compile_segments
from crm.templates import Template, compile_template
from crm.tower.config import unknown_templates
from crm.tower.policy import Policy, compile_policy

M = TypeVar("M", bound=BaseModel)
_NONE_OLDER: "Mapping[int, CrmRules]" = {}

DEFAULT_POLICY = PolicyConfig.model_validate(
    {
        "caps": [{"purpose": "promo", "max": 2, "per": "1d"}, {"purpose": "retention", "max": 2, "per": "1d"}],
        "quiet_hours": {"from": "21:00", "until": "08:00", "channels": ["sms", "push"]},
        "holds": [
            {"when": "support_case_open", "purposes": ["promo", "retention"], "for_s": 86_400},
            {"when": "round_in_play", "purposes": ["promo", "retention"], "for_s": 600},
        ],
        "priorities": {"legal": 110, "transactional": 100, "service": 80, "reward": 60, "retention": 40, "promo": 20},
    }
)
"""In force without ``policies/default``. No minimum gap: two rewards of one event would wait for each other."""


class InvalidCrm(Exception):
    """The documents make no programme. Each error reads ``kind/id: path: expected, got``."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class CrmRules(Struct, frozen=True):
    """All the tower and the player's turn need of one programme version."""

    version: int
    policy: Policy
    templates: dict[str, Template]
    timezone: str = "UTC"  # of players whose zone is not known
    locale: str = "en"
    segments: SegmentRules = SegmentRules()
    journeys: JourneyRules = JourneyRules()
    schedules: dict[str, Scheduled] = {}  # journeys and campaigns (``campaigns/<id>``) that begin by the calendar
    watches_players: bool = False  # there are, or were, segments or journeys: turns have a CRM part
    placements: dict[str, Placement] = {}  # by slot
    facts: FactRules = FactRules()
    choices: ChoiceRules = ChoiceRules()


def compile_crm(
    version: int,
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    channels: tuple[str, ...] | None = None,
    older: "Mapping[int, CrmRules]" = _NONE_OLDER,
) -> CrmRules:
    """Validate and compile the CRM's kinds; other kinds are not looked at, but for the names in conditions.

    Args:
        older: Versions that journeys under way may have begun with.
        channels: Those that are connected, by default in-app and those with a connector; requests for others are
            refused or rerouted.

    Raises:
        InvalidCrm: with every error, not only the first.
    """
    errors: list[str] = []
    policies = _validated("policies", PolicyConfig, documents, errors, only="default")
    settings = _validated("settings", SettingsConfig, documents, errors, only="main")
    templates = _validated("templates", TemplateConfig, documents, errors)
    segments = compile_segments(version, documents, errors)
    choices = compile_choices(documents, errors)
    journeys = compile_journeys(
        version,
        documents,
        errors,
        older={number: rules.journeys for number, rules in older.items()},
        choices=choices,
    )
    placements = compile_placements(documents, errors)
    if "default" in policies:
        errors += unknown_templates(policies["default"], documents.get("templates", {}).keys())
    if errors:
        raise InvalidCrm(errors)
    home = settings.get("main", SettingsConfig())
    written = policies.get("default", DEFAULT_POLICY)
    available = channels or connected_channels(documents.get("connectors", {}))
    policy = compile_policy(written, available=available)
    return CrmRules(
        version=version,
        policy=policy,
        templates={name: compile_template(name, config, site=home.site or "") for name, config in templates.items()},
        timezone=home.timezone,
        locale=home.locale,
        segments=segments,
        journeys=journeys,
        schedules=scheduled_of({**documents.get("journeys", {}), **as_journeys(documents, [])}),
        watches_players=any(r.segments.conditions or r.journeys.journeys for r in older.values())
        or bool(segments.conditions or journeys.journeys or choices.choices),
        placements=placements,
        facts=compile_facts(
            policy.contexts,
            built_in=policy.contexts.keys() - written.contexts.keys(),
            double_opt_in=policy.double_opt_in,
            confirm_template=policy.confirm_template,
        ),
        choices=choices,
    )


def _validated(
    kind: str,
    model: type[M],
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]],
    errors: list[str],
    only: str = "",
) -> dict[str, M]:
    assert KINDS[kind] is model
    valid: dict[str, M] = {}
    for name, document in documents.get(kind, {}).items():
        if only and name != only:
            errors.append(f"{kind}/{name}: id: expected {only!r}, the only one there is, got {name!r}")
            continue
        try:
            valid[name] = model.model_validate(document)
        except ValidationError as error:
            errors += [_line(f"{kind}/{name}", found) for found in error.errors(include_url=False)]
    return valid


def _line(where: str, found: Mapping[str, Any]) -> str:
    path = ".".join(str(step) for step in found["loc"]) or "document"
    said = str(found["msg"]).removeprefix("Value error, ")
    shown = repr(found["input"])
    got = "" if ", got" in said else f", got {shown[:60]}"
    return f"{where}: {path}: {said}{got}"
