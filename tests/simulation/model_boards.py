"""Boards as the function library keeps them, in plain Python (``store/lua/boards.lua``)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.entries import BoardFrozen
from domain.step import BoardScore, Freeze

BOARD_GUARDS = frozenset({"newer", "frozen"})


@dataclass
class BoardState:
    """One board."""

    rows: dict[str, BoardScore] = field(default_factory=dict)  # the newest of each player, those taken off too
    late: dict[str, int] = field(default_factory=dict)  # player -> version of what came after it was frozen
    is_frozen: bool = False

    def ranking(self) -> list[BoardScore]:
        """Return who is on the board, best first."""
        on = [row for row in self.rows.values() if row.score is not None]
        return sorted(on, key=lambda row: (-(row.score or 0), row.reached_at, row.player.encode()))


class BoardModel:
    """All boards of a store.

    Args:
        guards_off: Of ``BOARD_GUARDS``, those to leave out.
    """

    def __init__(self, guards_off: frozenset[str] = frozenset()) -> None:
        self._guards_off = guards_off
        self.boards: dict[str, BoardState] = {}

    def board(self, name: str) -> BoardState:
        return self.boards.setdefault(name, BoardState())

    def score(self, name: str, rows: Iterable[BoardScore]) -> None:
        """Write rows of a board, in one atomic call."""
        board = self.board(name)
        for row in rows:
            held = board.rows.get(row.player)
            if held is not None and row.version <= held.version and "newer" not in self._guards_off:
                continue
            if board.is_frozen and "frozen" not in self._guards_off:
                board.late[row.player] = max(row.version, board.late.get(row.player, 0))
            else:
                board.rows[row.player] = row

    def freeze(self, freeze: Freeze) -> BoardFrozen:
        """Freeze a board and tell what it came to, in one atomic call."""
        board = self.board(freeze.board)
        board.is_frozen = True
        ranking = board.ranking()
        told = tuple((row.player, float(row.score or 0), row.reached_at) for row in ranking[: freeze.most])
        return BoardFrozen(freeze.keeper, freeze.board, len(ranking), told, cause=f"{freeze.keeper}|{freeze.board}")
