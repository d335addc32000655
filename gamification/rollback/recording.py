"""The journal as it grows: what a turn took is appended, and marks are set so that it stays bounded.

A mark is set when the newer one has ``entries`` behind it or is older than half of ``within``; the older of three
goes, with what came before the one that is now the older. So no turn folds anything, and at least ``entries`` entries,
or half of ``within``, can always be unwound.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.effects import Effect, Posting
from domain.entries import Event, LogEntry
from domain.journal import PAGE, Correction, Journal, Mark, Taken, encode_taken
from domain.player import PART_TYPES, Profile, Snapshot, last_tone, scores_of
from domain.step import Grant, Step
from gamification.rollback.rules import RollbackRule
from gamification.rules import Rules

GAME_PARTS = (
    "wallet",
    "metrics",
    "missions",
    "progress",
    "streaks",
    "quests",
    "runs",
    "shop",
    "games",
    "asks",
)
"""Parts of the snapshot that belong to the game: an unwinding replaces them. Who the player is, it leaves."""
BYTES_MAX = 16_384  # of one entry; a greater one (a merge of a large profile) is a line that nothing is unwound across

_encoder = msgspec.msgpack.Encoder()
_MARKED = (*GAME_PARTS, "profile")
_EMPTY = {name: _encoder.encode(getattr(Snapshot(""), name)) for name in _MARKED}
_decoders = {name: msgspec.msgpack.Decoder(PART_TYPES[name]) for name in _MARKED}


def is_moved(before: Snapshot, after: Snapshot) -> bool:
    """Tell whether anything of the game has changed; the commonest parts first."""
    return (
        after.metrics is not before.metrics
        or after.wallet is not before.wallet
        or after.missions is not before.missions
        or after.progress is not before.progress
        or after.streaks is not before.streaks
        or after.runs is not before.runs
        or after.games is not before.games
        or after.shop is not before.shop
        or after.asks is not before.asks
        or after.quests is not before.quests
    )


def on_turn(rule: RollbackRule, rules: Rules, before: Snapshot, step: Step[Snapshot], entry: LogEntry) -> Journal:
    """Return the journal with the turn in it; the same one when the game could have no part in the entry.

    What moved nothing may move something without another event: all that rules wait for is kept.
    """
    after, what, version = step.state, entry.entry, rules.version
    if not isinstance(what, Event) or what.name in rules.by_event or what.name in rules.movers:
        is_taken = True
    else:
        is_taken = is_moved(before, after)
    if is_taken:
        return _appended(
            rule,
            before,
            Taken(
                entry.offset,
                entry.at,
                version,
                before.profile.last_seen_at,
                what,
                levels=entered(before, after),
                debits=_debits(step.effects) if after.wallet is not before.wallet else (),
            ),
        )
    if is_same_person(before.profile, after.profile):
        return before.journal
    told = _encoder.encode(after.profile)
    return _appended(rule, before, Taken(entry.offset, entry.at, version, profile=told))


def on_grants(
    rule: RollbackRule, version: int, before: Snapshot, at: int, cause: str, grants: Iterable[Grant], after: Snapshot
) -> Journal:
    """Return the journal with what the CRM gave, and what it made of the profile."""
    given = tuple((grant.currency, grant.amount, grant.rule, grant.budget, grant.key) for grant in grants)
    told = _encoder.encode(before.profile)
    taken = Taken("", at, version, 0, None, told, given, cause, entered(before, after))
    return _appended(rule, before, taken)


def on_correction(rule: RollbackRule, version: int, before: Snapshot, at: int, correction: Correction) -> Journal:
    """Return the journal with what an unwinding changed beside leaving events out; ``before`` is not yet changed."""
    told = _encoder.encode(before.profile)
    return _appended(rule, before, Taken("", at, version, profile=told, correction=correction))


def mark_of(state: Snapshot, sequence: int, number: int, at: int) -> Mark:
    """Return a mark of the state."""
    parts = {}
    for name in _MARKED:
        data = _encoder.encode(getattr(state, name))
        if data != _EMPTY[name]:
            parts[name] = data
    return Mark(sequence, number, at, parts, dict(scores_of(state)), dict(last_tone(state)))


def marked(mark: Mark) -> dict[str, Any]:
    """Return the parts of a mark by name."""
    return {name: _decoders[name].decode(data) for name, data in mark.parts.items()}


def profile_of(data: bytes) -> Profile:
    """Read a profile that was kept."""
    profile: Profile = _decoders["profile"].decode(data)
    return profile


def entered(before: Snapshot, after: Snapshot) -> tuple[tuple[str, str], ...]:
    """Return (system, level) of the levels that the turn has changed."""
    held, levels = before.progress.levels, after.progress.levels
    if levels is held:
        return ()
    return tuple((system, level) for system, level in levels.items() if held.get(system) != level)


def _debits(effects: tuple[Effect, ...]) -> tuple[tuple[str, str], ...]:
    return tuple([(e.currency, e.rule) for e in effects if type(e) is Posting and e.amount < 0])


def is_same_person(before: Profile, after: Profile) -> bool:
    """Tell whether nothing but the time of the last sight differs."""
    return after is before or (
        (after.traits is before.traits or after.traits == before.traits)
        and after.timezone == before.timezone
        and after.locale == before.locale
        and after.first_seen_at == before.first_seen_at
    )


def _appended(rule: RollbackRule, before: Snapshot, taken: Taken) -> Journal:
    journal = _begun(rule, before, taken.at)
    scores, tone = journal.scores, journal.tone
    mood = last_tone(before)
    if not _has_scores(before, scores) or mood != tone:
        scores, tone = dict(scores_of(before)), dict(mood)
        taken = msgspec.structs.replace(taken, scores=scores, tone=tone)
    data = encode_taken(taken)
    if len(data) > BYTES_MAX:  # the next entry's state is the first that can be gone back to
        return msgspec.structs.replace(journal, next=_aligned(journal.next), marks=(), sealed=(), open=(), void=())
    open_, sealed = (*journal.open, data), journal.sealed
    if len(open_) == PAGE:
        sealed, open_ = (*sealed, open_), ()
    return Journal(
        journal.next + 1,
        journal.slots,
        journal.marks,
        sealed,
        open_,
        journal.void,
        journal.voids,
        journal.generation,
        scores,
        tone,
        journal.sequence,
    )


def _has_scores(state: Snapshot, scores: dict[str, float]) -> bool:
    """Tell whether these are the models' scores; every entry asks, so nothing is made for it."""
    held = state.scores.held
    if len(held) != len(scores):
        return False
    for name, score in held.items():  # noqa: SIM110 - a generator costs more than the comparison
        if score.value != scores.get(name):
            return False
    return True


def _begun(rule: RollbackRule, state: Snapshot, at: int) -> Journal:
    """Return the journal ready for an entry: with a mark, if one is due."""
    journal = state.journal
    marks = journal.marks
    slots = 2 * -(-rule.entries // PAGE) + 3  # two marks' entries, and a page begun at either end
    if marks and slots == journal.slots:
        newest = marks[-1]
        if journal.next - newest.number < rule.entries and at - newest.at <= rule.within_ms // 2:
            return journal
    elif marks or journal.slots != slots:  # another size of the ring: what was kept is where nobody would look
        journal = Journal(
            _aligned(journal.next), slots, voids=journal.voids, generation=journal.generation, sequence=journal.sequence
        )
    sequence = journal.sequence + 1
    mark = mark_of(state, sequence, journal.next, at)
    marks = (*journal.marks[-1:], mark)
    oldest = marks[0].number
    gone = max(0, (oldest - journal.first) // PAGE)
    return msgspec.structs.replace(
        journal,
        marks=marks,
        sequence=sequence,
        sealed=journal.sealed[gone:],
        void=tuple(number for number in journal.void if number >= oldest),
        scores=journal.scores if journal.marks else mark.scores,
        tone=journal.tone if journal.marks else mark.tone,
    )


def _aligned(number: int) -> int:
    return -(-number // PAGE) * PAGE
