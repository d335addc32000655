"""A play whose prize is known: given when it is acknowledged, or by itself after a while."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import TimerFired
from domain.game_effects import PlayChanged
from domain.games import Games, Play
from gamification.minigames.rules import MinigameRule, PrizeRule
from gamification.rewards import described, grant, listed, rewards_from
from gamification.working import Turn

TIMER = "play_acknowledged"
PLAYS_MAX = (
    30  # kept that wait for nothing, the newest; written with each of the player's turns that changes any of this
)
OPEN_MAX = 20  # asked or drawn at once; who has more must acknowledge first
WAITING = ("asked", "drawn")

Pending = dict[str, Any]
"""What a play needs until it ends, whatever is published meanwhile: ``play game version wait``, and ``prizes`` as
lists of id, weight, whether it is limited, whether it is a blank, rewards."""


def rule_of(turn: Turn, game: object) -> MinigameRule | None:
    """Return the rule of a game."""
    found: MinigameRule | None = (turn.rules.rooms.get("minigames") or {}).get(str(game))
    return found


def begun(turn: Turn, game: MinigameRule, prizes: tuple[PrizeRule, ...]) -> Pending:
    """Return a new play of some prizes."""
    return {
        "play": f"{turn.offset}@{turn.player}",  # offsets repeat across partitions, and profiles are merged
        "game": game.id,
        "version": game.version,
        "wait": game.acknowledge_ms,
        "prizes": [
            [prize.id, prize.weight, prize.is_limited, prize.lose, [list(row) for row in listed(prize.rewards)]]
            for prize in prizes
        ],
    }


def find(games: Games, play_id: str) -> Play | None:
    """Return the play of an id."""
    return next((one for one in games.plays if one.id == play_id), None)


def kept(plays: Sequence[Play]) -> tuple[Play, ...]:
    """Return the plays that are kept: all that wait, and of those that do not the last ``PLAYS_MAX``."""
    ended = {one.id for one in [one for one in plays if one.status not in WAITING][-PLAYS_MAX:]}
    return tuple(one for one in plays if one.status in WAITING or one.id in ended)


def keep(turn: Turn, changed: Play, draw: str = "") -> None:
    """Keep a play as it is now, and say so; ``kept`` says which are forgotten."""
    games: Games = turn.part("games")
    plays = [*(one for one in games.plays if one.id != changed.id), changed]
    turn.set_part("games", replace(games, plays=kept(plays)))
    turn.effects.append(PlayChanged(changed.id, changed.game, changed.status, changed.prize, draw, changed.due))


def wait(turn: Turn, pending: Pending) -> None:
    """Keep a play whose prize is asked for."""
    keep(turn, Play(pending["play"], pending["game"], "asked", at=turn.at, version=pending["version"]))


def fail(turn: Turn, pending: Pending) -> None:
    """End a play that came to nothing."""
    keep(turn, Play(pending["play"], pending["game"], "failed", at=turn.at, version=pending["version"]))


def settle(turn: Turn, pending: Pending, prize: str, draw: str = "") -> Answered:
    """Keep the outcome of a play: a blank is over at once, a prize waits to be acknowledged."""
    _, _, _, lose, rows = next(row for row in pending["prizes"] if row[0] == prize)
    rewards = rewards_from(rows)
    due = 0 if lose else turn.at + pending["wait"]
    status = "acknowledged" if lose else "drawn"
    play_id, game, version = pending["play"], pending["game"], pending["version"]
    keep(turn, Play(play_id, game, status, prize, turn.at, listed(rewards), version, due), draw)
    if due:
        turn.set_timer(TIMER, play_id, due)
    said = {"play": play_id, "minigame": game, "prize": prize, "lose": lose, "rewards": described(rewards)}
    return Answered("ok", data={**said, "draw": draw or None, "acknowledge_by": due or None})


def acknowledge(turn: Turn, args: dict[str, Any]) -> Answered:
    """Give the prize of a play; acknowledged again it is ``ok`` and gives nothing more."""
    found = find(turn.part("games"), str(args.get("play")))
    if found is None:
        return Answered("play_not_found")
    if found.status == "drawn":
        turn.clear_timer(TIMER, found.id, found.due)
        _give(turn, found)
    elif found.status != "acknowledged":
        return Answered(f"play_{found.status}")
    rewards = described(rewards_from(found.rewards))
    return Answered("ok", data={"play": found.id, "minigame": found.game, "prize": found.prize, "rewards": rewards})


def on_timer(turn: Turn, fired: TimerFired) -> None:
    """Give the prize of a play that nobody acknowledged."""
    found = find(turn.part("games"), fired.ref)
    if found is not None and found.status == "drawn" and found.due <= turn.at:
        _give(turn, found)


def _give(turn: Turn, play: Play) -> None:
    """Give what was drawn, as the programme was then."""
    keep(turn, replace(play, status="acknowledged", due=0))
    game = rule_of(turn, play.game)
    rule = f"minigames/{play.game}"
    grant(turn, rewards_from(play.rewards), rule, play.version, game.budget if game else "")
