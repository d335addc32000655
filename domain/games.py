"""What a player keeps of mini-games, raffles and jackpots."""

from msgspec import Struct


class Play(Struct, frozen=True, gc=False, array_like=True):
    """One attempt at a mini-game whose prize is known or awaited."""

    id: str
    game: str
    status: str  # asked drawn acknowledged failed
    prize: str = ""
    at: int = 0  # ms of turn time
    rewards: tuple[tuple[str, str, int], ...] = ()  # kind, what, amount: of the programme it was drawn under
    version: int = 0  # of that programme
    due: int = 0  # ms, when it is acknowledged by itself


class SeedUse(Struct, frozen=True, gc=False, array_like=True):
    """How far a player's seed of one mini-game is used. The seed itself is derived (``gamification.fairness``)."""

    epoch: int = 0
    day: int = -1  # the local day it was first used on; -1: not yet
    nonce: int = 0  # plays drawn with it
    client_seed: str = ""


class Win(Struct, frozen=True, gc=False, array_like=True):
    """A prize of a raffle."""

    id: str
    raffle: str
    prize: str
    ticket: int
    status: str  # won claimed expired
    until: int = 0  # ms, when it expires unless claimed; 0: it was given at once
    rewards: tuple[tuple[str, str, int], ...] = ()
    version: int = 0


class Pot(Struct, frozen=True, gc=False, array_like=True):
    """A jackpot that grows, shared (in its keeper) or personal. Amounts in ``micros``: millionths of a whole unit."""

    number: int = 0  # from 0; the seed is of this number
    micros: int = 0
    seeded: int = 0  # micros the pot began with (what was left of the one before included)
    contributions: int = 0
    currency: str = ""
    least: int = 0  # whole units; must_hit_by only
    most: int = 0
    paid: int = 0  # whole units, of all pots before


class Games(Struct, frozen=True, gc=False, array_like=True):
    """Attempts held and used, plays, tickets, wins, personal pots."""

    spins: dict[str, int] = {}  # mini-game -> attempts given and not used
    used: dict[str, tuple[int, int]] = {}  # mini-game -> (day or ms of the last attempt, attempts that count)
    plays: tuple[Play, ...] = ()
    tickets: dict[str, int] = {}  # <raffle>@<run> -> tickets
    seeds: dict[str, SeedUse] = {}  # by mini-game
    wins: tuple[Win, ...] = ()
    pots: dict[str, Pot] = {}  # by personal jackpot
    cells: dict[str, tuple[int, ...]] = {}  # calendar -> local days on which a cell was opened
