"""The part of ``playtower audit`` that concerns boards: each shows what the players' turns scored, and nothing else."""

from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from domain.entries import BoardFrozen, Entry
from domain.step import BoardScore
from store.boards import KEPT_MS, Boards, Held, Row

PAGE = 1_000  # rows looked at together
Blame = Callable[[str, str, str], None]  # check, subject, detail


class BoardAudit:
    """Gathers what the logs say of boards, and compares it with what is there."""

    def __init__(self, redis: Redis) -> None:
        self._boards = Boards(redis)
        self._newest: dict[str, dict[str, BoardScore]] = {}  # board -> player -> score
        self._told: list[BoardFrozen] = []
        self._last: dict[str, int] = {}  # board -> ms, when it was last scored on or frozen

    def add(self, entry: Entry, scores: Iterable[BoardScore], at: int) -> None:
        """Take one turn's entry, and the scores that it left."""
        for score in scores:
            rows = self._newest.setdefault(score.board, {})
            held = rows.get(score.player)
            if held is None or score.version > held.version:
                rows[score.player] = score
            self._last[score.board] = max(at, self._last.get(score.board, 0))
        if isinstance(entry, BoardFrozen):
            self._told.append(entry)
            self._last[entry.board] = max(at, self._last.get(entry.board, 0))

    async def compare(self, now: int, blame: Blame) -> int:
        """Compare all boards; how many. To be asked when nothing is on its way from a log to a board.

        Args:
            now: ms; a board that was not touched for as long as boards are kept may be gone.
        """
        looked_at = 0
        for name in sorted(self._last):
            is_there, players = await self._boards.known(name)
            if not is_there:
                if self._last[name] > now - KEPT_MS:
                    blame("boards are there", name, "its players scored, and it is not in the store")
                continue
            looked_at += 1
            rows = self._newest.get(name, {})
            late_only = await self._rows(name, list(rows.values()), blame)
            if players != len(rows) - late_only:
                blame("boards are of players", name, f"{players} have a row, {len(rows) - late_only} scored in time")
            await self._ranking(name, rows, blame)
        for told in self._told:
            await self._frozen(told, blame)
        return looked_at

    async def _rows(self, name: str, rows: list[BoardScore], blame: Blame) -> int:
        """Compare what a board keeps of each player with the newest score; how many only came late."""
        late_only = 0
        for start in range(0, len(rows), PAGE):
            page = rows[start : start + PAGE]
            for row, held in zip(page, await self._boards.held(name, [row.player for row in page]), strict=True):
                late_only += held is not None and held.version == 0
                if wrong := _differs(row, held):
                    blame("boards agree", f"{name} {row.player}", wrong)
        return late_only

    async def _ranking(self, name: str, rows: dict[str, BoardScore], blame: Blame) -> None:
        """Go through all ranks: each row stands where the rule puts it, and is a player's own."""
        last: Row | None = None
        while True:
            table = await self._boards.top(name, PAGE, after=last.rank if last else 0)
            for row in table.rows:
                if row.player not in rows:
                    blame("boards are of players", f"{name} {row.player}", "is on the board and never scored")
                if last is not None and _place(last) >= _place(row):
                    blame("ranks are in order", f"{name} {row.player}", f"{last} before {row}")
                last = row
            if len(table.rows) < PAGE:
                return

    async def _frozen(self, told: BoardFrozen, blame: Blame) -> None:
        """A frozen board still is what its keeper was told."""
        is_there, _ = await self._boards.known(told.board)
        if not is_there:
            return
        table = await self._boards.top(told.board, max(1, len(told.rows)))
        shown = tuple((row.player, row.score, row.reached_at) for row in table.rows[: len(told.rows)])
        if not table.frozen_at or (shown, table.entrants) != (told.rows, told.entrants):
            blame("frozen boards stay", told.board, f"{told.player} was told {told}, it shows {table}")


def _differs(row: BoardScore, held: Held | None) -> str:
    """Say how a board differs from the newest score of a player; "" when it does not."""
    if held is None or max(held.version, held.late) != row.version:
        return f"version {row.version} by the log, the board has {held}"
    if held.late or (held.score, held.reached_at) == (row.score, row.reached_at):
        return ""
    return f"{row.score} at {row.reached_at} by the log, the board has {held}"


def _place(row: Row) -> tuple[float, int, bytes]:
    return (0.0 - row.score, row.reached_at, row.player.encode())
