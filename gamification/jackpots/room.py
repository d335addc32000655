"""What the jackpots bring to the game."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from domain.conditions import compile_condition
from domain.games import Games, Pot
from domain.player import Snapshot
from domain.step import Draws
from gamification.fairness.proof import commitment
from gamification.jackpots import keeper, pots, winning
from gamification.jackpots.config import MICROS, JackpotConfig
from gamification.jackpots.rules import JackpotRule
from gamification.jackpots.rules import compiled as compiled_jackpot
from gamification.references import condition_errors, of_kind
from gamification.room import Compiled, Mover, Room, Sources
from gamification.rules import Rules
from gamification.working import Turn

KIND = "jackpots"


def errors(sources: Sources) -> Iterable[str]:
    """Yield what a jackpot names and nobody configured."""
    models, currencies = sources.models, {"points", *sources.models["currencies"]}
    for doc_id, jackpot in of_kind(models, KIND, JackpotConfig).items():
        name = f"{KIND}/{doc_id}"
        for path, tree in (("where", jackpot.where), ("audience", jackpot.audience)):
            yield from condition_errors(name, path, compile_condition(tree), models, sources.segments)
        if jackpot.currency not in currencies:
            known = " ".join(sorted(currencies))
            yield f"{name}: currency: expected a currency ({known}), got {jackpot.currency!r}"
        templates = sources.documents.get("templates")
        if jackpot.message and templates is not None and jackpot.message.template not in templates:
            yield f"{name}: message.template: expected a template, got {jackpot.message.template!r}"


def compile_jackpots(sources: Sources) -> Compiled:
    """Return the jackpots by id; an event's name finds those that it adds to."""
    models = of_kind(sources.models, KIND, JackpotConfig)
    rules = {name: compiled_jackpot(name, sources.version, model) for name, model in models.items()}
    movers: dict[str, tuple[Mover, ...]] = {}
    for rule in rules.values():
        movers[rule.event] = (*movers.get(rule.event, ()), partial(winning.contribute, rule))
    return Compiled(rules, movers)


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile's personal pots; what its events added goes on under the other id."""
    games: Games = turn.part("games")
    turn.set_part("games", replace(games, pots={}))


def join(turn: Turn, source: Snapshot) -> None:
    """Take in the other's personal pots, those of a jackpot that is no more (and may come back) too."""
    mine: Games = turn.part("games")
    if not source.games.pots:
        return
    both: dict[str, Pot] = dict(mine.pots)
    for name, theirs in source.games.pots.items():
        held = mine.pots.get(name)
        both[name] = pots.joined(held, theirs) if held else theirs
    turn.set_part("games", replace(mine, pots=both))


def view(rules: Rules, snapshot: Snapshot, _now: int) -> dict[str, Any]:
    """Return every jackpot; ``amount`` is that of a personal pot (``GET /v1/jackpots`` has the shared ones)."""
    jackpots: dict[str, JackpotRule] = rules.rooms.get(KIND) or {}
    return {"jackpots": [_jackpot(rule, snapshot.games.pots.get(rule.id)) for rule in jackpots.values()]}


def _jackpot(rule: JackpotRule, pot: Pot | None) -> dict[str, Any]:
    held = (pot or pots.first(rule)) if rule.personal else None
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "scope": "personal" if rule.personal else "shared",
        "currency": rule.currency,
        "pot": held.number if held else None,
        "amount": held.micros // MICROS if held else None,
        "must_hit_by": rule.most or None,
    }


def with_commitments(draws: Draws, player: str, jackpots: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the jackpots as shown, the personal ones with the commitment of the seed their pot is hit by."""
    return [
        pot | {"commitment": commitment(draws, KIND, pot["id"], player, pot["pot"])}
        if pot["scope"] == "personal"
        else pot
        for pot in jackpots
    ]


ROOM = Room(
    KIND,
    kinds={KIND: JackpotConfig},
    errors=errors,
    compile=compile_jackpots,
    told={keeper.WON: winning.on_won},
    keepers={keeper.KIND: keeper.take},
    hand_over=hand_over,
    join=join,
    view=view,
)
