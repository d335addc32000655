"""The two folds that the processor runs: players' turns, and the tower's judgement.

Entries of a batch are grouped by player. Players do not see each other, so each group is folded alone, here or,
for a dedicated player, in the process of its own.
"""

from datetime import UTC
from typing import Protocol

import msgspec
from msgspec import structs

from actors.partition import PartState, count_entered, with_beliefs, with_model
from actors.player import Player, Told, TurnFailed, Versions
from actors.processor import Folded, Known, PartitionStopped
from actors.programme import Programme
from actors.shared import Shared
from actors.turns import Turns
from crm.schedule import fired, opened
from crm.tower.airspace import Airspace, airspace_from_parts
from crm.tower.airspace import changed_parts as changed_air
from crm.tower.capacity import Channels
from crm.tower.records import tallied
from crm.tower.turn import TowerStep, take_tower_turn
from domain.calendar import as_datetime
from domain.decisions import encode_decision, encode_delivery
from domain.entries import (
    Asked,
    Barrier,
    BarrierPassed,
    BeliefsPublished,
    LogEntry,
    MessageRequest,
    ModelPublished,
    ProgrammePublished,
    TimerFired,
    Unreadable,
    WalkAsked,
    encode_entry,
)
from domain.ids import partition_of
from domain.journal import FIELD as JOURNAL
from domain.player import PART_TYPES, Snapshot, all_parts, snapshot_from_parts
from domain.step import Step
from ml.choices.beliefs import Beliefs
from ml.net import Model
from ml.turn import rescoring
from store.dead_letters import DeadLetter, encode_dead_letter
from store.ports import Commit, Walk, Write, encode_walk

_encode_json = msgspec.json.encode


class ProgrammeSource(Protocol):
    """Programme versions by number; content never changes, so what was read stays true."""

    def get(self, version: int) -> Programme | None:
        """Return a version that is in memory."""

    async def ensure(self, version: int) -> Programme:
        """Read and compile a version unless it is in memory."""


class ModelSource(Protocol):
    """Models by version; an artefact never changes, so what was read stays true."""

    def get(self, version: int) -> Model | None:
        """Return a version that is in memory and can be used."""

    async def ensure(self, version: int) -> Model | None:
        """Read a version unless it is in memory; None when this engine cannot use it."""


class BeliefSource(Protocol):
    """What is known of choices, by number; what was stored under one never changes."""

    def get(self, number: int) -> Beliefs:
        """Return a number that is in memory."""

    async def ensure(self, number: int) -> Beliefs:
        """Read a number unless it is in memory."""


class Elsewhere(Protocol):
    """Players that live in a process of their own."""

    def wants(self, snapshot: Snapshot) -> bool:
        """Tell whether the player lives elsewhere and is up."""

    async def take(self, snapshot: Snapshot, entries: list[LogEntry], versions: Versions, known: Known) -> Turns | None:
        """Fold there; None when it did not answer in time, and the host folds the batch itself."""


class _OverProgrammes:
    """What both folds share: the programme in force, in memory before the fold needs it."""

    def __init__(self, programmes: ProgrammeSource) -> None:
        self._programmes = programmes

    async def prepare(self, part: PartState, entries: list[LogEntry]) -> None:
        """Read the version in force and those that the batch publishes."""
        await self._programmes.ensure(part.programme)
        for entry in entries:
            if isinstance(entry.entry, ProgrammePublished):
                await self._programmes.ensure(entry.entry.version)

    def _in_force(self, part: PartState) -> Programme:
        programme = self._programmes.get(part.programme)
        assert programme is not None, f"programme {part.programme} was not prepared"
        return programme


class PlayerReducer(_OverProgrammes):
    """Folds players' entries into one commit of a partition.

    Args:
        models: None: nobody is scored.
        beliefs: None: nothing is ever known of choices.
    """

    def __init__(
        self,
        programmes: ProgrammeSource,
        *,
        store_seed: str,
        partitions: int,
        models: ModelSource | None = None,
        beliefs: BeliefSource | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        super().__init__(programmes)
        self._seed = store_seed
        self._partitions = partitions
        self._models = models
        self._beliefs = beliefs
        self._elsewhere = elsewhere

    async def prepare(self, part: PartState, entries: list[LogEntry]) -> None:
        """Read what the batch needs: the programme; the model where players are scored, beliefs where it chooses."""
        await super().prepare(part, entries)
        if self._beliefs is not None and self._in_force(part).crm.choices.choices:
            await self._beliefs.ensure(part.beliefs)
        if self._models is not None and self._in_force(part).models is not None:
            await self._models.ensure(part.model)

    def _told(self, partition: int, part: PartState) -> Told:
        programme = self._in_force(part)
        model = self._models.get(part.model) if self._models is not None and programme.models is not None else None
        chooses = self._beliefs is not None and programme.crm.choices.choices
        beliefs = self._beliefs.get(part.beliefs) if self._beliefs is not None and chooses else Beliefs()
        return Told(programme, partition, self._seed, model, beliefs)

    def decode(self, player: str, version: int, parts: dict[str, bytes]) -> Snapshot:
        return snapshot_from_parts(player, version, parts)

    def parts(self, state: Snapshot) -> dict[str, bytes]:
        return all_parts(state)

    def version(self, state: Snapshot) -> int:
        return state.version

    async def fold(
        self, partition: int, part: PartState, states: dict[str, Snapshot], entries: list[LogEntry], known: Known
    ) -> Folded[Snapshot]:
        """Fold a batch; a publish changes the programme or the model, everything else is a player's."""
        folded: Folded[Snapshot] = Folded(Commit("", ""), part=part)
        told = self._told(partition, part)
        shared = Shared()
        try:
            for player, theirs in _by_player(entries).items():
                if player:
                    turns = await self._turns(states[player], theirs, told, known, folded)
                    _write_turns(folded.commit, turns, theirs, self._partitions)
                    shared.add(turns)
                    _add_accounts(folded, turns)
                    folded.recent += turns.recent
                else:
                    self._partitions_own(folded, theirs, partition, shared)
        except TurnFailed as failed:
            raise PartitionStopped(str(failed)) from failed
        shared.write(folded.commit, self._partitions)
        return folded

    def _partitions_own(
        self, folded: Folded[Snapshot], entries: list[LogEntry], partition: int, shared: Shared
    ) -> None:
        """Fold what concerns no player: a publish, the calendar, a walk that was asked for, bytes that are no entry."""
        for entry in entries:
            try:
                self._partitions_turn(folded, entry, partition, shared)
            except PartitionStopped:
                raise
            except Exception as error:  # the engine's own: it stops this partition for a person, not the process
                raise PartitionStopped(f"{type(entry.entry).__name__} at {entry.offset}: {error!r}") from error

    def _partitions_turn(self, folded: Folded[Snapshot], entry: LogEntry, partition: int, shared: Shared) -> None:
        before = self._in_force(folded.part).crm
        _publish(folded, [entry])
        after = self._in_force(folded.part).crm
        match entry.entry:
            case ProgrammePublished():
                _write_calendar(folded.commit, opened(before, after, entry.at), entry.at)
                folded.commit.outputs.append(encode_entry(entry.entry))
            case ModelPublished() as published:
                self._models_turn(folded, published, entry.at)
            case BeliefsPublished() as published:
                folded.part = with_beliefs(folded.part, published)
            case TimerFired() as timer:
                _write_calendar(folded.commit, fired(after, timer, entry.at), entry.at)
            case WalkAsked() as asked:
                _write_calendar(folded.commit, Step(Snapshot(""), walks=(asked,)), entry.at)
            case Barrier() as barrier:
                passed = BarrierPassed(barrier.keeper, barrier.id, partition, self._partitions)
                shared.passed(partition_of(barrier.keeper, self._partitions), encode_entry(passed))
            case Unreadable():
                folded.commit.dead.append(encode_dead_letter(_dead_letter(entry, "these bytes are no entry")))
                folded.part = structs.replace(folded.part, set_aside=folded.part.set_aside + 1)
            case other:
                raise PartitionStopped(f"{type(other).__name__} at {entry.offset} names no player")

    def _models_turn(self, folded: Folded[Snapshot], published: ModelPublished, at: int) -> None:
        """Move to another model, and have a walk bring it to the players who are silent."""
        before = folded.part.model
        folded.part = with_model(folded.part, published)
        if folded.part.model != before and self._in_force(folded.part).models is not None:
            _write_calendar(folded.commit, Step(Snapshot(""), walks=(rescoring(published),)), at)

    async def _turns(
        self, snapshot: Snapshot, entries: list[LogEntry], told: Told, known: Known, folded: Folded[Snapshot]
    ) -> Turns:
        if self._elsewhere is not None and not known.unrun and self._elsewhere.wants(snapshot):
            versions = Versions(told.programme.version, folded.part.model, told.beliefs.number)
            turns = await self._elsewhere.take(snapshot, entries, versions, known)
            if turns is not None:
                folded.states[snapshot.player] = with_fields(snapshot, turns.fields)
                return turns
        turns, state = Player(snapshot).take(entries, told, late=known.late, unrun=known.unrun)
        folded.states[snapshot.player] = state
        return turns


class TowerReducer(_OverProgrammes):
    """Folds requests and facts of a partition's players into decisions and deliveries."""

    def decode(self, player: str, version: int, parts: dict[str, bytes]) -> Airspace:
        return airspace_from_parts(player, version, parts)

    def parts(self, state: Airspace) -> dict[str, bytes]:
        return changed_air(Airspace(""), state)

    def version(self, state: Airspace) -> int:
        return state.version

    async def fold(  # a tower folds the same in every partition
        self, _: int, part: PartState, states: dict[str, Airspace], entries: list[LogEntry], known: Known
    ) -> Folded[Airspace]:
        """Judge a batch in order, player by player."""
        folded: Folded[Airspace] = Folded(Commit("", ""), part=part)
        programme = self._in_force(part)
        channels = Channels(part.channels, entries)
        folded.part = structs.replace(part, channels=channels.after) if channels.after != part.channels else part
        for player, theirs in _by_player(entries).items():
            if not player:
                _publish(folded, theirs)
                if any(isinstance(entry.entry, Unreadable) for entry in theirs):
                    raise PartitionStopped(f"bytes at {theirs[0].offset} or after are no entry")
                continue
            before = air = states[player]
            for entry in theirs:
                stopped, closed = player in known.stopped, channels.closed_at(entry)
                try:
                    step = take_tower_turn(programme.crm, air, entry, stopped=stopped, closed=closed)
                except Exception as error:  # the tower's entries are all the engine's own: none is set aside
                    raise PartitionStopped(f"{type(entry.entry).__name__} at {entry.offset}: {error!r}") from error
                _write_tower(folded.commit, player, entry, step)
                folded.recent += [(d.at, player, d.outcome, d.template) for d in step.decisions]
                air = step.airspace
            if fields := changed_air(before, air):
                air = structs.replace(air, version=before.version + 1)
                folded.commit.writes.append(Write(player, before.version, air.version, fields))
            folded.states[player] = air
        folded.commit.tallies = tallied(folded.commit.tallies)
        return folded


def with_fields(snapshot: Snapshot, fields: dict[str, bytes]) -> Snapshot:
    """Return the snapshot one version later, with some parts read from their stored form."""
    if not fields:
        return snapshot
    fresh = snapshot_from_parts(snapshot.player, snapshot.version + 1, fields, snapshot.journal)
    kept = {name: getattr(snapshot, name) for name in (*PART_TYPES, JOURNAL) if name not in fields}
    return structs.replace(fresh, **kept)


def _by_player(entries: list[LogEntry]) -> dict[str, list[LogEntry]]:
    groups: dict[str, list[LogEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.entry.player, []).append(entry)
    return groups


def _write_turns(commit: Commit, turns: Turns, entries: list[LogEntry], partitions: int) -> None:
    player = turns.player
    if turns.fields:
        commit.writes.append(Write(player, turns.base, turns.base + 1, turns.fields))
    commit.history += [(player, offset, record) for offset, record in turns.history]
    commit.outputs += turns.outputs
    commit.timers += turns.timers
    commit.publishes += turns.replies
    commit.groups += [(add, group, player) for add, group in turns.groups]
    commit.relays += [(partition_of(other, partitions), body) for other, body in turns.relays]
    commit.lifts += [(player, reason) for reason in turns.lifts]
    commit.stops += [(player, reason) for reason in turns.stops]
    commit.mutes += [(is_set, player, mark) for is_set, mark in turns.mutes]
    commit.duplicates += turns.duplicates
    commit.sums += turns.sums
    commit.cases += turns.cases
    by_offset = {entry.offset: entry for entry in entries}
    for key, cause in turns.keys:
        commit.keys.append((*_months(entries[0].at), key, cause))
    for offset, error in turns.failed:
        commit.dead.append(encode_dead_letter(_dead_letter(by_offset[offset], error)))


def _write_tower(commit: Commit, player: str, entry: LogEntry, step: TowerStep) -> None:
    commit.history += [(player, "*", encode_decision(decision)) for decision in step.decisions]
    commit.inbox += [(player, encode_delivery(d), d.purpose == "legal") for d in step.deliveries]
    commit.timers += [(op.set, op.timer.due, encode_entry(op.timer)) for op in step.timers]
    commit.dispatches += step.dispatches
    commit.voids += step.voids
    commit.reviews += [(name, _encode_json(record) if record else b"") for name, record in step.reviews]
    commit.tallies += step.tallies
    commit.outputs += [encode_entry(landed) for landed in step.told]
    match entry.entry:
        case MessageRequest(id=name):
            commit.index.append((name, player))
        case Asked(requests=requests):
            commit.index += [(request.id, player) for request in requests]
        case _:
            pass


def _add_accounts(folded: Folded[Snapshot], turns: Turns) -> None:
    """Book the other side of the players' postings, and count what was set aside."""
    if turns.accounts:
        accounts = dict(folded.part.accounts)
        for account, amount in turns.accounts.items():
            accounts[account] = accounts.get(account, 0) + amount
        folded.part = structs.replace(folded.part, accounts=accounts)
    if turns.entered:
        folded.part = count_entered(folded.part, turns.entered)
    if turns.failed:
        folded.part = structs.replace(folded.part, set_aside=folded.part.set_aside + len(turns.failed))


def _publish(folded: Folded[Snapshot] | Folded[Airspace], entries: list[LogEntry]) -> None:
    """Move to a newer programme; a lower version is ignored."""
    for entry in entries:
        what = entry.entry
        if isinstance(what, ProgrammePublished) and what.version > folded.part.programme:
            folded.part = structs.replace(folded.part, programme=what.version)


def _write_calendar(commit: Commit, step: Step[Snapshot], at: int) -> None:
    """Write a partition's own timers and walks."""
    commit.timers += [(op.set, op.timer.due, encode_entry(op.timer)) for op in step.timers]
    for asked in step.walks:
        walk = Walk(asked.id, asked.kind, asked.ref, asked.group, asked.per_minute, asked.args, at)
        commit.walks.append((asked.id, b"" if asked.stop else encode_walk(walk)))


def _months(at: int) -> tuple[str, str]:
    """Return the effect-key bucket of a time and the one before: keys are looked for in both."""
    moment = as_datetime(at).astimezone(UTC)
    month = moment.year * 12 + moment.month - 1
    return f"{month // 12}{month % 12 + 1:02d}", f"{(month - 1) // 12}{(month - 1) % 12 + 1:02d}"


def _dead_letter(entry: LogEntry, error: str) -> DeadLetter:
    what = entry.entry
    return DeadLetter(
        id="",
        at=entry.at,
        code="turn_failed",
        detail=error,
        path=f"log:{entry.offset}",
        player=what.player,
        event_id=getattr(what, "id", ""),
        raw=encode_entry(what),
    )
