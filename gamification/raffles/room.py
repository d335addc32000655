"""What the raffles bring to the game."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from domain.conditions import compile_condition
from domain.games import Games
from domain.player import Snapshot
from domain.step import Draws
from gamification.fairness.proof import commitment
from gamification.raffles import listing, running, runs, tickets, wins
from gamification.raffles.config import RaffleConfig
from gamification.raffles.rules import RaffleRule
from gamification.raffles.rules import compiled as compiled_raffle
from gamification.references import condition_errors, of_kind, reward_errors
from gamification.rewards import described, rewards_from
from gamification.room import Compiled, Mover, Room, Sources
from gamification.rules import Rules
from gamification.working import Turn

KIND = "raffles"


def errors(sources: Sources) -> Iterable[str]:
    """Yield what a raffle names and nobody configured."""
    models = sources.models
    for doc_id, raffle in of_kind(models, KIND, RaffleConfig).items():
        name = f"{KIND}/{doc_id}"
        yield from condition_errors(name, "audience", compile_condition(raffle.audience), models, sources.segments)
        for i, source in enumerate(raffle.tickets):
            where = compile_condition(source.where)
            yield from condition_errors(name, f"tickets[{i}].where", where, models, sources.segments)
        for i, prize in enumerate(raffle.prizes):
            yield from reward_errors(name, f"prizes[{i}].rewards", prize.rewards, models)
        templates = sources.documents.get("templates")
        if raffle.message and templates is not None and raffle.message.template not in templates:
            yield f"{name}: message.template: expected a template, got {raffle.message.template!r}"


def compile_raffles(sources: Sources) -> Compiled:
    """Return the raffles by id; an event's name finds those that give tickets for it."""
    models = of_kind(sources.models, KIND, RaffleConfig)
    rules = {name: compiled_raffle(name, sources.version, model, sources.timezone) for name, model in models.items()}
    movers: dict[str, tuple[Mover, ...]] = {}
    for rule in rules.values():
        for source in rule.sources:
            movers[source.event] = (*movers.get(source.event, ()), partial(tickets.from_event, rule, source))
    return Compiled(rules, movers)


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile's timers; its tickets stay on the lists under its id, which is told on to the other."""
    games: Games = turn.part("games")
    for win in games.wins:
        if win.status == "won":
            turn.clear_timer(wins.TIMER, win.id, win.until)
    turn.set_part("games", replace(games, tickets={}, wins=()))


def join(turn: Turn, source: Snapshot) -> None:
    """Take in the other's tickets, which count against the most a player may have, and its wins."""
    mine, theirs = turn.part("games"), source.games
    if not theirs.tickets and not theirs.wins:
        return
    both = {run: mine.tickets.get(run, 0) + theirs.tickets.get(run, 0) for run in (*mine.tickets, *theirs.tickets)}
    for win in theirs.wins:
        if win.status == "won":
            turn.set_timer(wins.TIMER, win.id, win.until)
    have = {win.id for win in mine.wins}
    won = (*mine.wins, *(win for win in theirs.wins if win.id not in have))
    turn.set_part("games", replace(mine, tickets=both, wins=won))


def view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return every raffle with its present run and the player's tickets in it, and what the player won."""
    raffles: dict[str, RaffleRule] = rules.rooms.get(KIND) or {}
    return {
        "raffles": [_raffle(rule, snapshot, now) for rule in raffles.values()],
        "wins": [
            {
                "id": win.id,
                "raffle": win.raffle,
                "prize": win.prize,
                "ticket": win.ticket,
                "status": "expired" if 0 < win.until <= now else win.status,
                "until": win.until or None,
                "rewards": described(rewards_from(win.rewards)),
            }
            for win in reversed(snapshot.games.wins)
        ],
    }


def _raffle(rule: RaffleRule, snapshot: Snapshot, now: int) -> dict[str, Any]:
    run = rule.run_at(now)
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "run": run,
        "draw_at": None if run is None else runs.drawn_at(run, rule.zone),
        "tickets": 0 if run is None else snapshot.games.tickets.get(tickets.run_name(rule.id, run), 0),
        "max_per_player": rule.max_per_player,
        "prizes": [
            {
                "id": prize.id,
                "name": dict(prize.name),
                "count": prize.count,
                "min_tickets": prize.min_tickets,
                "rewards": described(prize.rewards),
            }
            for prize in rule.prizes
        ],
    }


def with_commitments(draws: Draws, raffles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the raffles as shown, each that is open with the commitment of the seed its run is drawn with."""
    return [
        raffle | {"commitment": commitment(draws, KIND, raffle["id"], "", runs.number_of(raffle["run"]))}
        if raffle["run"]
        else raffle
        for raffle in raffles
    ]


ROOM = Room(
    KIND,
    kinds={KIND: RaffleConfig},
    errors=errors,
    compile=compile_raffles,
    commands={"claim_win": wins.claim},
    timers={wins.TIMER: wins.on_timer},
    told={running.WON: wins.on_won, listing.REFUSED: tickets.on_refused},
    givers={"tickets": tickets.give_tickets},
    keepers={listing.RAFFLE: running.take, tickets.LIST: listing.take},
    hand_over=hand_over,
    join=join,
    view=view,
)
