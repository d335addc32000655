"""``PartitionProcessor`` folds one partition's log; ``Processor`` drives all partitions that a process owns.

Both the players and the tower run on it. A step is: read the next entries of all owned partitions, load what is
not in memory, fold, commit everything in one pipeline, and react to each verdict:

========== =======================================================================================
OK ALREADY keep the new states, go on
FENCED     another owner: forget the partition
STALE      memory is wrong: forget the states, the director's next round acquires again
CONFLICT   the same
DUPEFFECT  the same event once more: fold again, recording it ``duplicate_late``; another: stop
STOPPED    a player was excluded meanwhile: fold again, knowing it
BROKEN     stop, a person must look
no answer  it may be written: send the very same commit again (ALREADY tells), then give up ownership
========== =======================================================================================
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field, structs

from actors.activations import Activations, Codec
from actors.partition import PartState, decode_part, encode_part
from domain.entries import BeliefsPublished, LogEntry, ModelPublished, ProgrammePublished
from domain.errors import EngineError
from store.ports import Commit, Grant, LaneStore, Refused, Token, Unavailable, Verdict

S = TypeVar("S")

BATCH_MAX = 256  # entries of one partition in one commit; keeps a commit under some 10 ms of server time
STEP_MAX = 1_024  # entries of all partitions in one step: under a lease's length on a slow machine, else a backlog
# on every partition (32 x 256 entries, over 2 s) made the host lose its leases, again and again
BEHIND = 2  # times as many waiting as in the mean: a partition of which as many times more is read under load
BATCH_LEAST = 8  # entries a partition gets in a step, however many have work
COMMIT_TRIES = 5  # the same commit sent again after no answer
CAREFUL_AFTER = 2  # acquisitions at one offset, then batches of one
SET_ASIDE_AFTER = 4  # acquisitions at one offset, then the head is set aside unrun
_PUBLISHED = (ProgrammePublished, ModelPublished, BeliefsPublished)


class Folded(Struct, Generic[S]):
    """What a fold gives: the commit, and the states it leads to."""

    commit: Commit
    states: dict[str, S] = field(default_factory=dict)
    part: PartState = field(default_factory=PartState)
    recent: list[tuple[int, str, str, str]] = field(default_factory=list)  # for the live page


class Known(Struct, frozen=True):
    """What earlier refusals of this batch taught."""

    late: frozenset[str] = frozenset()  # cause and key, a line each, of rewards the same event took before
    stopped: frozenset[str] = frozenset()  # players excluded meanwhile
    unrun: bool = False  # the only entry killed its process before: set it aside without running it
    epoch: str = ""  # of the ownership: what a dedicated player kept under another is not trusted


class Reducer(Codec[S], Protocol[S]):
    """How one lane folds. Pure in what it decides; ``prepare`` may read immutable content."""

    async def prepare(self, part: PartState, entries: list[LogEntry]) -> None:
        """Make sure that all the programme versions the batch needs are in memory."""

    async def fold(
        self, partition: int, part: PartState, states: dict[str, S], entries: list[LogEntry], known: Known
    ) -> Folded[S]:
        """Fold the entries over the states of their players."""


class PartitionStopped(Exception):
    """The partition cannot go on without a person; nothing was lost, its log waits."""


class PartitionProcessor(Generic[S]):
    """One partition while this process owns it.

    Args:
        survived: Acquisitions among the grant's ``tries`` that this very process made and outlived: a store that
            does not answer makes many of them, and no entry is to blame.
    """

    def __init__(self, grant: Grant, reducer: Reducer[S], survived: int = 0) -> None:
        self.token: Token = grant.token
        self.offset = grant.offset
        self.part = decode_part(grant.part)
        self.activations: Activations[S] = Activations(reducer)
        self._reducer = reducer
        self._tries = grant.tries - survived
        self.batch: list[LogEntry] = []
        self.known = Known()

    def accept(self, entries: list[LogEntry], most: int = BATCH_MAX) -> list[str]:
        """Take the next batch, ``most`` entries at the most; return the players whose state must be loaded.

        A publish is a batch of its own: a batch runs under one programme, one model and one set of beliefs. After a
        process died at this offset, batches hold one entry, so that the next death names it.
        """
        limit = 1 if self._tries > CAREFUL_AFTER else most
        published = next((i for i, e in enumerate(entries) if isinstance(e.entry, _PUBLISHED)), None)
        if published is not None:
            limit = min(limit, max(1, published))
        self.batch = entries[:limit]
        self.known = Known(unrun=self._tries > SET_ASIDE_AFTER, epoch=self.token.epoch)
        # ``get`` makes those in memory the most recently used, so that loading the others cannot push them out.
        return list(
            {
                e.entry.player: None
                for e in self.batch
                if e.entry.player and self.activations.get(e.entry.player) is None
            }
        )

    async def fold(self) -> Folded[S]:
        """Fold the accepted batch over the states in memory."""
        await self._reducer.prepare(self.part, self.batch)
        states: dict[str, S] = {}
        for entry in self.batch:
            player = entry.entry.player
            if player and player not in states:
                state = self.activations.get(player)
                states[player] = state if state is not None else self.activations.activate(player, {})
        folded = await self._reducer.fold(self.token.partition, self.part, states, self.batch, self.known)
        folded.commit.start, folded.commit.end = self.offset, self.batch[-1].offset
        folded.commit.done = len(self.batch)
        if folded.part != self.part:
            folded.commit.part = encode_part(folded.part)
        return folded

    @property
    def is_refolded(self) -> bool:
        """Tell whether the batch was folded more than once, so that an earlier commit of it may be on its way."""
        return bool(self.known.late or self.known.stopped)

    def settled(self, folded: Folded[S]) -> int:
        """Keep what is now committed; how many entries."""
        self.offset = folded.commit.end
        self.part = folded.part
        for player, state in folded.states.items():
            self.activations.put(player, state)
        self._tries = 0
        return len(self.batch)

    def learn(self, verdict: Verdict, detail: str) -> None:
        """Note why the store refused the batch, for the next fold.

        Raises:
            PartitionStopped: a unique reward was granted for another cause, or nothing new was learnt.
        """
        before = self.known
        if verdict is Verdict.DUPEFFECT:
            cause, key, wanted = detail.split("\n")
            if cause != wanted:
                raise PartitionStopped(f"effect key {key!r} was taken by {cause!r}, and now {wanted!r} asks for it")
            self.known = structs.replace(before, late=before.late | {f"{cause}\n{key}"})
        else:
            self.known = structs.replace(before, stopped=before.stopped | {detail})
        if self.known == before:
            raise PartitionStopped(f"{verdict} {detail!r} again after folding with it in mind")


class Tally(Struct):
    """What a processor did since it started, for heartbeats and metrics."""

    entries: int = 0
    commits: int = 0
    lost: int = 0  # partitions given up after FENCED, STALE, CONFLICT or no answer


class Processor(Generic[S]):
    """All partitions of one lane that this process owns.

    Args:
        nonce: Makes a fresh random string for each acquisition.
        on_stop: Told when a partition stops for a person.

    ``on_commit`` is told of each committed batch; what it does must be little.
    """

    def __init__(
        self,
        store: LaneStore,
        reducer: Reducer[S],
        *,
        owner: str,
        nonce: Callable[[], str],
        ttl_ms: int = 2_000,
        on_stop: Callable[[int, str], None] = lambda _p, _why: None,
    ) -> None:
        self._store = store
        self._reducer = reducer
        self._owner = owner
        self._nonce = nonce
        self._ttl_ms = ttl_ms
        self._on_stop = on_stop
        self.on_commit: Callable[[int, Folded[S]], None] = lambda _partition, _folded: None
        self.owned: dict[int, PartitionProcessor[S]] = {}
        self.stopped: dict[int, str] = {}
        self.tally = Tally()
        self._share = BATCH_LEAST  # entries of a partition in the next step: those with work share it
        self._is_full = False  # the last step took about as many as a step may
        self._survived: dict[int, int] = {}  # acquisitions since the last commit, by partition

    async def acquire(self, partition: int) -> bool:
        """Take a partition if its lease is free; True when it is ours now."""
        if partition in self.owned or partition in self.stopped:
            return partition in self.owned
        survived = self._survived.get(partition, 0)
        self._survived[partition] = survived + 1
        try:
            grant = await self._store.acquire(partition, self._owner, self._nonce(), self._ttl_ms)
        except Refused as refused:
            self._survived[partition] = survived
            if refused.verdict is Verdict.BROKEN:
                self._stop(partition, refused.detail)
            return False
        self.owned[partition] = PartitionProcessor(grant, self._reducer, survived)
        return True

    async def release(self, partition: int) -> None:
        """Give a partition back at once."""
        if (processor := self.owned.pop(partition, None)) is not None:
            self._survived.pop(partition, None)
            await self._store.release(processor.token)

    async def renew(self) -> None:
        """Prolong all leases; forget what was fenced. Called by the turn loop itself, so a stuck loop loses them."""
        held = list(self.owned.items())
        verdicts = await self._store.renew([processor.token for _, processor in held], self._ttl_ms)
        for (partition, _), verdict in zip(held, verdicts, strict=True):
            if verdict is Verdict.BROKEN:
                self._stop(partition, "broken")
            elif verdict is not Verdict.OK:
                self._lose(partition)

    async def fire(self, limit: int = 500) -> int:
        """Move due timers of all owned partitions into their logs; how many."""
        tokens = [processor.token for processor in self.owned.values()]
        return sum(await self._store.fire(tokens, limit)) if tokens else 0

    async def step(self, block_ms: int = 100) -> int:
        """Fold the next entries of all owned partitions and commit them together; how many were applied.

        Raises:
            Unavailable: the store did not answer the read; nothing was folded.
        """
        offsets = {partition: processor.offset for partition, processor in self.owned.items()}
        behind, reach = await self._behind() if self._is_full else ([], 0)
        entries = await self._store.read({p: offsets.pop(p) for p in behind}, reach, 0) if behind else {}
        entries |= await self._store.read(offsets, self._share, 0 if entries else block_ms)
        self._share = max(BATCH_LEAST, min(BATCH_MAX, STEP_MAX // max(1, len(entries))))
        self._is_full = 2 * sum(map(len, entries.values())) >= STEP_MAX
        work = [(p, new) for p, new in entries.items() if new and p in self.owned]
        await self._activate([(self.owned[p], new, reach if p in behind else self._share) for p, new in work])
        return await self._commit([self.owned[p] for p, _ in work])

    async def _behind(self) -> tuple[list[int], int]:
        """Return the partitions that lie behind the others, and how many entries to read of each of them.

        All ask a budget's keeper, all add to a jackpot's: under load its partition has several times the entries of
        others. With as many in each step it was done with them a quarter of a second late, and its players' with it.
        """
        owned = list(self.owned)
        waiting = await self._store.waiting(owned)
        mean = sum(waiting) / len(waiting) if waiting else 0
        behind = [partition for partition, count in zip(owned, waiting, strict=True) if count > BEHIND * mean]
        if not behind:
            return [], 0
        room = min(BATCH_MAX, STEP_MAX // 2 // len(behind))  # a step stays under one and a half times ``STEP_MAX``
        return behind, max(self._share, min(room, round(self._share * max(waiting) / mean)))

    async def _activate(self, work: list[tuple[PartitionProcessor[S], list[LogEntry], int]]) -> None:
        """Load, in one round trip, every state the batches need and memory has not."""
        wanted = [(processor, player) for processor, new, most in work for player in processor.accept(new, most)]
        stored = await self._store.load([(processor.token.partition, player) for processor, player in wanted])
        for (processor, player), fields in zip(wanted, stored, strict=True):
            processor.activations.activate(player, fields)

    async def _commit(self, processors: list[PartitionProcessor[S]]) -> int:
        applied = 0
        while processors:
            folds = [(processor, await self._fold(processor)) for processor in processors]
            ready = [(processor, folded) for processor, folded in folds if folded is not None]
            verdicts = await self._write(ready)
            again: list[PartitionProcessor[S]] = []
            for (processor, folded), (verdict, detail) in zip(ready, verdicts, strict=True):
                if verdict is Verdict.ALREADY and processor.is_refolded:
                    self._lose(processor.token.partition)  # which fold was written, the store knows
                elif verdict in (Verdict.OK, Verdict.ALREADY):
                    applied += processor.settled(folded)
                    self._survived.pop(processor.token.partition, None)
                    self.tally.commits += 1
                    self.on_commit(processor.token.partition, folded)
                elif self._react(processor, verdict, detail):
                    again.append(processor)
            processors = again
        self.tally.entries += applied
        return applied

    async def _fold(self, processor: PartitionProcessor[S]) -> Folded[S] | None:
        try:
            return await processor.fold()
        except (PartitionStopped, EngineError) as stopped:  # EngineError: a programme version that is not there
            self._stop(processor.token.partition, str(stopped))
            return None

    async def _write(self, ready: list[tuple[PartitionProcessor[S], Folded[S]]]) -> list[tuple[Verdict, str]]:
        """Commit in one pipeline. No answer: the same commits again, which ALREADY makes harmless.

        Whatever ends otherwise (no answer at all, cancellation) leaves memory in doubt: all ownership is dropped.
        """
        batches = [(processor.token, folded.commit) for processor, folded in ready]
        try:
            for attempt in range(COMMIT_TRIES):
                try:
                    return await self._store.commit(batches)
                except Unavailable:
                    if attempt == COMMIT_TRIES - 1:
                        raise
        except BaseException:
            for processor, _ in ready:
                self._lose(processor.token.partition)
            raise
        return []

    def _react(self, processor: PartitionProcessor[S], verdict: Verdict, detail: str) -> bool:
        """React to a refusal; True when the batch is to be folded again."""
        partition = processor.token.partition
        if verdict in (Verdict.DUPEFFECT, Verdict.STOPPED):
            try:
                processor.learn(verdict, detail)
            except PartitionStopped as stopped:
                self._stop(partition, str(stopped))
                return False
            return True
        if verdict is Verdict.BROKEN:
            self._stop(partition, detail)
        else:
            self._lose(partition)
        return False

    def _lose(self, partition: int) -> None:
        """Forget a partition and all its states; the next acquisition reads them anew."""
        if self.owned.pop(partition, None) is not None:
            self.tally.lost += 1

    def _stop(self, partition: int, why: str) -> None:
        self.owned.pop(partition, None)
        self.stopped[partition] = why
        self._on_stop(partition, why)
