"""The player's actor: one live object per active player, single-threaded turns.

The same class runs in a host among thousands (``placement: shared``) and alone in a Ray actor (``dedicated``).
It knows no store: it folds a batch of its player's entries and answers what must be written.
"""

from msgspec import Struct

from actors.deciding import Told, decide, entry_id
from actors.recent import told as recent_of
from actors.turns import Turns, write
from domain.effects import (
    DuplicateLate,
    Effect,
    HistoryRecord,
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
    KeeperAnswered,
    KeeperAsked,
    LogEntry,
    MessageRequest,
    encode_entry,
)
from domain.ids import request_id
from domain.player import Snapshot, changed_parts, with_parts
from domain.step import Step

__all__ = ["Player", "Told", "TurnFailed", "Versions", "entry_id", "record_turn", "request_id"]


ASKED = "asked:"  # before an ask's id: where the reply to what a keeper answered is waited for


class TurnFailed(Exception):
    """An entry of the engine's own failed; its partition stops, nothing is skipped."""


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
        except Exception as error:  # the one catch around a turn: what fails is set aside, and told
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
            turns.is_awaited = turns.is_awaited or any(map(_is_awaited, step.relays))
        write(turns, step.effects, entry)
        # After the facts: what is asked for is judged knowing them. What was asked for before is taken back first.
        turns.outputs += [encode_entry(told_too) for told_too in step.told]
        if step.requests:
            turns.outputs.append(encode_entry(_together(state.player, step.requests)))
        _open_and_shut(turns, step)
        record_turn(turns, entry, step.effects)
        return step.state


def _is_awaited(relay: Entry) -> bool:
    """Tell whether somebody waits for what a relay leads to; of what a turn asks by itself, a budget's room, nobody."""
    return not isinstance(relay, KeeperAsked | KeeperAnswered) or bool(relay.reply_to)


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
