"""One process tree: the store, Ray with director, coordinator, hosts and couriers, and the gateways.

Starts in the order store, actors, gateways; stops in the reverse: intake first, the store last. What dies is
started again: gateways and the embedded store by us, actors by Ray.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors.clock import SystemClock, new_id
from actors.settings import MemberSettings
from playtower import ray_runtime
from playtower.settings import ServeSettings
from store.client import connect
from store.embedded import EmbeddedStore
from store.functions import load_functions
from store.identity import Identity, check_durability, open_store
from store.intake import Intake
from store.keys import ARCHIVIST, ASSIGNMENT, DIRECTOR, HOSTS
from store.lives import Lives, is_gone
from store.models import Models
from store.ports import Unavailable
from store.programmes import Programmes
from store.upgrade import upgrade

NAMESPACE = "playtower"
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.5
GATEWAY_STOPS_WITHIN_S = 15.0
ACTOR_STOPS_WITHIN_S = 10.0
COURIER_STOPS_WITHIN_S = 20.0  # what is in flight has 11 s, then it is settled
WATCHED = {  # actor -> its lease, and how many looks without it before the actor is started anew
    "director": (DIRECTOR, 10),
    "archivist": (ARCHIVIST, 120),
}
_LIBC = ctypes.CDLL(None)  # loaded before any thread exists

Say = Callable[[str], None]


class Supervisor:
    """Runs everything that ``playtower serve`` promises.

    Args:
        say: Told, in a sentence, what a person should know.
    """

    def __init__(self, settings: ServeSettings, say: Say) -> None:
        self.settings = settings
        self._say = say
        self._store: EmbeddedStore | None = None
        self._gateways: dict[str, subprocess.Popen[bytes]] = {}
        self._ray: Any = None
        self._members: list[tuple[str, Any]] = []
        self._silent = dict.fromkeys(WATCHED, 0)
        self._has_warned = False
        self.identity: Identity | None = None
        self.redis_url = settings.redis_url

    async def start(self) -> None:
        """Bring everything up; returns when the gateways answer and all partitions are owned."""
        settings = self.settings
        if _is_taken(settings.host, settings.port):  # gateways share their port, so binding would not tell
            raise RuntimeError(f"port {settings.port} is taken by another program; name another --port")
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        ray_runtime.prepare(settings.data_dir, settings.ray_address)
        if not settings.redis_url:
            self._store = EmbeddedStore(
                settings.data_dir, durability=settings.durability, maxmemory_mb=settings.maxmemory_mb or _most_of_it()
            )
            self._store.start()
            self.redis_url = self._store.url
        redis = connect(self.redis_url)
        try:
            await self._open(redis)
            await self._start_actors()
            for n in range(settings.gateways):
                self._start_gateway(f"gateway-{n}")
            await self._wait_ready(redis)
        finally:
            await redis.aclose()

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until told to stop, starting again what died."""
        redis = connect(self.redis_url)
        programmes = Programmes(redis)
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), LOOK_EVERY_S)
            except TimeoutError:
                await self._look(redis)
                with contextlib.suppress(Unavailable):
                    await self._warn_of_links(programmes)
        await redis.aclose()

    @property
    def couriers(self) -> int:
        """Return how many processes send; none in a store that replays recorded events: channels are off there."""
        return self.settings.couriers if self.identity is not None and self.identity.clock == "store" else 0

    async def stop(self) -> None:
        """Stop in order; nothing acknowledged is lost whatever is cut short here."""
        await asyncio.to_thread(self._stop_gateways)
        for name, actor in reversed(self._members):
            try:
                within = COURIER_STOPS_WITHIN_S if name.startswith("courier-") else ACTOR_STOPS_WITHIN_S
                await asyncio.wait_for(actor.stop.remote(), within)
            except Exception as error:  # whatever Ray raises, the rest must still stop
                self._say(f"{name} did not stop in order: {error!r}")
        if self._ray is not None:
            await asyncio.to_thread(self._ray.shutdown)
            if not self.settings.ray_address:
                ray_runtime.tidy(self.settings.data_dir)
        if self._store is not None:
            await asyncio.to_thread(self._store.stop)

    async def _open(self, redis: Redis) -> None:
        settings = self.settings
        await load_functions(redis)
        self.identity = await open_store(
            redis, partitions=settings.partitions, clock=settings.clock, seed=secrets.token_hex(16)
        )
        for what, count in (await upgrade(redis)).items():
            if count:
                self._say(f"this store was made by an older version: {count} {what} were added to its index")
        mode = await check_durability(redis, settings.durability)
        if mode == "relaxed":
            self._say(
                "relaxed durability: a power cut, or a crash of the store while its disk is slow, can take back up to "
                "about 3 seconds of acknowledged events"
            )
        await redis.delete(HOSTS, ASSIGNMENT, DIRECTOR, ARCHIVIST)  # nobody of an earlier run is left
        lives, now = Lives(redis), SystemClock().now_ms()
        await lives.end([life.incarnation for life in await lives.all() if is_gone(life)], now)
        await lives.tidy(now)
        intake = Intake(redis, self.identity.partitions, bound=0, keep_ms=0, clock=self.identity.clock)
        await Programmes(redis, intake).resume()
        await Models(redis, intake).resume()

    async def _start_actors(self) -> None:
        assert self.identity is not None
        settings = self.settings
        if not settings.ray_address:
            ray_runtime.tidy(settings.data_dir)
        # in the main thread: Ray installs signal handlers
        self._ray = ray_runtime.start(settings.data_dir, settings.ray_address, NAMESPACE)
        from actors.ray_actors import RemoteArchivist, RemoteCoordinator, RemoteCourier, RemoteDirector, RemoteHost

        members = MemberSettings(
            redis_url=self.redis_url,
            partitions=self.identity.partitions,
            store_seed=self.identity.seed,
            clock=self.identity.clock,
            placement=settings.placement,
            dedicated_max=settings.dedicated_max,
            namespace=NAMESPACE,
            archive_dir=str(settings.archive.absolute()),
            archive_wait_s=settings.archive_wait,
            retention_s=settings.retention,
            public_url=settings.links_url,
            token_secret=self.token_secret(),
            beliefs_every_s=settings.beliefs_every,
        )
        named = [("director", RemoteDirector), ("archivist", RemoteArchivist), ("coordinator", RemoteCoordinator)]
        named += [(f"host-{n}", RemoteHost) for n in range(settings.hosts)]
        named += [(f"courier-{n}", RemoteCourier) for n in range(self.couriers)]  # the last to start, the first to stop
        if self.identity.clock == "log":
            self._say("this store replays recorded events (clock log): channels are off, nothing is sent")
        elif not self.couriers:
            self._say("no couriers: messages for channels outside wait, nothing is sent")
        for name, remote in named:
            lifetime = {"lifetime": "detached"} if settings.ray_address else {}
            actor = remote.options(name=name, namespace=NAMESPACE, get_if_exists=True, **lifetime).remote(name, members)
            self._members.append((name, actor))
        await asyncio.gather(*(actor.ready.remote() for _, actor in self._members))

    def _start_gateway(self, name: str) -> None:
        settings = self.settings
        environment = os.environ | {
            "PLAYTOWER_GATEWAY": json.dumps(
                {
                    "redis_url": self.redis_url,
                    "host": settings.host,
                    "port": settings.port,
                    "gateway_id": f"{name}-{new_id()}",
                    "token_secret": self.token_secret(),
                    "backlog_bound": settings.backlog_bound,
                    "archive_dir": str(settings.archive.absolute()),
                    "public_url": settings.links_url,
                    "couriers": self.couriers,
                }
            )
        }
        self._gateways[name] = subprocess.Popen(
            [sys.executable, "-m", "api.gateway"], env=environment, process_group=0, preexec_fn=_die_with_parent
        )

    def token_secret(self) -> str:
        """Return the secret that signs player tokens, made once a data directory."""
        if self.settings.token_secret:
            return self.settings.token_secret
        path = self.settings.data_dir / "token.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32), encoding="ascii")
        return path.read_text(encoding="ascii")

    async def _wait_ready(self, redis: Redis) -> None:
        import httpx

        url = f"http://{_reachable(self.settings.host)}:{self.settings.port}/healthz"
        assert self.identity is not None
        owned, lanes = 0, 3 if self.couriers else 2
        async with httpx.AsyncClient() as http:
            for _ in range(int(READY_WITHIN_S / 0.05)):
                self._check_gateways_alive()
                owned = await _owned(redis)
                if owned == lanes * self.identity.partitions and await _answers(http, url):
                    return
                await asyncio.sleep(0.05)
        raise TimeoutError(
            f"not ready after {READY_WITHIN_S:.0f} s: {owned} of {lanes * self.identity.partitions} owned"
        )

    def _check_gateways_alive(self) -> None:
        for name, process in self._gateways.items():
            if process.poll() is not None:
                raise RuntimeError(
                    f"{name} ended with {process.returncode} at start; is port {self.settings.port} free?"
                )

    async def _warn_of_links(self, programmes: Programmes) -> None:
        """Say once that links of messages lead to this machine, when there are messages to send."""
        if self._has_warned or self.settings.public_url or not self.couriers:
            return
        _, documents = await programmes.current()
        if documents.get("connectors"):
            self._has_warned = True
            self._say(
                f"links in messages lead to {self.settings.links_url}, which only this machine may reach: "
                "say --public-url"
            )

    async def _look(self, redis: Redis) -> None:
        if self._store is not None and self._store.pid == 0:
            self._say("the embedded store died; starting it again over the same data")
            await asyncio.to_thread(self._store.revive)
        for name, process in list(self._gateways.items()):
            if process.poll() is not None:
                self._say(f"{name} died (exit {process.returncode}); starting it again")
                self._start_gateway(name)
        for name, (lease, looks) in WATCHED.items():
            try:
                self._silent[name] = 0 if await redis.exists(lease) else self._silent[name] + 1
            except (RedisError, OSError):
                return
            if self._silent[name] >= looks:
                self._silent[name] = 0
                self._say(f"the {name} is silent; ending it, Ray starts it anew")
                self._ray.kill(dict(self._members)[name], no_restart=False)

    def _stop_gateways(self) -> None:
        for process in self._gateways.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._gateways.values():
            try:
                process.wait(GATEWAY_STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _owned(redis: Redis) -> int:
    beats = await redis.hgetall(HOSTS)
    return sum(len(json.loads(beat)["partitions"]) for beat in beats.values())


async def _answers(http: Any, url: str) -> bool:
    try:
        answer = await http.get(url, timeout=1.0)
    except Exception:  # not up yet: refused, reset, timed out
        return False
    return bool(answer.status_code == 200)


def _is_taken(host: str, port: int) -> bool:
    """Tell whether something answers there already."""
    try:
        with socket.create_connection((_reachable(host).strip("[]"), port), timeout=1.0):
            return True
    except OSError:
        return False


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)


def _most_of_it() -> int:
    """Return 60 % of the machine's memory in MB: a rewrite of the log file forks."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024 / 1024 * 0.6)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(1, signal.SIGTERM)
