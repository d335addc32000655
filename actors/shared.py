"""What the turns of one commit leave for things that players share: rows of boards, tolls for keepers, barriers.

Of one commit there is one row for each board and one entry for each keeper, however many turns scored or paid.
"""

from actors.turns import Turns
from domain.entries import Contributed, encode_entry
from domain.ids import partition_of
from domain.step import BoardScore, Freeze
from store.ports import BOARD, FREEZE, Commit, encode_freeze, encode_scores


class Shared:
    """Gathers what is shared over the players of a batch, in their order."""

    def __init__(self) -> None:
        self._scores: dict[str, dict[str, BoardScore]] = {}  # board -> player -> the newest
        self._rows: dict[str, list[tuple[str, int, str]]] = {}  # keeper -> rows
        self._freezes: list[Freeze] = []
        self._barriers: list[bytes] = []
        self._passed: list[tuple[int, bytes]] = []
        self._is_awaited = False

    def add(self, turns: Turns) -> None:
        """Take what a player's turns leave."""
        for score in turns.scores:
            self._scores.setdefault(score.board, {})[score.player] = score
        for toll in turns.tolls:
            self._rows.setdefault(toll.keeper, []).append((turns.player, toll.amount, toll.cause))
        self._freezes += turns.freezes
        self._barriers += turns.barriers
        self._is_awaited = self._is_awaited or turns.is_awaited

    def passed(self, partition: int, body: bytes) -> None:
        """Take the answer to a barrier, for its keeper's partition."""
        self._passed.append((partition, body))

    def write(self, commit: Commit, partitions: int) -> None:
        """Put it into the outbox: scores first, since whoever hears of a barrier must find them on the board.

        Answers to barriers come last: a keeper that hears one has heard before what the same turns asked and paid.
        """
        scores = [(BOARD, encode_scores(list(rows.values()))) for rows in self._scores.values()]
        commit.is_patient = not (self._is_awaited or self._freezes or self._barriers or self._passed)
        if scores:
            commit.relays = [*scores, *commit.relays]
        commit.relays += [
            (partition_of(keeper, partitions), encode_entry(Contributed(keeper, tuple(rows))))
            for keeper, rows in self._rows.items()
        ]
        commit.relays += [(FREEZE, encode_freeze(freeze)) for freeze in self._freezes]
        commit.relays += [(partition, body) for body in self._barriers for partition in range(partitions)]
        commit.relays += self._passed
