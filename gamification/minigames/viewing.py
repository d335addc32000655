"""What a player is shown of mini-games; commitments join at the gateway (``seeds.with_commitments``)."""

from typing import Any

from domain.calendar import local_day
from domain.games import Games, Play, SeedUse
from domain.player import Snapshot
from gamification.minigames import attempts, plays
from gamification.minigames.rules import FOREVER, MinigameRule
from gamification.rewards import described, rewards_from
from gamification.rules import Rules

SHOWN_MAX = 10  # plays that wait for nothing


def view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return every game with its odds, what the player may do, and the last plays, the newest first."""
    games: dict[str, MinigameRule] = rules.rooms.get("minigames") or {}
    return {
        "minigames": [_game(game, snapshot, now, rules.timezone) for game in games.values()],
        "plays": [_play(play) for play in _shown(snapshot.games)],
    }


def _shown(games: Games) -> list[Play]:
    newest = list(reversed(games.plays))
    ended = [play for play in newest if play.status not in plays.WAITING][:SHOWN_MAX]
    return [play for play in newest if play.status in plays.WAITING or play in ended]


def _game(game: MinigameRule, snapshot: Snapshot, now: int, programmes: str) -> dict[str, Any]:
    games, zone = snapshot.games, attempts.zone_in(snapshot, game, programmes)
    shown: dict[str, Any] = {
        "id": game.id,
        "name": dict(game.name),
        "type": game.type,
        "active": game.starts_at <= now < game.until,
        "until": game.until if game.until < FOREVER else None,
    }
    if game.type == "calendar":
        return shown | _calendar(game, games, now, zone)
    left = attempts.left(games, game, now, zone)
    currency, amount = game.price
    table = game.table(now, programmes)
    total = sum(prize.weight for prize in table)
    used = games.seeds.get(game.id, SeedUse())
    is_over = bool(used.nonce) and used.day != local_day(now, zone)
    return shown | {
        "spins": games.spins.get(game.id, 0),
        "attempts_left": left if left >= 0 else None,
        "next_at": attempts.next_at(games, game, now, zone) or None,
        "buy_in": {"currency": currency, "amount": amount} if amount else None,
        "prizes": [
            {
                "id": prize.id,
                "name": dict(prize.name),
                "odds": {"weight": prize.weight, "of": total},
                "limited": prize.is_limited,
                "lose": prize.lose,
                "rewards": described(prize.rewards),
            }
            for prize in table
        ],
        "epoch": used.epoch + is_over,  # of the next play
    }


def _calendar(game: MinigameRule, games: Games, now: int, zone: str) -> dict[str, Any]:
    """Return the cells of this week, or of all days, with what became of each."""
    today, cell = local_day(now, zone), game.cell(now, zone)
    first = today - (today + 3) % 7 if game.by == "weekday" else local_day(game.starts_at, zone)
    opened = games.cells.get(game.id, ())

    def status(day: int) -> str:
        if day in opened:
            return "opened"
        return "missed" if day < today else "open" if day == today else "later"

    return {
        "today": cell if cell >= 0 else None,
        "cells": [
            {
                "prize": prize.id,
                "name": dict(prize.name),
                "status": status(first + place),
                "rewards": described(prize.rewards),
            }
            for place, prize in enumerate(game.prizes.values())
        ],
    }


def _play(play: Play) -> dict[str, Any]:
    return {
        "id": play.id,
        "minigame": play.game,
        "status": play.status,
        "prize": play.prize or None,
        "at": play.at,
        "acknowledge_by": play.due or None,
        "rewards": described(rewards_from(play.rewards)),
    }
