"""The player's actor: one live object per active player, single-threaded turns.

The same class runs in a host among thousands (``placement: shared``) and alone in a Ray actor (``dedicated``).
It knows no store: it folds a batch of its player's entries and answers what must be written.
"""

from msgspec import Struct, field

from actors.choices import counted
from actors.deciding import Told, decide, entry_id
from actors.recent import told as recent_of
from domain.effects import (
    ChoiceCounted,
    ChoiceEnded,
    DuplicateLate,
    DuplicateProposed,
    Effect,
    FactTold,
    HistoryRecord,
    JourneyEntered,
    Posting,
    Reply,
    SetAside,
    encode_record,
    encode_reply,
)
from domain.entries import (
    Asked,
    Command,
    Entry,
    Event,
    Fact,
    KeeperAnswered,
    LogEntry,
    MessageRequest,
    Visited,
    encode_entry,
)
from domain.game_effects import CaseClosed, CaseOpened, Redeemed
from domain.ids import request_id
from domain.player import Snapshot, changed_parts, with_parts
from domain.step import BoardScore, Freeze, Step, Toll

__all__ = ["Player", "Told", "TurnFailed", "Turns", "Versions", "entry_id", "record_turn", "request_id"]


ASKED = "asked:"  # before an ask's id: where the reply to what a keeper answered is waited for


class TurnFailed(Exception):
    """An entry of the engine's own failed; its partition stops, nothing is skipped."""


class Turns(Struct, array_like=True):
    """What a batch of one player's turns must write. Crosses the process boundary of a dedicated actor."""

    player: str
    base: int  # version the batch was folded from
    fields: dict[str, bytes] = field(default_factory=dict)  # changed parts of the snapshot
    history: list[tuple[str, bytes]] = field(default_factory=list)  # offset, record
    outputs: list[bytes] = field(default_factory=list)  # for the tower's log
    keys: list[tuple[str, str]] = field(default_factory=list)  # effect key, cause
    timers: list[tuple[bool, int, bytes]] = field(default_factory=list)
    replies: list[tuple[str, bytes]] = field(default_factory=list)  # channel, reply
    accounts: dict[str, int] = field(default_factory=dict)  # other side of the ledger, by "account:currency"
    failed: list[tuple[str, str]] = field(default_factory=list)  # offset, error: set aside
    recent: list[tuple[int, str, str, str]] = field(default_factory=list)  # at, player, what, id: for the live page
    groups: list[tuple[bool, str]] = field(default_factory=list)  # add, group
    relays: list[tuple[str, bytes]] = field(default_factory=list)  # player, entry for their log
    stops: list[str] = field(default_factory=list)  # ``reason`` or ``reason|until``: excluded from this batch on
    duplicates: list[bytes] = field(default_factory=list)  # probable duplicates, for a person
    entered: list[str] = field(default_factory=list)  # walks whose visits brought the player into a journey
    lifts: list[str] = field(default_factory=list)  # reasons that no longer exclude the player; before the stops
    mutes: list[tuple[bool, str]] = field(default_factory=list)  # set, mark
    sums: list[tuple[str, int]] = field(default_factory=list)  # field, how much more: of choices that ended
    scores: list[BoardScore] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    tolls: list[Toll] = field(default_factory=list)
    barriers: list[bytes] = field(default_factory=list)  # entries for each partition's own
    cases: list[tuple[str, bytes]] = field(default_factory=list)  # id, record for a person; b"": it is over


class Versions(Struct, frozen=True, array_like=True):
    """What is in force where a batch is folded, by number; crosses the process boundary of a dedicated actor."""

    programme: int
    model: int = 0
    beliefs: int = 0


class Player:
    """One player. ``snapshot`` is the state of the last batch that was kept."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def take(
        self, entries: list[LogEntry], told: Told, *, late: frozenset[str] = frozenset(), unrun: bool = False
    ) -> tuple[Turns, Snapshot]:
        """Fold the entries in order; what to write, and the state it leads to.

        ``snapshot`` is left as it was: the caller keeps the new one once it is committed.

        Args:
            late: Cause and key, a line each, of rewards that the same event took before: recorded, not applied.
            unrun: Set the (only) entry aside without running it.

        Raises:
            TurnFailed: an internal entry failed. A client's entry that fails is set aside with its error.
        """
        turns = Turns(self.snapshot.player, self.snapshot.version)
        state = self.snapshot
        for entry in entries:
            state = self._turn(state, entry, told, turns, late, unrun)
        if state is not self.snapshot:
            turns.fields = changed_parts(self.snapshot, state)
        if turns.fields:
            state = with_parts(state, version=self.snapshot.version + 1)
        return turns, state

    def _turn(
        self, state: Snapshot, entry: LogEntry, told: Told, turns: Turns, late: frozenset[str], unrun: bool
    ) -> Snapshot:
        """Take one turn; a client's entry that raises leaves the state as it was."""
        what = entry.entry
        if unrun and not isinstance(what, Event | Command):
            raise TurnFailed(f"{type(what).__name__} at {entry.offset}: its process died at it again and again")
        if unrun:
            return _set_aside(state, entry, "its process died at this entry again and again; it was not run", turns)
        try:
            step = decide(state, entry, told)
        except Exception as error:  # the one permitted catch around a turn (STYLE section 7)
            if not isinstance(what, Event | Command):
                raise TurnFailed(f"{type(what).__name__} at {entry.offset}: {error!r}") from error
            return _set_aside(state, entry, repr(error), turns)
        if taken := next((key.key for key in step.keys if f"{key.cause}\n{key.key}" in late), ""):
            record_turn(turns, entry, (DuplicateLate(taken),))
            return state
        if step.keys:
            turns.keys += [(key.key, key.cause) for key in step.keys]
        if step.timers:
            turns.timers += [(op.set, op.timer.due, encode_entry(op.timer)) for op in step.timers]
        if step.groups:
            turns.groups += [(op.add, op.group) for op in step.groups]
        if step.scores:
            turns.scores += step.scores
        if step.tolls:
            turns.tolls += step.tolls
        if step.freezes or step.barriers:
            turns.freezes += step.freezes
            turns.barriers += [encode_entry(barrier) for barrier in step.barriers]
        if step.relays:
            turns.relays += [(relayed.player, encode_entry(relayed)) for relayed in step.relays]
        for effect in step.effects:
            if isinstance(effect, Posting):
                account = f"{effect.account}:{effect.currency}"
                turns.accounts[account] = turns.accounts.get(account, 0) - effect.amount
            elif isinstance(effect, Redeemed):
                for account, moved in ((effect.source, -effect.amount), (effect.account, effect.amount)):
                    name = f"{account}:{effect.currency}"
                    turns.accounts[name] = turns.accounts.get(name, 0) + moved
            elif isinstance(effect, FactTold):
                fact = Fact(state.player, effect.name, effect.value, entry.at, entry_id(what))
                turns.outputs.append(encode_entry(fact))
            elif isinstance(effect, DuplicateProposed):
                turns.duplicates.append(
                    encode_record(HistoryRecord(entry_id(what), "duplicate_proposed", entry.at, (effect,)))
                )
            elif isinstance(effect, CaseOpened | CaseClosed):
                record = HistoryRecord(entry_id(what), state.player, entry.at, (effect,))
                turns.cases.append((effect.id, encode_record(record) if isinstance(effect, CaseOpened) else b""))
            elif isinstance(effect, ChoiceEnded | ChoiceCounted):
                turns.sums += counted(effect)
            elif isinstance(effect, JourneyEntered) and isinstance(what, Visited) and effect.journey == what.ref:
                turns.entered.append(what.walk)
        # After the facts: what is asked for is judged knowing them. What was asked for before is taken back first.
        turns.outputs += [encode_entry(told_too) for told_too in step.told]
        if step.requests:
            turns.outputs.append(encode_entry(_together(state.player, step.requests)))
        _open_and_shut(turns, step)
        record_turn(turns, entry, step.effects)
        return step.state


def _together(player: str, requests: tuple[MessageRequest, ...]) -> MessageRequest | Asked:
    """Return the requests of one turn as one entry, so that the tower weighs them against each other."""
    return requests[0] if len(requests) == 1 else Asked(player, requests)


def _open_and_shut(turns: Turns, step: Step[Snapshot]) -> None:
    """Add what the turn does to the store's gates, so that the last word of a batch is the one that counts."""
    for reason in step.lifts:
        turns.stops = [stop for stop in turns.stops if stop.partition("|")[0] != reason]
        if reason not in turns.lifts:
            turns.lifts.append(reason)
    for stop in step.stops:
        reason = stop.partition("|")[0]
        turns.stops = [*(other for other in turns.stops if other.partition("|")[0] != reason), stop]
    for is_set, mark in step.mutes:
        turns.mutes = [*(other for other in turns.mutes if other[1] != mark), (is_set, mark)]


def record_turn(turns: Turns, entry: LogEntry, effects: tuple[Effect, ...]) -> None:
    """Write down what the turn did, show it to the player and answer who waits for it."""
    what = entry.entry
    reply_to = getattr(what, "reply_to", "")
    if not effects and not reply_to:
        return
    record = HistoryRecord(entry_id(what), _name_of(what), entry.at, effects)
    if effects:
        data = encode_record(record)
        turns.history.append((entry.offset, data))
        turns.recent += [(entry.at, turns.player, about, name) for about, name in recent_of(effects)]
    if reply_to:
        place = f"{ASKED}{what.id}" if isinstance(what, KeeperAnswered) else entry.offset
        turns.replies.append((reply_to, encode_reply(Reply(turns.player, place, record))))


def _name_of(entry: Entry) -> str:
    """Return what the history calls an entry: an event's or command's name, a timer's or visit's kind, else its tag."""
    return getattr(entry, "name", "") or getattr(entry, "kind", "") or str(entry.__struct_config__.tag)


def _set_aside(state: Snapshot, entry: LogEntry, error: str, turns: Turns) -> Snapshot:
    turns.failed.append((entry.offset, error))
    record_turn(turns, entry, (SetAside(error),))
    return state
