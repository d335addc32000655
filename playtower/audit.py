"""``playtower audit``: folds every partition's log again, from nothing, and compares the outcome with what is stored.

A turn is a pure function, so snapshots, ledger and effects must come out the same. Beside that, what can be checked
without the rules is: sums, unique ids, counters, and completions recounted from their events by other code.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from redis.asyncio import Redis

from actors.beliefs import BeliefVersions
from actors.models import ModelVersions
from actors.partition import RULES_VERSION, PartState, count_entered, decode_part, with_beliefs, with_model
from actors.player import Player, Told, TurnFailed
from actors.programme import ProgrammeVersions
from actors.turns import Turns
from crm.choices.recorded import recorded
from domain.decisions import decode_decision, decode_delivery
from domain.effects import (
    DuplicateLate,
    HistoryRecord,
    MissionCompleted,
    Posting,
    Scored,
    SetAside,
    decode_record,
    lifetime_change,
)
from domain.entries import (
    BeliefsPublished,
    Command,
    Event,
    LogEntry,
    Merged,
    MessageRequest,
    ModelPublished,
    ProgrammePublished,
    Unreadable,
    read_entry,
)
from domain.errors import NotFound
from domain.ids import is_nobody, partition_of
from domain.player import Scores, Snapshot, all_parts, snapshot_from_parts, with_parts
from gamification.explain import explain_completion
from ml.choices.beliefs import Beliefs
from ml.recorded import AsRecorded
from ml.turn import Scorer
from playtower.audit_boards import BoardAudit
from store.archive.files import place
from store.archive.reading import ArchiveGap, decided_requests, log_rows
from store.beliefs import BeliefsStore
from store.identity import Identity, read_identity
from store.keys import PLAYERS, TOWER, Lane, archived, choice_sums, group, outbox
from store.models import Models
from store.programmes import Programmes

PAGE = 2_000  # log entries read at once
MERGED = "merged:"  # account of what goes from a profile that ended to the one it joined
VIOLATIONS_MAX = 1_000  # listed; all are counted


class Violation(Struct, frozen=True):
    """Something that must not be."""

    partition: int  # -1: of all of them together
    check: str
    subject: str  # player, event or key
    detail: str


class AuditReport(Struct):
    """What the audit saw. ``ok`` only when it found nothing."""

    ok: bool = True
    partitions: int = 0
    entries: int = 0  # folded again
    waiting: int = 0  # in the log, not applied yet
    players: int = 0
    postings: int = 0
    completions: int = 0
    set_aside: int = 0
    decisions: int = 0
    boards: int = 0  # compared with the players' records
    violations: list[Violation] = []
    violations_total: int = 0
    sums: dict[str, int] = {}  # currency -> held by all players

    def blame(self, partition: int, check: str, subject: str, detail: str) -> None:
        """Record a violation."""
        self.ok = False
        self.violations_total += 1
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(partition, check, subject, detail))


class _Refold:
    """One partition folded again."""

    def __init__(
        self,
        partition: int,
        identity: Identity,
        versions: ProgrammeVersions,
        models: ModelVersions,
        beliefs: BeliefVersions,
        report: AuditReport,
        boards: BoardAudit,
    ) -> None:
        self.partition = partition
        self.part = PartState()
        self.states: dict[str, Snapshot] = {}
        self.events: dict[str, list[LogEntry]] = {}
        self.groups: dict[str, set[str]] = {}
        self.sums: Counter[str] = Counter()  # of choices that ended
        self._beliefs = beliefs
        self._drawn_with = Beliefs(), True
        self._identity = identity
        self._versions = versions
        self._models = models
        self._report = report
        self._boards = boards
        self._ids: set[tuple[str, str, str]] = set()
        self._joined: dict[str, list[tuple[int, Snapshot]]] = {}  # player -> when, the profile that joined

    async def fold(self, entry: LogEntry, stored: HistoryRecord | None) -> None:
        """Fold one entry and compare what it did with what is recorded."""
        what = entry.entry
        if isinstance(what, Unreadable):
            self._report.set_aside += 1
            self.part = structs.replace(self.part, set_aside=self.part.set_aside + 1)
            return
        if isinstance(what, ProgrammePublished):
            if what.version > self.part.programme:
                await self._versions.ensure(what.version)
                self.part = structs.replace(self.part, programme=what.version)
            return
        if isinstance(what, ModelPublished):
            self.part = with_model(self.part, what)
            return
        if isinstance(what, BeliefsPublished):
            self.part = with_beliefs(self.part, what)
            return
        if not what.player:  # a walk or the calendar: nobody's turn
            return
        if isinstance(what, Event | Command):
            sent = (what.player, what.id, what.forwarded)  # sent on from another id, it is another sender's
            if sent in self._ids:
                self._blame("applied once", what.id, f"the log has this id of {what.player!r} twice")
            self._ids.add(sent)
        if isinstance(what, Merged):
            profile = snapshot_from_parts(what.source, 0, what.parts)
            self._joined.setdefault(what.player, []).append((entry.at, profile))
        self.events.setdefault(what.player, []).append(entry)
        programme = self._versions.get(self.part.programme)
        assert programme is not None
        model: Scorer | None = None
        if programme.models is not None:
            model = await self._models.ensure(self.part.model)
        effects = stored.effects if stored else ()
        if model is not None:
            before = self.states.get(what.player)
            scored = next((effect for effect in effects if isinstance(effect, Scored)), None)
            model = AsRecorded(model, before.scores if before else Scores(), scored)
        beliefs, can_repeat = await self._known(self.part.beliefs)
        told = Told(
            programme, self.partition, self._identity.seed, model, beliefs, recorded(effects, can_repeat=can_repeat)
        )
        turns = self._take(entry, stored, told)
        self._boards.add(what, turns.scores, entry.at)
        self._compare(entry, turns, stored)

    async def _known(self, number: int) -> tuple[Beliefs, bool]:
        """Return what was known of choices, and whether it is at hand: old beliefs are not kept."""
        if self._drawn_with[0].number != number:
            try:
                self._drawn_with = await self._beliefs.ensure(number), True
            except NotFound:
                self._drawn_with = Beliefs(number), False
        return self._drawn_with

    def _take(self, entry: LogEntry, stored: HistoryRecord | None, told: Told) -> Turns:
        player = entry.entry.player
        before = self.states.get(player) or Snapshot(player)
        effects = stored.effects if stored else ()
        cause = getattr(entry.entry, "id", "")
        late = frozenset(f"{cause}\n{e.key}" for e in effects if isinstance(e, DuplicateLate))
        unrun = any(isinstance(e, SetAside) and "was not run" in e.error for e in effects)
        try:
            turns, after = Player(before).take([entry], told, late=late, unrun=unrun)
        except TurnFailed as failed:
            self._blame("folds", entry.offset, str(failed))
            return Turns(player, before.version)
        self.states[player] = with_parts(after, version=0)
        for name, more in turns.sums:
            self.sums[name] += more
        for account, amount in turns.accounts.items():
            accounts = self.part.accounts
            self.part = structs.replace(self.part, accounts=accounts | {account: accounts.get(account, 0) + amount})
        if turns.entered:
            self.part = count_entered(self.part, turns.entered)
        if turns.failed:
            self._report.set_aside += 1
            self.part = structs.replace(self.part, set_aside=self.part.set_aside + 1)
        for add, name in turns.groups:
            members = self.groups.setdefault(name, set())
            members.add(player) if add else members.discard(player)
        return turns

    def _compare(self, entry: LogEntry, turns: Turns, stored: HistoryRecord | None) -> None:
        again = decode_record(turns.history[0][1]) if turns.history else None
        if again != stored:
            self._blame("same effects", entry.offset, f"folded again: {again}; recorded: {stored}")
        for effect in again.effects if again else ():
            if isinstance(effect, MissionCompleted):
                self._report.completions += 1
                self._explain(entry, effect)

    def _explain(self, entry: LogEntry, completion: MissionCompleted) -> None:
        player = entry.entry.player
        programme = self._versions.get(self.part.programme)
        progress = self.states[player].missions.get(completion.mission)
        assert programme is not None
        rules = programme.rules
        if progress is not None and progress.programme != rules.version:
            rules = rules.older.get(progress.programme, rules)
        cause = entry.entry.id if isinstance(entry.entry, Event) else None
        brought = self._brought(player, completion)
        missing = explain_completion(
            rules, completion.mission, completion, self.events[player], cause=cause, brought=brought
        )
        if missing:
            self._blame("completions are explained", f"{player} {completion.completion_id}", missing)

    def _brought(self, player: str, completion: MissionCompleted) -> Counter[str]:
        """Return what profiles that joined since the counting began had counted; their own turns are audited there."""
        brought: Counter[str] = Counter()
        for at, profile in self._joined.get(player, ()):
            held = profile.missions.get(completion.mission)
            if held is not None and at >= completion.window_from:
                brought.update(held.actual)
        return brought

    def _blame(self, check: str, subject: str, detail: str) -> None:
        self._report.blame(self.partition, check, subject, detail)


class Audit:
    """The audit of one store. Reads only; turns may go on meanwhile, entries after the offset seen are left out.

    Args:
        archive: Where the logs' trimmed beginnings are; they are folded first, from there.
    """

    def __init__(self, redis: Redis, identity: Identity, archive: Path | None = None) -> None:
        self._archive = archive
        self._let_go: dict[str, dict[str, HistoryRecord]] = {}  # of the partition at hand: player -> offset -> record
        self._redis = redis
        self._identity = identity
        self._versions = ProgrammeVersions(Programmes(redis))
        self._models = ModelVersions(Models(redis))
        self._beliefs = BeliefVersions(BeliefsStore(redis))
        self._until: dict[int, str] = {}  # partition -> the offset its fold went to
        self._accounts: Counter[str] = Counter()  # over all partitions
        self._boards = BoardAudit(redis)
        self.report = AuditReport()

    async def run(self, progress: Callable[[int, int], None] = lambda _partition, _entries: None) -> AuditReport:
        """Audit all partitions, one after another."""
        for partition in range(self._identity.partitions):
            try:
                await self._partition(partition, progress)
            except ArchiveGap as gap:
                self.report.blame(partition, "trimmed log without archive", "log", str(gap))
            self.report.partitions += 1
        if await self._is_at_rest():
            self._merges()
            self.report.boards = await self._boards.compare(await self._now(), partial(self.report.blame, -1))
        return self.report

    async def _now(self) -> int:
        seconds, micros = await self._redis.time()
        return int(seconds) * 1_000 + int(micros) // 1_000

    async def _is_at_rest(self) -> bool:
        """Tell whether every partition was audited to its end, did not move meanwhile, and has nothing on its way."""
        for partition in range(self._identity.partitions):
            meta = await self._meta(PLAYERS, partition)
            reached = meta.get("off", b"0-0").decode() == self._until.get(partition)
            if not reached or meta.get("in") != meta.get("done") or await self._redis.xlen(outbox(partition)):
                return False
        return True

    def _merges(self) -> None:
        """What ended profiles gave, others have taken."""
        for account, amount in self._accounts.items():
            if account.startswith(MERGED) and amount:
                self.report.blame(-1, "merges balance", account, f"expected 0 over all partitions, got {amount}")

    async def _partition(self, partition: int, progress: Callable[[int, int], None]) -> None:
        meta = await self._meta(PLAYERS, partition)
        part = decode_part(meta.get("part", b""))
        if part.rules != RULES_VERSION:
            self.report.blame(
                partition, "rules", str(part.rules), f"written by rules {part.rules}, not {RULES_VERSION}"
            )
            return
        until = meta.get("off", b"0-0").decode()
        refold = _Refold(
            partition, self._identity, self._versions, self._models, self._beliefs, self.report, self._boards
        )
        histories: dict[str, dict[str, HistoryRecord]] = {}
        self._let_go.clear()
        folded = 0
        async for page, records in self._log(PLAYERS, partition, until):
            for player in {e.entry.player for e in page if e.entry.player} - histories.keys():
                histories[player] = await self._history(partition, player)
            for player, offset, record in records:  # what the store let go of is the archive's to tell
                histories[player][offset] = record
                self._let_go.setdefault(player, {})[offset] = record
            for entry in page:
                player = entry.entry.player
                await refold.fold(entry, histories[player].pop(entry.offset, None) if player else None)
            folded += len(page)
            self.report.entries += len(page)
            progress(partition, len(page))
        self._until[partition] = until
        self._accounts.update(refold.part.accounts)
        self._counters(partition, meta, folded)
        await self._states(partition, refold, part, until)
        for player, left in histories.items():
            for offset in left:
                if not _after(offset, until):
                    self.report.blame(partition, "same effects", player, f"a record at {offset}, where no entry is")
        await self._tower(partition)

    def _counters(self, partition: int, meta: dict[str, bytes], folded: int) -> None:
        done, entered = int(meta.get("done", b"0")), int(meta.get("in", b"0"))
        self.report.waiting += entered - done
        if done != folded:
            self.report.blame(partition, "every entry once", "done", f"{done} counted, {folded} in the log up to there")
        if meta.get("broken"):
            self.report.blame(partition, "whole", "broken", meta["broken"].decode())

    async def _states(self, partition: int, refold: _Refold, part: PartState, until: str) -> None:
        """Compare snapshots, balances and accounts."""
        moved = (await self._meta(PLAYERS, partition)).get("off", b"0-0").decode() != until
        sums: dict[str, int] = {}
        for player, again in refold.states.items():
            self.report.players += not is_nobody(player)
            if partition_of(player, self._identity.partitions) != partition:
                self.report.blame(partition, "placed", player, "another partition's player")
            await self._ledger(partition, player, again, until)
            for currency, balance in again.wallet.items():
                sums[currency] = sums.get(currency, 0) + balance.balance
            if not moved:
                await self._snapshot(partition, player, again)
        for currency, held in sums.items():
            self.report.sums[currency] = self.report.sums.get(currency, 0) + held
            issued = sum(v for account, v in refold.part.accounts.items() if account.endswith(f":{currency}"))
            if held + issued:
                self.report.blame(partition, "double entry", currency, f"players hold {held}, the other side {issued}")
        await self._groups(partition, refold, until)
        await self._sums(partition, refold, until)
        if not moved and refold.part != part:
            self.report.blame(partition, "partition state", "part", f"folded again: {refold.part}; stored: {part}")

    async def _groups(self, partition: int, refold: _Refold, until: str) -> None:
        """Compare who is in the groups that turns ever touched, unless the partition moved on meanwhile."""
        stored = {
            name: {member.decode() for member in await self._redis.zrange(group(partition, name), 0, -1)}
            for name in sorted(refold.groups)
        }
        if (await self._meta(PLAYERS, partition)).get("off", b"0-0").decode() != until:
            return
        for name, held in stored.items():
            for player in sorted(refold.groups[name] ^ held):
                where = "in the index" if player in held else "by the log"
                self.report.blame(partition, "same groups", player, f"in {name} only {where}")

    async def _sums(self, partition: int, refold: _Refold, until: str) -> None:
        """Compare what was counted of choices, unless the partition moved on meanwhile."""
        stored = await self._redis.hgetall(choice_sums(partition))
        if (await self._meta(PLAYERS, partition)).get("off", b"0-0").decode() != until:
            return
        held = {name.decode(): int(value) for name, value in stored.items()}
        for name in sorted(held.keys() | refold.sums.keys()):
            if held.get(name, 0) != refold.sums[name]:
                self.report.blame(
                    partition, "same sums", name, f"{refold.sums[name]} by the log, {held.get(name, 0)} stored"
                )

    async def _snapshot(self, partition: int, player: str, again: Snapshot) -> None:
        stored = {k.decode(): v for k, v in (await self._redis.hgetall(PLAYERS.state(partition, player))).items()}
        empty = all_parts(Snapshot(player))
        for name, data in all_parts(again).items():
            if stored.get(name, empty.get(name)) != data:
                self.report.blame(partition, "same state", player, f"{name} differs from what the log gives")

    async def _ledger(self, partition: int, player: str, again: Snapshot, until: str) -> None:
        """Add the stored postings up; they must give the balances, each ``balance_after`` on the way."""
        balances: dict[str, int] = {}
        lifetimes: dict[str, int] = {}
        records = self._let_go.get(player, {}) | await self._history(partition, player)
        for offset, record in sorted(records.items(), key=lambda item: place(item[0])):
            if _after(offset, until):
                continue
            for effect in record.effects:
                if not isinstance(effect, Posting):
                    continue
                self.report.postings += 1
                balances[effect.currency] = balances.get(effect.currency, 0) + effect.amount
                credit = lifetime_change(effect.account, effect.amount)
                lifetimes[effect.currency] = lifetimes.get(effect.currency, 0) + credit
                if balances[effect.currency] != effect.balance_after:
                    self.report.blame(partition, "balance_after", player, f"{offset}: {effect}")
        held = {currency: (b.balance, b.lifetime) for currency, b in again.wallet.items() if b.balance or b.lifetime}
        summed = {currency: (balances[currency], lifetimes[currency]) for currency in balances}
        if held != {currency: pair for currency, pair in summed.items() if any(pair)}:
            self.report.blame(partition, "ledger sums", player, f"balances {held}, postings {summed}")

    async def _tower(self, partition: int) -> None:
        """Every request the tower has folded has its decision; no message was delivered twice."""
        until = (await self._meta(TOWER, partition)).get("off", b"0-0").decode()
        asked: dict[str, set[str]] = {}
        async for page, _ in self._log(TOWER, partition, until):
            for entry in page:
                if isinstance(entry.entry, MessageRequest):
                    asked.setdefault(entry.entry.player, set()).add(entry.entry.id)
        let_go: dict[str, dict[str, str]] = {}
        if self._archive is not None and await self._trimmed(TOWER, partition) != "0-0":
            let_go = await asyncio.to_thread(decided_requests, self._archive, partition)
        for player, requests in asked.items():
            decided = let_go.pop(player, {}) | {
                offset.decode(): decode_decision(fields[b"d"]).request_id
                for offset, fields in await self._stream(TOWER.history(partition, player))
            }
            self.report.decisions += len(decided)
            for request in sorted(requests - set(decided.values())):
                self.report.blame(partition, "every request decided", request, f"of {player}")
            inbox = await self._stream(f"{{{partition}}}:inbox:{player}")
            shown = [decode_delivery(fields[b"n"]).message_id for _, fields in inbox]
            for message in sorted({m for m in shown if shown.count(m) > 1}):
                self.report.blame(partition, "delivered once", message, f"to {player}")

    async def _meta(self, lane: Lane, partition: int) -> dict[str, bytes]:
        return {k.decode(): v for k, v in (await self._redis.hgetall(lane.meta(partition))).items()}

    async def _history(self, partition: int, player: str) -> dict[str, HistoryRecord]:
        items = await self._stream(PLAYERS.history(partition, player))
        return {offset.decode(): decode_record(fields[b"d"]) for offset, fields in items}

    async def _stream(self, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        return list(await self._redis.xrange(key))

    async def _log(
        self, lane: Lane, partition: int, until: str
    ) -> AsyncIterator[tuple[list[LogEntry], list[tuple[str, str, HistoryRecord]]]]:
        """Yield the log's pages with the records that the store let go of: first the archive's, then the store's."""
        trimmed = await self._trimmed(lane, partition)
        if trimmed != "0-0":
            if self._archive is None:
                raise ArchiveGap(f"the store begins after {trimmed}, and no archive was named")
            for rows in log_rows(self._archive, partition, trimmed, tower=lane is TOWER):
                page = [LogEntry(row.offset, row.at, read_entry(row.data)) for row in rows]
                yield page, [(row.player, row.offset, decode_record(row.record)) for row in rows if row.record]
        after = f"({trimmed}" if trimmed != "0-0" else "-"
        while items := await self._redis.xrange(lane.log(partition), after, until, count=PAGE):
            yield [LogEntry(i.decode(), int(fields[b"a"]), read_entry(fields[b"e"])) for i, fields in items], []
            after = f"({items[-1][0].decode()}"

    async def _trimmed(self, lane: Lane, partition: int) -> str:
        """Return the offset up to which the store may have let go of a log."""
        value = await self._redis.hget(archived(partition), f"{lane.name}:trimming")
        return value.decode() if value else "0-0"


async def audit(
    redis: Redis, progress: Callable[[int, int], None] = lambda _p, _n: None, *, archive: Path | None = None
) -> AuditReport:
    """Audit the store that the client is connected to, and its archive; an empty store is sound."""
    identity = await read_identity(redis)
    return await Audit(redis, identity, archive).run(progress) if identity else AuditReport()


def as_json(report: AuditReport) -> dict[str, Any]:
    """Return the object of ``--json``."""
    return {name: getattr(report, name) for name in report.__struct_fields__} | {
        "violations": [structs.asdict(violation) for violation in report.violations]
    }


def _after(offset: str, other: str) -> bool:
    left, right = (tuple(int(part) for part in text.split("-")) for text in (offset, other))
    return left > right
