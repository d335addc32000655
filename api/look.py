"""One look at the store: who owns what, how much waits, which hosts say they live."""

from typing import Any

from msgspec import Struct

from api.context import Context
from api.pages import instant
from api.views import heartbeat
from store.keys import HOSTS, PLAYERS, PROGRAMME_VERSIONS, TOWER, Lane
from store.programmes import part_version

ALIVE_MS = 5_000  # a heartbeat older than that is shown as gone
_META = ("owner", "until", "epoch", "in", "done", "part", "broken", "off")


class LaneView(Struct, frozen=True):
    """One lane of one partition, as its meta hash tells."""

    partition: int
    lane: str
    owner: str  # "" when nobody's lease runs
    epoch: int
    entries_in: int
    entries_done: int
    programme: int
    offset: str
    broken: str

    @property
    def backlog(self) -> int:
        return max(self.entries_in - self.entries_done, 0)


class StoreView(Struct, frozen=True):
    """What one look at the store shows."""

    at: int  # ms, store clock
    version: int  # live programme
    lanes: list[LaneView]
    hosts: list[dict[str, Any]]

    def of(self, lane: Lane) -> list[LaneView]:
        return [view for view in self.lanes if view.lane == lane.name]


async def look(context: Context) -> StoreView:
    """Read partitions, hosts and the live version in one round trip."""
    pipe = context.redis.pipeline(transaction=False)
    pipe.time()
    pipe.hget(PROGRAMME_VERSIONS, "published")
    pipe.hgetall(HOSTS)
    places = [(lane, p) for lane in (PLAYERS, TOWER) for p in range(context.partitions)]
    for lane, p in places:
        pipe.hmget(lane.meta(p), _META)
    (seconds, micros), version, hosts, *metas = await pipe.execute()
    at = int(seconds) * 1000 + int(micros) // 1000
    return StoreView(
        at,
        int(version or 0),
        [_lane(lane.name, p, meta, at) for (lane, p), meta in zip(places, metas, strict=True)],
        sorted((heartbeat(value) for value in hosts.values()), key=lambda beat: str(beat.get("name", ""))),
    )


def _lane(lane: str, partition: int, meta: list[bytes | None], at: int) -> LaneView:
    owner, until, epoch, entries_in, done, part, broken, offset = meta
    return LaneView(
        partition,
        lane,
        owner.decode() if owner and float(until or 0) > at else "",
        int(epoch or 0),
        int(entries_in or 0),
        int(done or 0),
        part_version(part),
        offset.decode() if offset else "0-0",
        broken.decode() if broken else "",
    )


def shown_host(beat: dict[str, Any], now: int) -> dict[str, Any]:
    """Return what a host says of itself."""
    return {
        "name": str(beat.get("name", "")),
        "lane": str(beat.get("lane", "")),
        "alive": now - int(beat.get("at", 0)) < ALIVE_MS,
        "pid": beat.get("pid"),
        "node": beat.get("node"),
        "at": instant(int(beat.get("at", 0))),
        "partitions": beat.get("partitions", []),
        "stopped": beat.get("stopped", {}),
        "entries": beat.get("entries", 0),
        "commits": beat.get("commits", 0),
        "lost": beat.get("lost", 0),
        "players": beat.get("players", 0),
        "dedicated": beat.get("dedicated", {}),
        "dedicated_refused": beat.get("dedicated_refused", 0),
        "dedicated_failed": beat.get("dedicated_failed", 0),
    }
