"""What a template is filled with. Only what it names is computed: rendering is a tenth of a host's time.

Missions come from the game's rules and texts from the CRM's, which do not know each other; they meet here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from actors.programme import Programme
from crm.sources import ANY
from crm.templates import Template
from domain.calendar import as_datetime
from domain.entries import Event
from domain.player import Snapshot, last_tone
from gamification.rewards import local_text
from gamification.view import missions_view

RECOMMENDED_MAX = 3
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OPEN = ("available", "in_progress")

Scene = tuple[Programme, Snapshot, int, Event | None]  # programme, player, turn time in ms, what the turn is about


def filled_in(template: Template, given: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
    """Return the variables of a template for one player at one moment.

    Args:
        given: What a rule, a journey or a caller brings; only ``player`` cannot be given.
    """
    variables = dict(given)
    for root in template.names:
        if root == "player" or (root in _ROOTS and root not in given):
            variables[root] = _ROOTS[root](template, scene)
    if template.tones and "player" not in template.names:  # the trait tone picks the texts
        variables["player"] = {"traits": scene[1].profile.traits}
    return variables


def _player(template: Template, scene: Scene) -> dict[str, Any]:
    """Return the parts of the player that the template names; all of them when it computes names."""
    named = _PARTS if ANY in template.parts else template.parts
    parts = {name: _PARTS[name](scene) for name in named if name in _PARTS}
    if template.tones:
        parts["traits"] = scene[1].profile.traits
    return parts


def _event(_: Template, scene: Scene) -> dict[str, Any]:
    event = scene[3]
    if event is None:
        return {}
    return {
        "id": event.id,
        "name": event.name,
        "occurred_at": event.occurred_at / 1000,
        "properties": event.properties,
        "context": event.context,
    }


def _now(_: Template, scene: Scene) -> dict[str, str]:
    """Return the player's local day and time."""
    programme, state, at, _event = scene
    local = as_datetime(at, state.profile.timezone or programme.crm.timezone)
    return {"date": local.date().isoformat(), "time": f"{local:%H:%M}", "weekday": _WEEKDAYS[local.weekday()]}


def _missions(_: Template, scene: Scene) -> list[dict[str, Any]]:
    return _shown_missions(scene)


def _recommendations(_: Template, scene: Scene) -> dict[str, Any]:
    """Return the three open missions that are nearest to done: a plain rule, until models know better."""
    held = [mission for mission in _shown_missions(scene) if mission["status"] in _OPEN]
    nearest = sorted(held, key=lambda mission: (-mission["progress"], mission["id"]))
    return {"missions": nearest[:RECOMMENDED_MAX]}


def _shown_missions(scene: Scene) -> list[dict[str, Any]]:
    programme, state, at, _event = scene
    locale = state.profile.locale or programme.crm.locale
    return [
        {
            "id": mission["id"],
            "name": local_text(mission["name"], locale, mission["id"]),
            "status": mission["status"],
            "completed_count": mission["completed_count"],
            "tasks": mission["tasks"],
            "progress": _progress(mission["tasks"]),
            "rewards": [{key: said for key, said in reward.items() if key != "kind"} for reward in mission["rewards"]],
        }
        for mission in missions_view(programme.rules, state, at)
    ]


def _progress(tasks: list[dict[str, Any]]) -> int:
    """Return how much of a mission is done, in whole per cent: every task counts the same."""
    done = [min(task["actual"] / task["expected"], 1.0) for task in tasks if task["expected"]]
    return int(100 * sum(done) / len(done)) if done else 0


def _tone(scene: Scene) -> dict[str, Any]:
    """Return the mood last said or read, with its age; {} when none was."""
    _, state, at, _event = scene
    told = last_tone(state)
    if not told:
        return {}
    known = {name: told[name] for name in ("mood", "polarity", "confidence", "language")}
    return known | {"age_s": max(0, at - told["at"]) // 1000}


_ROOTS: dict[str, Callable[[Template, Scene], Any]] = {
    "player": _player,
    "event": _event,
    "missions": _missions,
    "recommendations": _recommendations,
    "now": _now,
}
_PARTS: dict[str, Callable[[Scene], Any]] = {
    "id": lambda scene: scene[1].player,
    "traits": lambda scene: scene[1].profile.traits,
    "balance": lambda scene: {currency: held.balance for currency, held in scene[1].wallet.items()},
    "lifetime": lambda scene: {currency: held.lifetime for currency, held in scene[1].wallet.items()},
    "level": lambda scene: next(iter(scene[1].progress.levels.values()), ""),
    "levels": lambda scene: scene[1].progress.levels,
    "missions": lambda scene: {mission["id"]: mission for mission in _shown_missions(scene)},
    "segments": lambda scene: sorted(scene[1].segments.member),
    "tone": _tone,
    "timezone": lambda scene: scene[1].profile.timezone or scene[0].crm.timezone,
    "locale": lambda scene: scene[1].profile.locale or scene[0].crm.locale,
}
