"""What a player keeps of tournaments: one record for each run taken part in."""

from msgspec import Struct


class RunRecord(Struct, frozen=True, gc=False, array_like=True):
    """A player in one run of a tournament (``<tournament>@<run>``)."""

    status: str = "scoring"  # asked pending registered scoring refused cancelled finished
    board: str = ""
    version: int = 0  # of the score last sent to the board
    score: float = 0.0
    reached_at: int = 0  # ms, event time
    ends_at: int = 0  # ms
