"""How often a player may play: spins that were given first, then the game's own attempts. By turn time."""

from msgspec.structs import replace

from domain.calendar import local_day, local_week
from domain.game_effects import SpinsChanged
from domain.games import Games
from domain.player import Snapshot
from gamification.minigames.rules import MinigameRule
from gamification.periods import starts_at
from gamification.rules import Reward
from gamification.working import Turn

SPINS_MAX = 1_000_000  # held for one game
_PERIODS_APART = 2  # of two zones at one moment, at most: 26 hours


def zone_of(game: MinigameRule, players: str, programmes: str) -> str:
    """Return the zone that a game's days are of."""
    return players if game.own_zone else programmes


def used(games: Games, game: MinigameRule, at: int, zone: str) -> int:
    """Return how many attempts count against the limit now."""
    mark, count = games.used.get(game.id, (0, 0))
    if game.per == "last":
        return count if at - mark < game.after_ms else 0
    return count if mark == _charged(game, mark, at, zone) else 0


def left(games: Games, game: MinigameRule, at: int, zone: str) -> int:
    """Return how many attempts are left, spins not counted; -1: no limit."""
    return -1 if game.attempts < 0 else max(0, game.attempts - used(games, game, at, zone))


def next_at(games: Games, game: MinigameRule, at: int, zone: str) -> int:
    """Return when there are attempts again (ms), 0 when there are some now or never will be."""
    if left(games, game, at, zone) or not game.attempts:
        return 0
    if game.per == "last":
        return games.used[game.id][0] + game.after_ms
    following = _charged(game, games.used.get(game.id, (0, 0))[0], at, zone) + 1
    if game.per == "day":
        return starts_at(following, zone, "day")
    return starts_at(following, zone, "week") if game.per == "week" else 0


def taken(games: Games, game: MinigameRule, at: int, zone: str) -> tuple[Games, bool] | None:
    """Return the games with one attempt less, and whether it was a spin; None when there is none."""
    if (spins := games.spins.get(game.id, 0)) > 0:
        return replace(games, spins=_with(games.spins, game.id, spins - 1)), True
    if not left(games, game, at, zone):
        return None
    held, _ = games.used.get(game.id, (0, 0))
    mark = at if game.per == "last" else _charged(game, held, at, zone)
    return replace(games, used=games.used | {game.id: (mark, used(games, game, at, zone) + 1)}), False


def given_back(games: Games, game: str, *, spin: bool) -> Games:
    """Return the games with an attempt that came to nothing."""
    if spin:
        return replace(games, spins=games.spins | {game: games.spins.get(game, 0) + 1})
    mark, count = games.used.get(game, (0, 0))
    return replace(games, used=games.used | {game: (mark, max(0, count - 1))})


def give_spins(turn: Turn, reward: Reward, rule: str, _version: int) -> None:
    """Give attempts as a reward."""
    games: Games = turn.part("games")
    before = games.spins.get(reward.ref, 0)
    held = min(before + reward.amount, SPINS_MAX)
    turn.set_part("games", replace(games, spins=games.spins | {reward.ref: held}))
    turn.effects.append(SpinsChanged(reward.ref, held - before, held, rule))


def joined_used(mine: Games, theirs: Games) -> dict[str, tuple[int, int]]:
    """Return the attempts of two profiles that become one: of two periods the later, within one both."""
    both = dict(mine.used)
    for game, (mark, count) in theirs.used.items():
        my_mark, my_count = both.get(game, (mark, 0))
        both[game] = (mark, count + my_count) if mark == my_mark else max((mark, count), (my_mark, my_count))
    return both


def zone_in(snapshot: Snapshot, game: MinigameRule, programmes: str) -> str:
    """Return the zone of a player's days in a game."""
    return zone_of(game, snapshot.profile.timezone or programmes, programmes)


def _period(game: MinigameRule, at: int, zone: str) -> int:
    return local_day(at, zone) if game.per == "day" else local_week(at, zone) if game.per == "week" else 0


def _charged(game: MinigameRule, mark: int, at: int, zone: str) -> int:
    """Return the period that an attempt counts in: one before the newest is charged to the newest.

    A player's zone is what their events say, and who flies west gains no second day. A mark further ahead is of
    another kind of period (days before, weeks now), and nothing counts against it.
    """
    period = _period(game, at, zone)
    return mark if period <= mark <= period + _PERIODS_APART else period


def _with(spins: dict[str, int], game: str, count: int) -> dict[str, int]:
    """Return the spins with another count; none is no entry."""
    return {name: held for name, held in (spins | {game: count}).items() if held}
