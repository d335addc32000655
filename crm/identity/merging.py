"""The steps of a merge on both sides: one hands its profile over, the other joins it.

What the game keeps (balances, missions, metrics, traits) is moved by ``gamification.merge`` in the same turns.
"""

from msgspec import structs

from crm import segments
from crm.choices import course
from crm.choices import merge as choices
from crm.identity import duplicates, links
from crm.journeys import merge as journeys
from crm.working import Turn
from domain.effects import DuplicateProposed, ProfileMerged, SegmentLeft
from domain.entries import MergeAsked, Merged, MergeRefused
from domain.ids import survivor
from domain.player import Segments, Snapshot, all_parts, snapshot_from_parts
from domain.step import GroupOp

SOURCES_MAX = 1_000  # ids whose history is read with this one's; of more, the oldest are no longer
ALIAS_SCORE = 0.9  # of two users that an ``alias`` call says are one
_EMPTY = all_parts(Snapshot(""))


def on_asked(turn: Turn, asked: MergeAsked) -> None:
    """Hand over to the one that asks; or, when it is this one that lives on, ask it to join instead."""
    if asked.into == turn.player or asked.into in turn.identity.sources:
        return
    lives_on = survivor(turn.player, asked.into)
    if not lives_on:
        _propose(turn, asked.into)
    elif lives_on != turn.player:
        _hand_over(turn, asked)
    elif not links.ask(turn, asked.into, asked.cause):
        turn.relays.append(MergeRefused(asked.into, asked.named or turn.player, "", asked.cause))


def join(turn: Turn, merged: Merged) -> None:
    """Take in what ``merged`` brings: the CRM's part of it."""
    source = snapshot_from_parts(merged.source, 0, merged.parts)
    identity = turn.identity
    new = [merged.source, *source.identity.sources]
    devices = dict.fromkeys((*source.identity.devices, *identity.devices))
    turn.identity = structs.replace(
        identity,
        sources=tuple(dict.fromkeys((*identity.sources, *new)))[-SOURCES_MAX:],
        links={**identity.links, **{other: "merged" for other in new if other in identity.links}},
        devices=tuple(devices)[-links.DEVICES_MAX :],
    )
    if merged.source not in turn.identity.links and len(turn.identity.links) < links.LINKS_MAX:
        links.mark(turn, merged.source, "merged")
    choices.join(turn, source, turn.journeys)  # before the walks: those get other numbers
    journeys.join(turn, source)
    turn.effects.append(ProfileMerged(source=merged.source))


def _hand_over(turn: Turn, asked: MergeAsked) -> None:
    """End this profile: what it was is relayed whole, and whatever would wake it is cleared."""
    before = turn.before
    # Without the journal: it ends with the profile, since nothing is unwound across a merge.
    parts = {name: data for name, data in all_parts(before).items() if data != _EMPTY.get(name, data)}
    turn.relays.append(Merged(asked.into, turn.player, parts, asked.cause))
    held = turn.segments
    for segment in held.member:
        turn.groups.append(GroupOp(f"segments/{segment}", add=False))
        turn.effects.append(SegmentLeft(segment, "merged"))
    if held.armed:
        turn.clear_timer(segments.TIMER, "", held.armed)
    turn.segments = Segments()
    journeys.leave(turn)
    course.end_all(turn)
    duplicates.withdraw(turn)
    turn.identity = structs.replace(turn.identity, merged_into=asked.into, merged_at=turn.at, keys={})
    turn.effects.append(ProfileMerged(into=asked.into))


def _propose(turn: Turn, other: str) -> None:
    """Tell a person that two users may be one; not of an id that nobody has ever used."""
    if turn.start.profile.first_seen_at and turn.identity.links.get(other) != "proposed":
        if len(turn.identity.links) < links.LINKS_MAX:
            links.mark(turn, other, "proposed")
        one, two = sorted((turn.player, other))
        turn.effects.append(DuplicateProposed(one, two, ALIAS_SCORE, ("alias_of_users",)))
