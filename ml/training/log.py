"""A log of signals, of any source, as training reads it.

A loader (``ml.data``, an archive, a file) returns one ``Log``; nothing behind it knows where the rows came from.
"""

import hashlib
import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

KINDS = ("bet", "win", "deposit", "withdrawal", "purchase", "session", "other", "received", "responded")


class Log(Struct, frozen=True):
    """What players did, ascending in time. All columns have one length; row i is one signal.

    A log of purchases has kind ``purchase``, a log of plays without money ``other`` and amount 0.0.
    """

    player: list[int] | list[str]  # whatever the source calls them; never printed
    at: list[int]  # ms since the epoch, UTC, ascending
    kind: list[str]  # of ``KINDS``
    amount: list[float]  # in major units of one currency, 0.0 where there is none
    game: list[str] = []  # "" for none, of a message its id; the empty list: no row has one
    name: str = ""  # of the source, for the model card
    licence: str = ""  # of the source, for the model card

    def __len__(self) -> int:
        """How many signals."""
        return len(self.at)

    def rows(self) -> Iterator[tuple[int | str, int, str, float, str]]:
        """Go through (player, at, kind, amount, game), in time."""
        games: Iterable[str] = self.game or ("" for _ in self.at)
        return zip(self.player, self.at, self.kind, self.amount, games, strict=True)

    def before(self, at: int) -> "Log":
        """Return what was known at ``at``: the signals strictly before it."""
        return self._cut(0, bisect_left(self.at, at))

    def fingerprint(self) -> str:
        """Return the SHA-256 of all rows, hexadecimal: which data a model has seen."""
        digest = hashlib.sha256()
        for player, at, kind, amount, game in self.rows():
            digest.update(struct.pack("<qd", at, amount))
            digest.update(f"{player}\x1f{kind}\x1f{game}\x1e".encode())
        return digest.hexdigest()

    def _cut(self, first: int, end: int) -> "Log":
        return Log(
            player=self.player[first:end], at=self.at[first:end], kind=self.kind[first:end],
            amount=self.amount[first:end], game=self.game[first:end], name=self.name, licence=self.licence,
        )  # fmt: skip


class BadLog(ValueError):
    """The rows are no log: what was expected and what came."""


def log_of(
    player: Sequence[int] | Sequence[str],
    at: Sequence[int],
    kind: Sequence[str],
    amount: Sequence[float],
    *,
    game: Sequence[str] = (),
    name: str = "",
    licence: str = "",
) -> Log:
    """Make a log of rows in any order; rows of one instant keep theirs.

    Raises:
        BadLog: columns of different lengths, an unknown kind, or an amount that is no number.
    """
    lengths = {len(player), len(at), len(kind), len(amount)} | ({len(game)} if game else set())
    if len(lengths) != 1:
        raise BadLog(f"the columns have lengths {sorted(lengths)}, one was expected")
    if unknown := sorted(set(kind) - set(KINDS)):
        raise BadLog(f"kinds are {', '.join(KINDS)}; there is {', '.join(map(repr, unknown[:3]))}")
    if not all(map(math.isfinite, amount)):
        raise BadLog("an amount is not a finite number")
    order = sorted(range(len(at)), key=at.__getitem__)
    return Log(
        player=[player[i] for i in order],  # type: ignore[arg-type]
        at=[int(at[i]) for i in order],
        kind=[kind[i] for i in order],
        amount=[float(amount[i]) for i in order],
        game=[game[i] for i in order] if game else [],
        name=name,
        licence=licence,
    )
