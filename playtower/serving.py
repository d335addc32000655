"""``serve`` and ``demo``: bring the process tree up, say what a person needs to know, stop in order."""

import asyncio
import signal
import time
from pathlib import Path

from rich.console import Console

from actors.clock import SystemClock
from playtower.client import Client, apply_directory
from playtower.settings import ServeSettings
from playtower.supervisor import Supervisor
from store.access import Access
from store.client import connect

SAMPLE = Path(__file__).parent.parent / "examples" / "programmes" / "casino" / "programme"
ADMIN_SCOPES = ("admin",)
INGEST_SCOPES = ("events:write",)
DEMO_KEY = "demo page"
LOBBY_PLAYER = "vip-1"  # whose lobby the demo opens; plays by themselves, and presses nothing
LOBBY_TOKEN_S = 86_400


async def run_serve(settings: ServeSettings, out: Console) -> int:
    """Serve until SIGINT or SIGTERM; the exit status."""
    async with _Running(settings, out) as running:
        _greet(settings, running, out)
        await running.supervisor.run(running.stopping)
    return 0


async def run_demo(
    settings: ServeSettings, out: Console, *, rate: float, players: int, seed: int, seconds: float = 0.0
) -> int:
    """Serve with the sample programme and simulated players; the exit status."""
    from playtower import demo_season, demo_traffic

    async with _Running(settings, out) as running:
        key = await _demo_key(running.supervisor.redis_url)
        url = f"http://{settings.host}:{settings.port}"
        with Client(key, url) as client:
            applied = await asyncio.to_thread(apply_directory, client, SAMPLE)
            token = client.request("POST", f"/v1/players/{LOBBY_PLAYER}/token", json={"ttl_s": LOBBY_TOKEN_S}).json()
        _greet(settings, running, out)
        out.print(f"sample programme version {applied.version}; {players} simulated players, {rate:g} events a second")
        out.print(f"\n  the engine, live        [bold]{url}/#key={key}[/bold]")
        out.print(f"  one player's own lobby  [bold]{url}/lobby#token={token['token']}[/bold]\n")
        out.print("ctrl-C stops everything; the data stays in " + str(settings.data_dir))
        traffic = asyncio.create_task(
            demo_traffic.run(url, key, rate=rate, players=players, seed=seed, stop=running.stopping)
        )
        others = [player.id for player in demo_traffic.Casino(seed, players).players if player.id != LOBBY_PLAYER]
        pressing = asyncio.create_task(demo_season.run(url, key, others, seed=seed, stop=running.stopping))
        if seconds:
            asyncio.get_running_loop().call_later(seconds, running.stopping.set)
        await running.supervisor.run(running.stopping)
        await asyncio.gather(traffic, pressing)
    return 0


class _Running:
    """The tree while it runs; signals end it in order, a second one is not needed."""

    def __init__(self, settings: ServeSettings, out: Console) -> None:
        self.supervisor = Supervisor(settings, lambda line: out.print(f"[yellow]{line}[/yellow]"))
        self.stopping = asyncio.Event()
        self.secrets: list[str] = []
        self.seconds = 0.0
        self._settings = settings
        self._out = out

    async def __aenter__(self) -> "_Running":
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self.stopping.set)
        starting = asyncio.create_task(self.supervisor.start())
        interrupted = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({starting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        try:
            await starting
            self.secrets = await first_keys(self.supervisor.redis_url, self._settings)
        except BaseException:
            await self.supervisor.stop()
            raise
        finally:
            interrupted.cancel()
        self.seconds = time.monotonic() - began
        return self

    async def __aexit__(self, *_: object) -> None:
        self._out.print("stopping: intake first, the store last")
        await self.supervisor.stop()
        self._out.print("stopped")


async def first_keys(redis_url: str, settings: ServeSettings) -> list[str]:
    """Make the admin and the ingest key of a fresh store; lines that show them, this once.

    Keys set by the environment are made sure of at every start, and never shown.
    """
    redis = connect(redis_url)
    access, now, shown = Access(redis), SystemClock().now_ms(), []
    try:
        fresh = not await access.list()
        for name, scopes, given in (
            ("admin", ADMIN_SCOPES, settings.admin_key),
            ("ingest", INGEST_SCOPES, settings.ingest_key),
        ):
            if given or fresh:
                secret, _ = await access.create("server", scopes, now=now, name=name, secret=given)
                if not given:
                    shown.append(f"{name} key (shown once): [bold]{secret}[/bold]")
    finally:
        await redis.aclose()
    return shown


async def _demo_key(redis_url: str) -> str:
    """Make a key for the page of this run; those of earlier runs end."""
    redis = connect(redis_url)
    access, now = Access(redis), SystemClock().now_ms()
    try:
        for old in await access.list():
            if old.name == DEMO_KEY and not old.revoked_at:
                await access.revoke(old.id, now)
        secret, _ = await access.create("server", ADMIN_SCOPES, now=now, name=DEMO_KEY)
    finally:
        await redis.aclose()
    return secret


def _greet(settings: ServeSettings, running: _Running, out: Console) -> None:
    """Show the keys of a fresh store, this once, and that everything is up."""
    for line in running.secrets:
        out.print(line)
    out.print(_ready(settings, running))


def _ready(settings: ServeSettings, running: _Running) -> str:
    identity = running.supervisor.identity
    assert identity is not None
    store = "embedded Valkey" if not settings.redis_url else settings.redis_url
    return (
        f"[green]ready[/green] after {running.seconds:.1f} s on http://{settings.host}:{settings.port}: "
        f"{identity.partitions} partitions, {settings.hosts} host process(es), "
        f"{running.supervisor.couriers} courier(s), placement {settings.placement}, "
        f"{store}, {settings.durability} durability"
    )
