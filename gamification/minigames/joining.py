"""Mini-games of two profiles that become one: spins and plays add up, attempts count for both."""

from msgspec.structs import replace

from domain.game_effects import SpinsChanged
from domain.games import Games
from domain.player import Snapshot
from gamification.minigames import attempts, plays
from gamification.working import Turn


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile's timers; its plays go on under the other id."""
    games: Games = turn.part("games")
    for play in games.plays:
        if play.status == "drawn":
            turn.clear_timer(plays.TIMER, play.id, play.due)
    turn.set_part("games", replace(games, spins={}, used={}, plays=(), seeds={}, cells={}))


def join(turn: Turn, source: Snapshot) -> None:
    """Take in the other's games. Its seeds are used no more, so whoever asks is shown them."""
    mine: Games = turn.part("games")
    theirs = source.games
    if theirs == Games():
        return
    spins = {
        game: min(mine.spins.get(game, 0) + theirs.spins.get(game, 0), attempts.SPINS_MAX)
        for game in (*mine.spins, *theirs.spins)
    }
    for game, held in spins.items():
        if added := held - mine.spins.get(game, 0):
            turn.effects.append(SpinsChanged(game, added, held, "merged"))
    both = sorted((*mine.plays, *theirs.plays), key=lambda play: play.at)
    for play in theirs.plays:
        if play.status == "drawn":
            turn.set_timer(plays.TIMER, play.id, play.due)
    days = {
        game: tuple(sorted({*mine.cells.get(game, ()), *theirs.cells.get(game, ())}))
        for game in (*mine.cells, *theirs.cells)
    }
    turn.set_part(
        "games",
        replace(mine, spins=spins, used=attempts.joined_used(mine, theirs), plays=plays.kept(both), cells=days),
    )
