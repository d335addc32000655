"""What a carrier does for boards before it relays a page: scores are written, boards that end are frozen (ADR 0012).

Nothing at or behind a row whose board did not answer is relayed: whoever hears ``BarrierPassed`` finds on the board all
that was scored before it.
"""

from domain.entries import BoardFrozen, encode_entry
from domain.ids import partition_of
from domain.step import BoardScore
from store.ports import BOARD, FREEZE, Outgoing, Ways, decode_freeze, decode_scores

Pages = dict[int, list[Outgoing]]  # by source, in the order of its outbox


class Boarding:
    """Writes to boards what outboxes hold for them."""

    def __init__(self, ways: Ways, partitions: int) -> None:
        self._ways = ways
        self._partitions = partitions

    async def done(self, pages: Pages) -> Pages:
        """Write what is for boards; return of each page the rows that may be relayed now.

        Scores that stand behind a failed row, or behind the freeze of their board, may be written all the same: they
        are absolute, and what is written before the freeze is in the table that it tells.

        Raises:
            Unavailable: the store did not answer.
        """
        ready = await self._scored(pages)
        return await self._frozen(ready)

    async def _scored(self, pages: Pages) -> Pages:
        scores: list[BoardScore] = []
        for rows in pages.values():
            for row in rows:
                if row.to == BOARD:
                    scores += decode_scores(row.body)
        failed = await self._ways.score(scores) if scores else set()
        if not failed:
            return pages
        return {source: _until(rows, [_is_for(row, failed) for row in rows]) for source, rows in pages.items()}

    async def _frozen(self, pages: Pages) -> Pages:
        """Freeze boards, and put in the place of each such row what its keeper is told, under the row's own id.

        Relayed in the order of the outbox under that id it arrives once, though two owners may both have frozen.
        """
        places = [(source, n) for source, rows in pages.items() for n, row in enumerate(rows) if row.to == FREEZE]
        if not places:
            return pages
        freezes = [decode_freeze(pages[source][n].body) for source, n in places]
        told = dict(zip(places, await self._ways.freeze(freezes), strict=True))
        return {source: self._telling(source, rows, told) for source, rows in pages.items()}

    def _telling(
        self, source: int, rows: list[Outgoing], told: dict[tuple[int, int], BoardFrozen | None]
    ) -> list[Outgoing]:
        found = []
        for n, row in enumerate(rows):
            if (source, n) not in told:
                found.append(row)
            elif (frozen := told[source, n]) is not None:
                found.append(Outgoing(row.id, partition_of(frozen.player, self._partitions), encode_entry(frozen)))
            else:
                break
        return found


def _is_for(row: Outgoing, boards: set[str]) -> bool:
    return row.to == BOARD and any(score.board in boards for score in decode_scores(row.body))


def _until(rows: list[Outgoing], is_failed: list[bool]) -> list[Outgoing]:
    """Return the rows before the first one that failed."""
    return rows[: is_failed.index(True)] if True in is_failed else rows
