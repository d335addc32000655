"""The one module that says ``ray.remote``: hosts, coordinator, couriers, director and dedicated players as Ray actors.

Ray launches and restarts processes, on one machine or many; nothing but start, stop and wake-ups goes through it.
"""

import asyncio
import gc
import os
import signal
import threading
import traceback
from pathlib import Path
from random import SystemRandom
from typing import Any

import ray
import uvloop
from redis.exceptions import RedisError

from actors.archivist import Archivist
from actors.beliefs import BeliefVersions, Learner
from actors.carrier import Carrier
from actors.clock import SystemClock, new_id
from actors.coordinator import Coordinator
from actors.courier import Courier, Links, Surroundings
from actors.courier.inbound import Inbox
from actors.dedicated import DedicatedPlayer, DedicatedPool
from actors.director import Director
from actors.member import Member
from actors.models import ModelVersions
from actors.notes import Notes
from actors.ownership import Heartbeat
from actors.player import Versions
from actors.processor import Processor
from actors.programme import ProgrammeVersions
from actors.reducers import PlayerReducer, TowerReducer
from actors.settings import MemberSettings
from actors.watcher import Watcher
from channels.factory import make_adapter
from channels.ports import Adapter
from crm.connectors import LINE_OF
from crm.tower.airspace import Airspace
from domain.player import Snapshot
from store.beliefs import BeliefsStore
from store.client import connect
from store.closures import Closures
from store.intake import Intake
from store.keys import CHANNELS, PLAYERS, TOWER
from store.lives import Lives, is_gone, life_of
from store.models import Models
from store.ports import Unavailable
from store.programmes import Programmes
from store.provider_ids import ProviderIds
from store.queue import RedisQueue
from store.reach import Reach
from store.redis_lane import RedisLane
from store.watched import WatchStore
from store.ways import RedisWays

ARCHIVIST_NICENESS = 10  # live traffic comes first
INBOUND_BOUND = 10_000  # entries waiting in a partition: then what a provider reports by SMPP has to wait there
INBOUND_KEPT_MS = 72 * 3_600_000  # a report that comes again meets the first
GONE_LOOKS, GONE_EVERY_S = 100, 0.02  # a killed process is gone at once, but for its memory
GC_THRESHOLDS = (50_000, 20, 50)  # a host holds millions of live objects and hardly any cycles


class _Running:
    """A loop in a thread of its own, begun by the constructor: Ray runs that again when it restarts the process.

    A loop that fails ends the process, so that Ray starts it anew.
    """

    def __init__(self, name: str, settings: MemberSettings) -> None:
        self._name = name
        self._settings = settings
        self._ready = threading.Event()
        self._events: asyncio.AbstractEventLoop | None = None
        self._loop: Any = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ready(self) -> int:
        """Return the process id once the loop has begun."""
        self._ready.wait()
        return os.getpid()

    def stop(self) -> None:
        """Finish the step, give everything back."""
        self._ready.wait()
        if self._events is not None and self._thread.is_alive():
            self._events.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        try:
            uvloop.run(self._main())
        except BaseException as error:
            print(f"playtower: {self._name} failed: {error!r}", flush=True)  # noqa: T201 - Ray keeps it in its log
            traceback.print_exc()
            os._exit(70)

    async def _main(self) -> None:
        gc.set_threshold(*GC_THRESHOLDS)
        self._events = asyncio.get_running_loop()
        self._loop = self._make()
        self._ready.set()
        await self._loop.run()

    def _make(self) -> Any:
        raise NotImplementedError


class HostActor(_Running):
    """Owns partitions and holds thousands of players."""

    def _make(self) -> Member[Snapshot]:
        settings, redis = self._settings, connect(self._settings.redis_url)
        pool = DedicatedPool(settings.placement, settings.dedicated_max, lambda player: _Handle(player, settings))
        reducer = PlayerReducer(
            ProgrammeVersions(Programmes(redis)),
            store_seed=settings.store_seed,
            partitions=settings.partitions,
            models=ModelVersions(Models(redis)),
            beliefs=BeliefVersions(BeliefsStore(redis)),
            elsewhere=pool if settings.placement != "shared" else None,
        )
        processor = Processor(RedisLane(redis, PLAYERS, settings.clock), reducer, owner=self._name, nonce=new_id)
        clock = SystemClock()
        return Member(
            redis,
            processor,
            clock,
            name=self._name,
            lane=PLAYERS.name,
            incarnation=new_id(),
            dedicated=lambda: (pool.where(), pool.refused, pool.failed),
            carrier=Carrier(RedisWays(redis, settings.clock), clock, partitions=settings.partitions),
            notes=Notes(WatchStore(redis)) if settings.clock == "store" else None,  # recorded weeks go by in minutes
            # Players in memory live long and hold no cycles, yet a full collection visits each of their objects: with
            # 100,000 of them it stopped a host for half a second. What is frozen goes by its references alone.
            on_idle=gc.freeze,
        )


class CoordinatorActor(_Running):
    """The control tower: judges every message request of every player."""

    def _make(self) -> Coordinator:
        settings, clock = self._settings, SystemClock()
        redis = connect(settings.redis_url)
        reducer = TowerReducer(ProgrammeVersions(Programmes(redis)))
        lane = RedisLane(redis, TOWER, settings.clock)
        processor: Processor[Airspace] = Processor(lane, reducer, owner=self._name, nonce=new_id)
        tower = Member(redis, processor, clock, name=self._name, lane=TOWER.name, incarnation=new_id())
        if settings.clock == "log":  # what is published would depend on the pace of the replay
            return Coordinator(tower)
        intake = Intake(redis, settings.partitions, bound=0, keep_ms=INBOUND_KEPT_MS, clock=settings.clock)
        known = BeliefsStore(redis, intake)
        programmes = ProgrammeVersions(Programmes(redis))
        return Coordinator(tower, Learner(known, programmes, clock, every_s=settings.beliefs_every_s))


class CourierActor(_Running):
    """Sends what the tower has cleared for channels outside."""

    def _make(self) -> Courier:
        settings, redis, clock = self._settings, connect(self._settings.redis_url), SystemClock()
        intake = Intake(redis, settings.partitions, bound=INBOUND_BOUND, keep_ms=INBOUND_KEPT_MS, clock=settings.clock)
        ids = ProviderIds(redis)

        def adapter_of(name: str, document: dict[str, Any]) -> Adapter:
            channel = LINE_OF[document["kind"]]
            inbox = Inbox(redis, intake, ids, clock, connector=name, channel=channel)
            return make_adapter(name, document, on_inbound=inbox.take, token_secret=settings.token_secret)

        around = Surroundings(
            redis=redis,
            queue=RedisQueue(redis, settings.clock),
            lane=RedisLane(redis, CHANNELS, settings.clock),
            programmes=Programmes(redis),
            reach=Reach(redis, settings.partitions),
            closures=Closures(redis, intake),
            lives=Lives(redis),
            provider_ids=ids,
            make_adapter=adapter_of,
            clock=clock,
            rng=SystemRandom(),
            links=Links(settings.public_url, settings.token_secret),
            nonce=new_id,
            is_gone=is_gone,
            log=_log,
        )
        return Courier(around, life_of(new_id(), self._name), partitions=settings.partitions)


class DirectorActor(_Running):
    """Assigns partitions, has paused members ended."""

    def _make(self) -> Director:
        return Director(
            connect(self._settings.redis_url),
            SystemClock(),
            name=f"{self._name}/{new_id()}",
            partitions=self._settings.partitions,
            end=self._end,
            is_paused=_is_paused,
        )

    async def _end(self, beat: Heartbeat) -> None:
        """End a member that makes no progress. SIGKILL reaches a stopped process, which no Ray call does."""
        if beat.node == os.uname().nodename and _is_ray_worker(beat.pid):
            os.kill(beat.pid, signal.SIGKILL)
            await self._bury(beat)
        else:
            ray.kill(ray.get_actor(beat.name, namespace=self._settings.namespace), no_restart=False)

    async def _bury(self, beat: Heartbeat) -> None:
        """Note that a courier is dead once its process is seen to be gone; else the next of its name notes it."""
        redis = connect(self._settings.redis_url)
        try:
            lives = Lives(redis)
            for life in [each for each in await lives.all() if each.incarnation == beat.incarnation]:
                for _ in range(GONE_LOOKS):
                    if is_gone(life):
                        await lives.end([life.incarnation], SystemClock().now_ms())
                        break
                    await asyncio.sleep(GONE_EVERY_S)
        except (Unavailable, RedisError, OSError):
            return
        finally:
            await redis.aclose()


class ArchivistActor(_Running):
    """Writes the archive and trims the store, after everybody else; watches what is unlike any week."""

    def _make(self) -> Coordinator:
        settings, redis = self._settings, connect(self._settings.redis_url, timeout_s=30)
        os.nice(ARCHIVIST_NICENESS)
        name = f"{self._name}/{new_id()}"
        archivist = Archivist(
            redis,
            Path(settings.archive_dir),
            name=name,
            partitions=settings.partitions,
            clock=settings.clock,
            wait_ms=settings.archive_wait_s * 1000,
            retention_ms=settings.retention_s * 1000,
        )
        if settings.clock == "log":  # weeks go by in minutes there
            return Coordinator(archivist)
        return Coordinator(archivist, Watcher(redis, name=name, partitions=settings.partitions))


def _log(line: str) -> None:
    print(f"playtower: {line}", flush=True)  # noqa: T201 - Ray keeps it in its log


def _is_ray_worker(pid: int) -> bool:
    """Guard against a pid that now belongs to somebody else (Linux)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::")
    except OSError:
        return False


def _is_paused(beat: Heartbeat) -> bool:
    """Tell whether a member's process on this node is stopped or gone, as against starved (Linux)."""
    if beat.node != os.uname().nodename:
        return False
    try:
        state = Path(f"/proc/{beat.pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] in "TtZX"


class _Handle:
    """A dedicated player's Ray actor, also found by ``ray.get_actor("player:<id>")``."""

    def __init__(self, player: str, settings: MemberSettings) -> None:
        self._actor = RemotePlayer.options(
            name=f"player:{player}", namespace=settings.namespace, get_if_exists=True, num_cpus=0, max_restarts=0
        ).remote(player, settings)

    async def pid(self) -> int:
        pid: int = await self._actor.pid.remote()
        return pid

    async def take(self, base: int, epoch: str, versions: Versions, entries: bytes, late: list[str]) -> bytes:
        answer: bytes = await self._actor.take.remote(base, epoch, versions, entries, late)
        return answer

    def kill(self) -> None:
        ray.kill(self._actor)


_FOREVER = {"max_restarts": -1, "max_task_retries": 0, "num_cpus": 0}
RemoteHost = ray.remote(**_FOREVER)(HostActor)
RemoteCoordinator = ray.remote(**_FOREVER)(CoordinatorActor)
RemoteCourier = ray.remote(**_FOREVER)(CourierActor)
RemoteDirector = ray.remote(**_FOREVER)(DirectorActor)
RemoteArchivist = ray.remote(**_FOREVER)(ArchivistActor)
RemotePlayer = ray.remote(DedicatedPlayer)
