"""What an id does once it lives on under another: it sends on what is meant for the person, and nothing else."""

from msgspec import structs

from crm.facts.receipts import receipt_of
from domain.effects import Answered, Forwarded
from domain.entries import Command, Entry, Event, KeeperAnswered, Landed, LogEntry, MergeAsked, Merged, MergeRefused
from domain.granting import CONFIRM
from domain.ids import is_anonymous
from domain.player import Snapshot
from domain.step import Step

_SENT_ON = ("exclude", "readmit", "message")  # nobody waits for their answer, and none may be lost


def _is_sent_on(command: Command) -> bool:
    """Tell whether a command goes on to the owner: a grant's outcome from its courier does, but not over HTTP."""
    return command.name in _SENT_ON or (command.name == CONFIRM and not command.reply_to)


def after_merge(state: Snapshot, entry: LogEntry) -> Step[Snapshot]:
    """Take the turn of an id that lives on under another.

    Events, exclusions, messages, what became of a grant and profiles that arrive are relayed to it, other commands
    answered ``moved`` with where to ask; timers and visits end quietly. What became of a message that this id's tower
    sent on its way is told that tower too, which waits for it. The state never changes again.
    """
    owner = state.identity.merged_into
    what = entry.entry
    match what:
        case Event():
            sent = structs.replace(what, player=owner, reply_to="", forwarded=what.forwarded or what.player)
            receipt = receipt_of(state.player, what)
            return Step(state, (Forwarded(owner),), relays=(sent,), told=(receipt,) if receipt else ())
        case Command() if _is_sent_on(what):
            asked = structs.replace(what, player=owner, reply_to="", forwarded=what.forwarded or what.player)
            return Step(state, (Forwarded(owner),), relays=(asked,))
        case Command():
            moved = Answered("moved", f"{state.player} lives on as {owner}", {"to": owner})
            return Step(state, (moved,))
        case MergeAsked():
            return Step(state, relays=_asked_again(what, owner))
        case Merged() | MergeRefused() | Landed() | KeeperAnswered():
            return Step(state, relays=(structs.replace(what, player=owner),))
        case _:
            return Step(state)


def _asked_again(asked: MergeAsked, owner: str) -> tuple[Entry, ...]:
    """Pass the question on while an anonymous id is in it; of two users the first has the device's past."""
    if asked.into == owner:
        return ()
    if is_anonymous(owner) or is_anonymous(asked.into):
        return (structs.replace(asked, player=owner, named=asked.named or asked.player),)
    return (MergeRefused(asked.into, asked.named or asked.player, owner, asked.cause),)
