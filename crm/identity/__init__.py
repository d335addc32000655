"""Identity: which ids are one person, and how profiles join (docs/identity.md, ADR 0007).

Merges go from anonymous to user, of two anonymous ids to the smaller; two user ids are only proposed to a person, so
there are no loops. A merge is a saga of log entries, each step a commit of one partition, the next one relayed under
the commit's own place in the outbox: it is resumed after any crash and never done twice.
"""

from crm.identity import duplicates, links, merging
from crm.identity.forwarding import after_merge as after_merge
from crm.working import Turn
from domain.entries import Entry, Event, KeyClaimed, MergeAsked, Merged, MergeRefused
from domain.player import Snapshot


def concerns(state: Snapshot, entry: Entry) -> bool:
    """Tell whether the entry may change who is who; cheap, since it is asked of every event."""
    if isinstance(entry, Event):
        return links.concerns(state.identity, entry) or bool(entry.traits and duplicates.concerns(entry.traits))
    return isinstance(entry, KeyClaimed | MergeAsked | Merged | MergeRefused)


def is_joined(state: Snapshot, entry: Entry) -> bool:
    """Tell whether the entry brings a profile that has joined before: it changes nothing any more."""
    return isinstance(entry, Merged) and entry.source in state.identity.sources


def advance(turn: Turn, entry: Entry) -> None:
    """Note links, devices and keys; hand this profile over, or join one that arrives. Only what ``concerns`` us."""
    match entry:
        case Event():
            links.note(turn, entry)
            duplicates.tell(turn)
        case MergeAsked():
            merging.on_asked(turn, entry)
        case Merged() if not is_joined(turn.start, entry):
            merging.join(turn, entry)
            duplicates.tell(turn)
        case MergeRefused():
            links.on_refused(turn, entry)
        case KeyClaimed():
            duplicates.on_claimed(turn, entry)
        case _:
            pass
