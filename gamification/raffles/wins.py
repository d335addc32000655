"""A player's wins: given at once, or when they are claimed in time. By turn time."""

from typing import Any

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import KeeperAnswered, TimerFired
from domain.game_effects import WinChanged
from domain.games import Games, Win
from domain.step import UniqueKey
from gamification.raffles.rules import RaffleRule
from gamification.rewards import ask_for_message, described, grant, listed, local_text, rewards_from
from gamification.working import Turn

TIMER = "win_expires"
WINS_MAX = 20  # kept that wait for nothing, the newest
WAITING_MAX = 200  # that wait for their claim, none of which is forgotten; what is won beyond is given at once


def on_won(turn: Turn, told: KeeperAnswered) -> None:
    """Take a win: one of an id, whoever tells it how often."""
    if find(turn.part("games"), told.id) is not None:
        return
    data = told.data
    turn.keys.append(UniqueKey(f"raffles/{told.id}", turn.cause))
    rewards = listed(rewards_from(data["rewards"]))
    games: Games = turn.part("games")
    waits = bool(data["claim_ms"]) and sum(win.status == "won" for win in games.wins) < WAITING_MAX
    until = turn.at + data["claim_ms"] if waits else 0
    win = Win(told.id, data["raffle"], data["prize"], data["ticket"], "won", until, rewards, data["version"])
    if until:
        _keep(turn, win)
        turn.set_timer(TIMER, win.id, until)
    else:
        _give(turn, win)
    _tell(turn, win)


def claim(turn: Turn, args: dict[str, Any]) -> Answered:
    """Give what was won; claimed again it is ``ok`` and gives nothing more."""
    win = find(turn.part("games"), str(args.get("win")))
    if win is None:
        return Answered("win_not_found")
    if win.status == "won":
        turn.clear_timer(TIMER, win.id, win.until)
        if win.until <= turn.at:
            win = replace(win, status="expired")
            _keep(turn, win)
        else:
            win = _give(turn, win)
    if win.status == "expired":
        return Answered("win_expired")
    rewards = described(rewards_from(win.rewards))
    return Answered("ok", data={"win": win.id, "raffle": win.raffle, "prize": win.prize, "rewards": rewards})


def on_timer(turn: Turn, fired: TimerFired) -> None:
    """End a win that nobody claimed."""
    win = find(turn.part("games"), fired.ref)
    if win is not None and win.status == "won" and win.until <= turn.at:
        _keep(turn, replace(win, status="expired"))


def find(games: Games, win_id: str) -> Win | None:
    """Return the win of an id."""
    return next((win for win in games.wins if win.id == win_id), None)


def _give(turn: Turn, win: Win) -> Win:
    given = replace(win, status="claimed", until=0)
    _keep(turn, given)
    rule = _rule(turn, win)
    grant(turn, rewards_from(win.rewards), f"raffles/{win.raffle}", win.version, rule.budget if rule else "")
    return given


def _keep(turn: Turn, win: Win) -> None:
    """Keep a win as it is now, and say so; of those that wait for nothing the last ``WINS_MAX`` are kept."""
    games: Games = turn.part("games")
    wins = [*(other for other in games.wins if other.id != win.id), win]
    ended = {other.id for other in [other for other in wins if other.status != "won"][-WINS_MAX:]}
    kept = tuple(other for other in wins if other.status == "won" or other.id in ended)
    turn.set_part("games", replace(games, wins=kept))
    turn.effects.append(WinChanged(win.id, win.raffle, win.prize, win.ticket, win.status, win.until))


def _rule(turn: Turn, win: Win) -> RaffleRule | None:
    raffles: dict[str, RaffleRule] = turn.rules.rooms.get("raffles") or {}
    return raffles.get(win.raffle)


def _tell(turn: Turn, win: Win) -> None:
    rule = _rule(turn, win)
    if rule is not None:
        name = local_text(rule.name, turn.profile.locale, rule.id)
        said = {"id": rule.id, "name": name, "prize": win.prize, "ticket": win.ticket, "win": win.id}
        rewards = described(rewards_from(win.rewards))
        ask_for_message(turn, rule.message, f"raffles/{win.id}", {"raffle": {**said, "rewards": rewards}})
