"""To open the day's cell of a calendar. Nothing is drawn: who comes gets its prize, and missed cells are lost."""

from msgspec.structs import replace

from domain.calendar import local_day
from domain.effects import Answered
from domain.entries import KeeperAnswered
from domain.games import Games
from domain.ids import keeper_id
from domain.player import Ask
from gamification import asking
from gamification.minigames import keeper, plays
from gamification.minigames.rules import MinigameRule
from gamification.working import Turn

THEN = "cell_reserved"


def open_cell(turn: Turn, game: MinigameRule, zone: str) -> Answered | None:
    """Open the cell of today, once."""
    cell, today = game.cell(turn.at, zone), local_day(turn.at, zone)
    if cell < 0:
        return Answered("no_cell_today")
    games: Games = turn.part("games")
    opened = games.cells.get(game.id, ())
    # The last day opened, not only today: a player who moves to the east of the date line and back opens it once.
    if opened and today <= opened[-1]:
        return Answered("cell_opened")
    days = (*opened, today)[-len(game.prizes) :]
    turn.set_part("games", replace(games, cells=games.cells | {game.id: days}))
    prize = list(game.prizes.values())[cell]
    pending = plays.begun(turn, game, (prize,)) | {"day": today}
    if not prize.is_limited:
        return plays.settle(turn, pending, prize.id)
    plays.wait(turn, pending)
    asking.ask(turn, keeper_id(keeper.KIND, game.id), keeper.RESERVE, THEN, {"prize": prize.id}, pending)
    return None


def on_reserved(turn: Turn, asked: Ask, answer: KeeperAnswered) -> Answered:
    """Keep the cell's prize, or say that it is out; the cell stays opened."""
    if answer.code == "ok":
        return plays.settle(turn, asked.data, asked.data["prizes"][0][0])
    plays.fail(turn, asked.data)
    return Answered("prizes_out")
