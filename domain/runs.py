"""What a player keeps of tournaments: one record for each run taken part in, and the tier of each tournament."""

from msgspec import Struct


class RunRecord(Struct, frozen=True, gc=False, array_like=True):
    """A player in one run of a tournament (``<tournament>@<run>``).

    Under the tournament's own id a record with the status ``tier`` keeps the tier that the next run is played in.
    """

    # asked again pending registered scoring leaving | refused withdrawn cancelled finished | tier
    status: str = "scoring"
    board: str = ""
    version: int = 0  # of the score last sent to the board
    score: float = 0.0
    reached_at: int = 0  # ms, event time; 0: no score yet
    ends_at: int = 0  # ms
    starts_at: int = 0  # ms
    settle_ms: int = 0  # events count until so long after the end, by turn time
    joined_at: int = 0  # ms of turn time: earlier events do not count; 0: all of the run do
    events: int = 0  # that counted
    of: float = 0.0  # of a ratio
    to: float = 0.0
    currency: str = ""  # of the price paid
    price: int = 0
    rank: int = 0  # in the final table, where it was told
    tier: str = ""
    reason: str = ""  # of a refusal or cancellation
    paid: tuple[tuple[int, int], ...] = ()  # terms of the price, of a currency that expires (``gamification.terms``)
