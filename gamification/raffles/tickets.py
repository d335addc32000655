"""Tickets of a player: how many of each run, by turn time, and the toll that puts them on the run's list."""

from zlib import crc32

from msgspec.structs import replace

from domain.entries import Event, KeeperAnswered
from domain.event_fields import field_value
from domain.game_effects import TicketsChanged
from domain.games import Games
from domain.ids import keeper_id
from domain.step import Toll
from gamification.raffles.rules import RaffleRule, SourceRule
from gamification.rules import Reward, whole_amount
from gamification.working import Turn

LIST = "tickets"  # kind of the keepers of a run's list, each of one part of it
PARTS = 16
RUNS_KEPT = 3  # of a raffle, in a player's record


def run_name(raffle: str, run: str) -> str:
    """Return ``<raffle>@<run>``."""
    return f"{raffle}@{run}"


def part_of(player: str) -> int:
    """Return which part of a list a player is in: always the same, and mostly the same for a whole partition."""
    return crc32(player.encode()) % PARTS


def list_keeper(raffle: str, run: str, part: int) -> str:
    """Return the keeper of one part of a run's list."""
    return keeper_id(LIST, f"{run_name(raffle, run)}/{part}")


def from_event(rule: RaffleRule, source: SourceRule, turn: Turn, event: Event) -> None:
    """Give the tickets of an event."""
    if source.where is None or source.where(turn):
        units = whole_amount(field_value(event, source.field)) // source.unit if source.field else 1
        if units:
            give(turn, rule, units * source.amount)


def give_tickets(turn: Turn, reward: Reward, _rule: str, _version: int) -> None:
    """Give tickets as a reward."""
    rule: RaffleRule | None = (turn.rules.rooms.get("raffles") or {}).get(reward.ref)
    if rule is not None:
        give(turn, rule, reward.amount)


def give(turn: Turn, rule: RaffleRule, amount: int) -> None:
    """Give tickets of the run that is open now, at most ``max_per_player`` of it; those beyond are lost."""
    run = rule.run_at(turn.at)
    if run is None or (rule.audience is not None and not rule.audience(turn)):
        return
    name = run_name(rule.id, run)
    games: Games = turn.part("games")
    held = games.tickets.get(name, 0)
    given = min(amount, rule.max_per_player - held)
    if given > 0:
        _hold(turn, rule.id, name, held + given)
        turn.tolls.append(Toll(list_keeper(rule.id, run, part_of(turn.player)), given, turn.cause))
        turn.effects.append(TicketsChanged(rule.id, run, given, held + given))


def on_refused(turn: Turn, told: KeeperAnswered) -> None:
    """Take tickets back that the run's list had no room for."""
    raffle, run, amount = str(told.data["raffle"]), str(told.data["run"]), int(told.data["amount"])
    games: Games = turn.part("games")
    held = games.tickets.get(run_name(raffle, run), 0)
    left = max(0, held - amount)
    _hold(turn, raffle, run_name(raffle, run), left)
    turn.effects.append(TicketsChanged(raffle, run, left - held, left, "list_full"))


def _hold(turn: Turn, raffle: str, name: str, count: int) -> None:
    """Keep how many tickets of a run are held; only the last runs of a raffle are kept."""
    games: Games = turn.part("games")
    held = {other: tickets for other, tickets in games.tickets.items() if other != name} | {name: count}
    runs = [other for other in held if other.rpartition("@")[0] == raffle]
    for old in runs[:-RUNS_KEPT]:
        del held[old]
    turn.set_part("games", replace(games, tickets=held))
