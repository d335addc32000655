"""What a player keeps of mini-games, raffles and jackpots."""

from msgspec import Struct


class Play(Struct, frozen=True, gc=False, array_like=True):
    """One attempt at a mini-game whose prize is known or awaited."""

    id: str
    game: str
    status: str  # asked drawn acknowledged failed
    prize: str = ""
    at: int = 0  # ms


class Games(Struct, frozen=True, gc=False, array_like=True):
    """Attempts held and used, plays, tickets."""

    spins: dict[str, int] = {}  # mini-game -> attempts given and not used
    used: dict[str, tuple[int, int]] = {}  # mini-game -> (period, attempts used in it)
    plays: tuple[Play, ...] = ()
    tickets: dict[str, int] = {}  # raffle run -> tickets
