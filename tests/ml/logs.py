"""Logs that are made up: players with habits of their own, some of whom leave for good."""

from random import Random

from ml.training.log import Log, log_of

MONDAY = 1_772_409_600_000  # 2026-03-02T00:00:00Z
HOUR = 3_600_000
DAY = 24 * HOUR


def of(*signals: tuple[str, float] | tuple[str, float, str] | tuple[str, float, str, float]) -> Log:
    """Return a log of (player, days after Monday, kind or nothing, amount or nothing)."""
    full = [(*signal, *("other", 0.0)[len(signal) - 2 :]) for signal in signals]
    player, day, kind, amount = (list(column) for column in zip(*full, strict=True))
    return log_of(player, [MONDAY + round(d * DAY) for d in day], kind, amount, name="made up", licence="none")


def population(players: int, days: int, seed: int = 1) -> Log:
    """Return plays of players who come every day or so until they leave; the eager ones stay longer."""
    rng = Random(seed)
    player: list[str] = []
    at: list[int] = []
    kind: list[str] = []
    amount: list[float] = []
    for number in range(players):
        eager = rng.random()
        leaves = rng.expovariate(1 / (5 + 60 * eager))
        when = rng.uniform(0, days * 0.8)
        end = min(days, when + leaves)
        while when < end:
            for play in range(1 + round(4 * eager)):
                player.append(f"p{number}")
                at.append(MONDAY + round(when * DAY) + play * 60_000)
                pays = play == 0 and rng.random() < 0.2 * eager
                kind.append("deposit" if pays else "other")
                amount.append(20.0 if pays else 0.0)
            when += rng.expovariate(1 / (3 - 2 * eager))
    return log_of(player, at, kind, amount, name="made up", licence="none")
