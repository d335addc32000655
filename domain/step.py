"""The shape of every rule: (state, entry, now, draws) -> Step(state, effects)."""

import hmac
from random import Random
from typing import Generic, TypeVar

from msgspec import Struct

from domain.effects import Effect
from domain.entries import Barrier, Entry, MessageRequest, TimerFired, WalkAsked

S = TypeVar("S")


class Debits:
    """Which debits of an entry went through when it was first taken, for when it is folded again without another.

    Those go through again, whatever is left of the balance: the player has what they were for. Of a command all others
    are refused, as they were: the player was told so.
    """

    __slots__ = ("_is_all", "_through")

    def __init__(self, through: tuple[tuple[str, str], ...], *, is_all: bool) -> None:
        self._through = list(through)  # currency, rule
        self._is_all = is_all

    def settled(self, currency: str, rule: str, may: bool) -> bool:
        """Return whether a debit goes through that, by the balance, ``may``."""
        if (currency, rule) in self._through:
            self._through.remove((currency, rule))
            return True
        return may and not self._is_all


class Draws:
    """Randomness of one entry, the same at every replay.

    Entry offsets repeat across partitions, so the seed names the store, the partition, the entry and the rule.

    Attributes:
        debits: Of an entry that is folded again.
    """

    __slots__ = ("_place",)
    debits: Debits | None = None

    def again(self, offset: str, debits: Debits) -> "Draws":
        """Return the draws of an earlier entry of the same partition."""
        store_seed, partition, _ = self._place
        return _PastDraws(store_seed, partition, offset, debits)

    def __init__(self, store_seed: str, partition: int, offset: str) -> None:
        self._place = (store_seed, partition, offset)

    def of(self, rule: str, n: int = 0) -> Random:
        """Return the generator of the ``n``-th draw of a rule; made only when a rule draws."""
        store_seed, partition, offset = self._place
        return Random(f"{store_seed}/{partition}/{offset}/{rule}/{n}")

    def secret(self, *names: str) -> bytes:
        """Return 32 bytes that the names alone choose: what a draw commits to before, and reveals after.

        The store's seed is the key (128 random bits, ``playtower.supervisor``): whoever knows any number of these
        knows nothing of the others. The partition and the entry have no part in it.
        """
        store_seed, _, _ = self._place
        assert store_seed, "without the store's seed anybody could know what is drawn"
        return hmac.digest(store_seed.encode(), "/".join(names).encode(), "sha256")


class _PastDraws(Draws):
    __slots__ = ("debits",)

    def __init__(self, store_seed: str, partition: int, offset: str, debits: Debits) -> None:
        super().__init__(store_seed, partition, offset)
        self.debits = debits


NO_DRAWS = Draws("", 0, "")  # where nothing is drawn: the same numbers every time


class UniqueKey(Struct, frozen=True):
    """An effect key: H(player, rule, occurrence), unique in the store. ``cause`` is the id of the event behind it."""

    key: str
    cause: str


class TimerOp(Struct, frozen=True):
    """Set or clear a durable timer."""

    timer: TimerFired
    set: bool = True


class GroupOp(Struct, frozen=True):
    """Put the player into an index of who is where, or take it out (``segments/<id>``, ``journeys/<id>/<node>``)."""

    group: str
    add: bool = True


class Grant(Struct, frozen=True):
    """A reward that another rule package asks the ledger for."""

    currency: str
    amount: int
    rule: str  # journeys/<id>/<node>
    budget: str = ""  # what counts it; "": only ``budgets/programme`` may
    key: str = ""  # of the occurrence, unique for the player: a budget's answer names it


class BoardScore(Struct, frozen=True, array_like=True):
    """A player's score on a board, whole: written twice it changes nothing, and an older ``version`` is ignored."""

    board: str
    player: str
    version: int  # of this player's score on this board, rising
    score: float | None  # whole numbers to 2**53 are exact; None: the player is taken off
    reached_at: int = 0  # ms, event time; of equal scores the earlier ranks higher


class Freeze(Struct, frozen=True, array_like=True):
    """A board takes no scores from now on; its keeper is told the first ``most`` rows (``BoardFrozen``)."""

    board: str
    keeper: str
    most: int


class Toll(Struct, frozen=True, array_like=True):
    """What a turn adds to a shared thing; those of one commit reach its keeper as one entry (``Contributed``)."""

    keeper: str
    amount: int
    cause: str


class Step(Struct, Generic[S], frozen=True):
    """What a rule returns: the next state and what the shell must write beside it."""

    state: S
    effects: tuple[Effect, ...] = ()
    timers: tuple[TimerOp, ...] = ()
    keys: tuple[UniqueKey, ...] = ()
    requests: tuple[MessageRequest, ...] = ()
    groups: tuple[GroupOp, ...] = ()
    relays: tuple[Entry, ...] = ()  # entries for other players' logs, whatever their partition
    grants: tuple[Grant, ...] = ()
    walks: tuple[WalkAsked, ...] = ()  # of a partition's own entries
    told: tuple[Entry, ...] = ()  # entries for the tower's log beside facts and requests
    stops: tuple[str, ...] = ()  # ``reason`` or ``reason|until``: the player is excluded from this commit on
    lifts: tuple[str, ...] = ()  # reasons that no longer exclude the player
    mutes: tuple[tuple[bool, str], ...] = ()  # set, mark (``store.keys.mute``)
    scores: tuple[BoardScore, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    tolls: tuple[Toll, ...] = ()
    barriers: tuple[Barrier | WalkAsked, ...] = ()  # entries for the log of each partition


def joined(first: Step[S], second: Step[S]) -> Step[S]:
    """Return two steps of one turn as one, in their order. Grants are not carried: whoever joins has seen to them."""
    return Step(
        second.state,
        first.effects + second.effects,
        first.timers + second.timers,
        first.keys + second.keys,
        first.requests + second.requests,
        first.groups + second.groups,
        first.relays + second.relays,
        (),
        first.walks + second.walks,
        first.told + second.told,
        first.stops + second.stops,
        first.lifts + second.lifts,
        first.mutes + second.mutes,
        first.scores + second.scores,
        first.freezes + second.freezes,
        first.tolls + second.tolls,
        first.barriers + second.barriers,
    )
