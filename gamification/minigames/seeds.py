"""The player's seed of a game: an epoch's seed is committed to before its first play and revealed after its last.

Seed number n is ``minigames/<game>/<player>/n``. Its commitment can be read at any time before (``with_commitments``),
since the seed is derived and not made. An epoch ends with the first play of another local day, or when the player asks.
"""

from typing import Any

from msgspec.structs import replace

from domain.calendar import local_day
from domain.effects import Answered
from domain.games import Games, SeedUse
from domain.step import Draws
from gamification.fairness.proof import commitment, revealed
from gamification.minigames.plays import rule_of
from gamification.working import Turn

CLIENT_SEED = "playtower"  # of who gives none


def use(turn: Turn, game: str, zone: str, client_seed: str | None) -> tuple[int, int, str]:
    """Count a play; return the epoch it is drawn in, its nonce and the client seed (kept until another is given)."""
    held = _held(turn, game)
    today = local_day(turn.at, zone)
    if held.nonce and held.day != today:
        held = _next(turn, game, held)
    mine = client_seed or held.client_seed or CLIENT_SEED
    _keep(turn, game, SeedUse(held.epoch, today if not held.nonce else held.day, held.nonce + 1, mine))
    return held.epoch, held.nonce, mine


def rotate(turn: Turn, args: dict[str, Any]) -> Answered:
    """Reveal the seed of a game and go on with the next. A seed that drew nothing is kept."""
    game = rule_of(turn, args.get("minigame"))
    if game is None or game.type == "calendar":
        return Answered("minigame_not_found")
    held = _held(turn, game.id)
    if held.nonce:
        held = _next(turn, game.id, held)
        _keep(turn, game.id, held)
    return Answered("ok", data={"minigame": game.id, "epoch": held.epoch, "commitment": _shown(turn, game.id, held)})


def with_commitments(draws: Draws, player: str, games: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the games as shown, each with the commitment of the seed that the next play is drawn with."""
    return [
        game | {"commitment": commitment(draws, "minigames", game["id"], player, game["epoch"])}
        if "epoch" in game
        else game
        for game in games
    ]


def _next(turn: Turn, game: str, held: SeedUse) -> SeedUse:
    turn.effects.append(revealed(turn.draws, "minigames", game, turn.player, held.epoch))
    return SeedUse(held.epoch + 1, client_seed=held.client_seed)


def _shown(turn: Turn, game: str, held: SeedUse) -> str:
    return commitment(turn.draws, "minigames", game, turn.player, held.epoch)


def _held(turn: Turn, game: str) -> SeedUse:
    games: Games = turn.part("games")
    return games.seeds.get(game, SeedUse())


def _keep(turn: Turn, game: str, held: SeedUse) -> None:
    games: Games = turn.part("games")
    turn.set_part("games", replace(games, seeds=games.seeds | {game: held}))
