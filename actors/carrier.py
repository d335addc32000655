"""What a member does beside the turns: it carries entries between partitions and walks through their players.

Both are made safe by the store (docs/adr/0006): a relay is appended once whoever brings it, a walk moves together with
the visits it makes. What is remembered here saves round trips only; a process that knows nothing asks once.
"""

from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from actors.boarding import Boarding
from actors.clock import Clock
from domain.entries import Visited, encode_entry
from store.ports import Commit, Token, Verdict, Visit, Walk, Ways

CARRY_MAX = 256  # entries of one outbox in one pass
# What nobody waits for is left for more of its kind, after a pass ``PATIENCE`` times as long as that took, and
# ``PATIENCE_MS`` at the most: a few ms when it is quiet, and under load a pass takes what several steps have left.
PATIENCE = 5
PATIENCE_MS = 200
RETRY_MS = 250  # entries whose destination did not answer wait so long
VISITS_MAX = 64  # of one walk at once: what a live event may find before it in its log
VISITS_ROUND = 128  # most of all walks in one round of the member
VISITS_LEAST = 4  # of all walks in one round, however long it takes
ROUND_MS = 15  # a round with visits shall take no longer: a live event waits for one or two of them
WALK_BOUND = 64  # entries that wait in a lane; with so many, a walk lets the live traffic go first
YIELD_MS = 20  # a walk that let others go first waits so long before it asks again
WALKS_EVERY_MS = 5_000  # how often walks are looked up though nothing told of one
MINUTE_MS = 60_000


class _Course(Struct):
    """A walk under way, as this process knows it."""

    partition: int
    walk: Walk
    paced_at: int  # ms, the last time that visits were counted against ``per_minute``
    not_before: int = 0  # ms


class Carrier:
    """Relays and walks of the partitions that a member owns.

    Args:
        partitions: Of the whole store: a walk's ``per_minute`` is shared evenly among them.
    """

    def __init__(self, ways: Ways, clock: Clock, *, partitions: int) -> None:
        self._ways = ways
        self._boarding = Boarding(ways, partitions)
        self._clock = clock
        self._partitions = partitions
        self._tokens: dict[int, Token] = {}
        self._outboxes: set[int] = set()  # partitions whose outbox may hold something
        self._hurried: set[int] = set()  # those of them that may hold what somebody waits for
        self._carried_at = 0  # ms, when all of them were carried
        self._patience_ms = 0  # from then on
        self._held: set[int] = set()  # partitions with entries whose destination did not answer
        self._retry_at = 0  # ms
        self._unread: set[int] = set()  # partitions whose walks must be looked up
        self._courses: deque[_Course] = deque()  # in turn
        self._looked_at = 0
        self._is_walking = False  # the last pass visited somebody or ended a walk
        self._room = VISITS_ROUND  # visits of the next round, by how long the last ones took
        self._visited_at = 0  # ms, when the last round with visits ended; 0: nobody was visited in it

    def idle_ms(self) -> int:
        """Return how long there is nothing to do yet, ``PATIENCE_MS`` at the most: the member may wait for entries."""
        if self._hurried or self._is_walking:
            return 0
        if not self._outboxes:
            return PATIENCE_MS
        waited = self._clock.now_ms() - self._carried_at
        return max(0, self._patience_ms - waited) if waited >= 0 else 0

    def owns(self, tokens: Mapping[int, Token]) -> None:
        """Learn what is owned now; of a partition that is newly owned nothing is known."""
        if tokens == self._tokens:
            return
        fresh = {partition for partition, token in tokens.items() if self._tokens.get(partition) != token}
        self._tokens = dict(tokens)
        self._outboxes |= fresh
        self._hurried |= fresh
        self._forget(lambda course: course.partition in fresh or course.partition not in tokens)
        self._unread = (self._unread | fresh) & tokens.keys()

    def committed(self, partition: int, commit: Commit) -> None:
        """Learn that a commit left something to do."""
        if commit.relays:
            self._outboxes.add(partition)
            if not commit.is_patient:
                self._hurried.add(partition)
        if commit.walks:
            self._unread.add(partition)

    async def carry(self) -> int:
        """Carry a bounded part of each outbox to where it belongs; how many entries.

        Raises:
            Unavailable: the store did not answer; the next pass begins with the same entries.
        """
        now = self._clock.now_ms()
        if self._held and not 0 < self._retry_at - now <= RETRY_MS:
            self._outboxes |= self._held
            self._held.clear()
        is_all = not 0 <= now - self._carried_at < self._patience_ms
        asked = sorted(self._outboxes if is_all else self._hurried)
        if not asked:
            return 0
        if is_all:
            self._carried_at = now
        self._outboxes -= set(asked)  # a step goes on meanwhile, and what it leaves is noted
        self._hurried.clear()
        try:
            found = await self._ways.outbox(asked, CARRY_MAX)
            ready = await self._boarding.done(found)
            there = await self._ways.relay(ready) if ready else {}
            if until := {source: found[source][count - 1].id for source, count in there.items() if count}:
                await self._ways.relayed(until)
        except BaseException:
            self._outboxes.update(asked)
            self._hurried.update(asked)
            raise
        if is_all:
            ended = self._clock.now_ms()
            self._patience_ms = min(PATIENCE * max(0, ended - now), PATIENCE_MS)
            self._carried_at = ended
        if failed := {p for p, count in there.items() if count < len(found[p])}:
            self._held |= failed
            self._retry_at = now + RETRY_MS
        # A full page may have others behind it.
        if full := {p for p in found if p not in failed and len(found[p]) >= CARRY_MAX}:
            self._outboxes |= full
            self._hurried |= full
        return sum(there.values())

    async def walk(self) -> int:
        """Take the walks a bounded number of visits further, in turn; how many visits were made.

        Raises:
            Unavailable: the store did not answer; the walks are looked up again.
        """
        now = self._clock.now_ms()
        self._is_walking = False
        self._pace_rounds(now)
        if not 0 <= now - self._looked_at < WALKS_EVERY_MS:
            self._looked_at = now
            self._unread |= self._tokens.keys()
        if self._unread:
            await self._look_up(now)
        going = self._going(now)
        if not going:
            return 0
        try:
            visits = await self._visits(going, now)
            verdicts = await self._ways.visit([visit for _, visit in visits], WALK_BOUND)
        except BaseException:  # where they are now, the store knows
            self._unread |= {course.partition for course, _ in going}
            raise
        made = 0
        for (course, visit), verdict in zip(visits, verdicts, strict=True):
            made += self._settle(course, visit, verdict, now)
        self._visited_at = self._clock.now_ms() if made else 0
        return made

    def _pace_rounds(self, now: int) -> None:
        """Halve the visits of a round that took too long, double those of one that was short.

        A visit may cost 0.1 ms (nothing to judge) or 2 ms (a campaign's message); with 128 of them live events waited
        a quarter of a second beside a broadcast.
        """
        took, self._visited_at = now - self._visited_at if self._visited_at else -1, 0
        if took > ROUND_MS:
            self._room = max(VISITS_LEAST, self._room // 2)
        elif 0 <= took < ROUND_MS // 2:
            self._room = min(VISITS_ROUND, self._room * 2)

    async def _look_up(self, now: int) -> None:
        """Read the walks of partitions of which something is new; what was paced goes on being paced."""
        asked, self._unread = sorted(self._unread & self._tokens.keys()), set()  # as in ``carry``
        try:
            found = await self._ways.walks(asked) if asked else {}
        except BaseException:
            self._unread.update(asked)
            raise
        paced = {(course.partition, course.walk.id): course.paced_at for course in self._courses}
        self._forget(lambda course: course.partition in asked)
        for partition, walks in found.items():
            for walk in walks:
                self._courses.append(_Course(partition, walk, paced.get((partition, walk.id), now)))

    def _going(self, now: int) -> list[tuple[_Course, int]]:
        """Return the walks whose turn it is, with the visits each may make; they go to the end of the line."""
        going: list[tuple[_Course, int]] = []
        room = self._room
        for _ in range(len(self._courses)):
            if room <= 0:
                break
            course = self._courses.popleft()
            self._courses.append(course)
            most = min(room, VISITS_MAX, self._paced(course, now))
            if course.walk.is_stopping or (most > 0 and not 0 < course.not_before - now <= YIELD_MS):
                going.append((course, most))
                room -= most
        return going

    def _paced(self, course: _Course, now: int) -> int:
        """Return how many visits the walk's pace allows by now.

        Each partition has its share at instants of its own, spread evenly over the others', so that the partitions
        together keep the pace too. What falls due while nobody owns the partition is not made up for.
        """
        per_minute = course.walk.per_minute
        if not per_minute:
            return VISITS_MAX
        course.paced_at = min(course.paced_at, now)  # a clock that was set back

        def instants(at: int) -> int:
            return (at * per_minute - MINUTE_MS * course.partition) // (MINUTE_MS * self._partitions)

        return min(instants(now) - instants(course.paced_at), max(1, per_minute // self._partitions))

    async def _visits(self, going: list[tuple[_Course, int]], now: int) -> list[tuple[_Course, Visit]]:
        """Return each walk's next step: its next players, and its end when there are no more or it was stopped."""
        on = [(course, most) for course, most in going if not course.walk.is_stopping]
        # One more than is visited tells whether there are more.
        pages = await self._ways.members(
            [(course.partition, course.walk.group, course.walk.cursor) for course, _ in on],
            [most + 1 for _, most in on],
        )
        steps = [
            (course, page[:most], "" if len(page) > most else "completed")
            for (course, most), page in zip(on, pages, strict=True)
        ]
        steps += [(course, [], "stopped") for course, _ in going if course.walk.is_stopping]
        return [(course, self._visit(course, players, outcome, now)) for course, players, outcome in steps]

    def _visit(self, course: _Course, players: list[str], outcome: str, now: int) -> Visit:
        walk = course.walk
        moved = structs.replace(
            walk,
            cursor=players[-1] if players else walk.cursor,
            visited=walk.visited + len(players),
            ended_at=now if outcome else 0,
            outcome=outcome,
            is_stopping=False,
        )
        bodies = [encode_entry(Visited(player, walk.id, walk.kind, walk.ref, walk.args)) for player in players]
        return Visit(self._tokens[course.partition], moved, walk.cursor, bodies)

    def _settle(self, course: _Course, visit: Visit, verdict: Verdict, now: int) -> int:
        """React to the store's answer; how many visits were made."""
        if verdict is Verdict.OK:
            course.walk, course.paced_at = visit.walk, now
            self._is_walking = True
            if visit.walk.ended_at:
                self._forget(lambda other: other is course)
            return len(visit.bodies)
        if verdict is Verdict.BACKLOG:
            course.not_before = now + YIELD_MS
        elif verdict is Verdict.STALE:
            self._unread.add(course.partition)
        else:  # no longer ours, or broken: the turns will find out too
            self._forget(lambda other: other.partition == course.partition)
        return 0

    def _forget(self, is_gone: Callable[[_Course], bool]) -> None:
        self._courses = deque(course for course in self._courses if not is_gone(course))
