"""The watcher: looks every 15 s whether the volumes of events are unlike any week, and keeps the days' books; once a
day it looks at the players as the live model sees them (``actors.drifting``).

One a store, by a lease; two at once do no harm, since what a look gives is written only over the state it was made
of. It looks no further than what the partitions have committed: entries that wait are no silence. Of partitions that
stand still for long a few are left out.
"""

import asyncio
import sys
from collections.abc import Sequence

from msgspec import structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.drifting import Drifting
from actors.partition import decode_part
from domain.calendar import as_datetime
from domain.errors import EngineError
from ml.watch.alarms import Watched, closed, looked, open_alarm
from ml.watch.volumes import HOUR_MS
from store.keys import PLAYERS, players
from store.ports import Unavailable
from store.programmes import Programmes
from store.watched import HOUR_KEPT_S, NAMES_MAX, Books, Told, Watching, WatchStore

ROUND_S = 15.0
LEASE_MS = 60_000
SETTLES_MS = 30_000  # hosts add what they counted every 5 s
GAP_MS = 600_000  # between two looks; then nobody watched, and what is missing is no silence
STILL_MS = 600_000  # what waits for longer waits for somebody's hand; no turn takes so long
STILL_SHARE = 1 / 8  # of the partitions: far from the half of ``ml.watch.volumes.FEW``
RARE_MS, RARE_EVERY_MS = 6 * HOUR_MS, 300_000  # who is silent for so long is looked at so often
KNOWN_MS = HOUR_KEPT_S * 1_000 - HOUR_MS  # what came in an older hour may be forgotten: that is no nothing
FORGET_MS = 28 * 86_400_000  # a name that nobody sends any more


class Watcher:
    """Watches one store."""

    def __init__(self, redis: Redis, *, name: str, partitions: int) -> None:
        self.store = WatchStore(redis)
        self._redis = redis
        self._name = name
        self._partitions = partitions
        self._programmes = Programmes(redis)
        self._zone: tuple[int, str] = (-1, "")  # programme version, and the zone it names
        self._names: dict[str, Watched] | None = None
        self._drifting = Drifting(redis, partitions=partitions)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End after this round."""
        self._stopping.set()

    async def run(self) -> None:
        """Watch until stopped; a store that does not answer is waited for."""
        while not self._stopping.is_set():
            try:
                if await self.store.lead(self._name, LEASE_MS):
                    await self.round()
                    await self._drifting.round((await self._reached())[0])
                else:
                    self._names = None
            except (Unavailable, RedisError, OSError, EngineError) as error:
                self._names = None
                print(f"playtower: watching goes on later: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
            try:
                await asyncio.wait_for(self._stopping.wait(), ROUND_S)
            except TimeoutError:
                continue

    async def round(self) -> list[Told]:
        """Look once; what was told. ``self._names`` is what the store has, or None where that is not known."""
        now, committed = await self._reached()
        before = await self.store.state()
        zone = await self._zone_named()
        if self._names is None:
            self._names = await self.store.names()
        names = dict(self._names)
        state = _resumed(before, now, zone)
        if zone != before.zone:
            names = {}
        counted = max(committed - SETTLES_MS, 0)
        while (state.hour + 1) * HOUR_MS <= counted:
            if state.hour * HOUR_MS >= max(state.since, now - KNOWN_MS):
                _close(names, state.hour, await self.store.counted(state.hour), zone)
            state = structs.replace(state, hour=state.hour + 1)
        running = await self.store.counted(state.hour)
        _look(names, await self.store.last(), running, state, counted, before.at)
        gone = [name for name in self._names if name not in names]
        changed = {name: watched for name, watched in names.items() if watched is not self._names.get(name)}
        told = [Told(name, w.alarm) for name, w in changed.items() if w.alarm and _is_news(self._names.get(name), w)]
        told += [
            Told(name, structs.replace(alarm, ended=now)) for name in gone if (alarm := open_alarm(self._names[name]))
        ]
        if not await self.store.keep(before, state, changed, told, gone, now - FORGET_MS):
            self._names = None
            return []
        self._names = names
        day = as_datetime(now).date().isoformat()
        if (await self.store.books([day]))[0] is None:
            await self.store.open_books(day, await books(self._redis, self._partitions, now))
        return told

    async def _reached(self) -> tuple[int, int]:
        """Return the store's time, and up to when the partitions have committed everything."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        for p in range(self._partitions):
            pipe.hmget(PLAYERS.meta(p), ["in", "done", "off"])
        (seconds, micros), *metas = await pipe.execute()
        now = int(seconds) * 1000 + int(micros) // 1000
        behind = {p: off or b"0-0" for p, (came, done, off) in enumerate(metas) if int(came or 0) > int(done or 0)}
        return now, reached(now, list((await self._waits_since(now, behind)).values()), self._partitions)

    async def _waits_since(self, now: int, behind: dict[int, bytes]) -> dict[int, int]:
        """Return, ms, up to when each partition that is behind has committed everything.

        What it committed last tells it; where that is long ago, the first entry that waits: it may have been idle.
        """
        since = {p: _ms(off) for p, off in behind.items()}
        long_ago = [p for p, at in since.items() if now - at > STILL_MS]
        pipe = self._redis.pipeline(transaction=False)
        for p in long_ago:
            pipe.xrange(PLAYERS.log(p), b"(" + behind[p], "+", count=1)
        for p, waiting in zip(long_ago, await pipe.execute(), strict=True):
            if waiting:
                since[p] = _ms(waiting[0][0])
        return since

    async def _zone_named(self) -> str:
        """Return the zone of the live programme's settings; "" is UTC."""
        version = await self._programmes.live_version()
        if version != self._zone[0]:
            _, documents = await self._programmes.current()
            self._zone = version, str(documents.get("settings", {}).get("main", {}).get("timezone", ""))
        return self._zone[1]


def reached(now: int, waits_since: Sequence[int], partitions: int) -> int:
    """Return up to when all was committed, ms.

    A partition that stands still is left out, so that it does not blind the look at all the others; its share of the
    events is missing meanwhile. Where more than ``STILL_SHARE`` of them do, what is missing would look like silence:
    then it is looked no further than they came.
    """
    moving = [at for at in waits_since if now - at <= STILL_MS]
    still = len(waits_since) - len(moving)
    return min([now, *(moving if still <= partitions * STILL_SHARE else waits_since)])


def _ms(offset: bytes) -> int:
    return int(offset.split(b"-")[0])


def _resumed(before: Watching, now: int, zone: str) -> Watching:
    """Return from where to go on: what nobody watched is neither judged nor learnt."""
    went_on = before.at and 0 <= now - before.at <= GAP_MS and zone == before.zone
    since = before.since if went_on else now
    hour = before.hour if went_on else now // HOUR_MS
    return Watching(now, since, hour, zone)


def _close(names: dict[str, Watched], hour: int, counts: dict[str, int], zone: str) -> None:
    for name in sorted({*names, *counts}):
        if name in names or len(names) < NAMES_MAX:
            names[name] = closed(names.get(name, Watched()), hour * HOUR_MS, counts.get(name, 0), zone)


def _look(
    names: dict[str, Watched], last: dict[str, int], running: dict[str, int], state: Watching, now: int, before: int
) -> None:
    """Look at all names as they are at ``now``, up to which all was counted; ``before`` is when that was done last."""
    if now <= state.since or now // HOUR_MS != state.hour:
        return  # partitions are behind: what was counted since belongs to a later hour
    for name, watched in list(names.items()):
        seen = last.get(name, 0)
        if state.at - seen > FORGET_MS and not open_alarm(watched):
            del names[name]
            continue
        if state.at - seen > RARE_MS and state.at // RARE_EVERY_MS == before // RARE_EVERY_MS:
            continue  # a look back over days costs most of a millisecond, and tells nothing new each time
        alarm = open_alarm(watched)
        since = seen if alarm is not None and alarm.what == "stopped" else max(seen, state.since)
        names[name] = looked(watched, since, running.get(name, 0), now, state.zone)


def _is_news(before: Watched | None, after: Watched) -> bool:
    """Tell whether an alarm was opened or ended."""
    was = before.alarm if before is not None else None
    now = after.alarm
    return now is not None and (was is None or (was.at, was.ended) != (now.at, now.ended))


async def books(redis: Redis, partitions: int, at: int) -> Books:
    """Return the ledger's other sides and the number of players, over all partitions."""
    pipe = redis.pipeline(transaction=False)
    for p in range(partitions):
        pipe.hget(PLAYERS.meta(p), "part")
        pipe.zcard(players(p))
    found = await pipe.execute()
    accounts: dict[str, int] = {}
    for part in found[::2]:
        for account, amount in (decode_part(part).accounts if part else {}).items():
            accounts[account] = accounts.get(account, 0) + amount
    return Books(at, accounts, sum(map(int, found[1::2])))
