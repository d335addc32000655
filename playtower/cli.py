"""The command line. Exit status: 0 what was asked is true or done, 1 it is not, 2 the call was wrong."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.errors import EngineError
from playtower.archive_commands import archive_app, segments_app
from playtower.bounces import bounce
from playtower.choices import choices
from playtower.draws import verify_draw
from playtower.evaluate import evaluate
from playtower.model_commands import models_app
from playtower.programme_commands import diff, export
from playtower.recalibrate import recalibrate
from playtower.settings import ServeSettings
from playtower.terminal import ArchiveDir, DataDir, Json, RedisUrl, Url, err, fail, guarded, out, print_json
from playtower.train import train

app = typer.Typer(
    name="playtower",
    help="Real-time gamification and CRM for game platforms and consumer brands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="Make, list and revoke API keys of a running engine.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(archive_app, name="archive")
app.add_typer(segments_app, name="segments")
app.add_typer(models_app, name="models")
app.command()(bounce)
app.command()(choices)
app.command()(diff)
app.command()(export)
app.command()(evaluate)
app.command()(train)
app.command()(recalibrate)
app.command("verify-draw")(verify_draw)

URL = "http://127.0.0.1:8000"


def serve_settings(**given: Any) -> ServeSettings:
    """Return the settings: what was given on the command line before the environment before the defaults."""
    try:
        return ServeSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"--{'.'.join(map(str, e['loc'])).replace('_', '-')}: {e['msg']}, got {e['input']!r}"
            for e in error.errors()
        ]
        raise fail("; ".join(lines), 2) from error


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    hosts: Annotated[int | None, typer.Option(help="Processes that hold players (default: half of the cores).")] = None,
    gateways: Annotated[int | None, typer.Option(help="Gateway processes, sharing the port.")] = None,
    couriers: Annotated[int | None, typer.Option(help="Processes that send messages (default: 1; 0: none).")] = None,
    public_url: Annotated[
        str | None, typer.Option(help="The gateway as players reach it; links in messages lead there.")
    ] = None,
    placement: Annotated[
        str | None, typer.Option(help="shared, vip or dedicated: where a player's actor lives.")
    ] = None,
    dedicated_max: Annotated[int | None, typer.Option(help="Most players in processes of their own.")] = None,
    durability: Annotated[
        str | None, typer.Option(help="strict, or relaxed (may lose about 3 s on a power cut).")
    ] = None,
    partitions: Annotated[int | None, typer.Option(help="Fixed when the store is made (default: 32).")] = None,
    clock: Annotated[str | None, typer.Option(help="store, or log for a store that replays recorded events.")] = None,
    redis_url: RedisUrl = None,
    ray_address: Annotated[str | None, typer.Option(help="Join a Ray cluster instead of starting one.")] = None,
    retention: Annotated[
        str | None, typer.Option(help="How long the store keeps what the archive holds (default: 7d; 0: for ever).")
    ] = None,
    archive_dir: ArchiveDir = None,
) -> None:
    """Run everything in one process tree until ctrl-C."""
    from playtower.serving import run_serve

    settings = serve_settings(
        data_dir=data_dir, host=host, port=port, hosts=hosts, gateways=gateways, placement=placement,
        couriers=couriers, public_url=public_url, dedicated_max=dedicated_max, durability=durability,
        partitions=partitions, clock=clock, redis_url=redis_url, ray_address=ray_address, retention=retention,
        archive_dir=archive_dir,
    )  # fmt: skip
    raise typer.Exit(guarded(run_serve(settings, out)))


@app.command()
def demo(
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    rate: Annotated[float, typer.Option(help="Events a second of the simulated players.")] = 40.0,
    players: Annotated[int, typer.Option(help="Simulated players.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the simulation; the same seed, the same players.")] = 7,
    placement: Annotated[str, typer.Option(help="shared, vip or dedicated.")] = "vip",
    seconds: Annotated[float, typer.Option(help="End by itself after this long (0: at ctrl-C).")] = 0.0,
) -> None:
    """Run the engine with a sample casino programme, simulated players and the live page."""
    from playtower.serving import run_demo

    settings = serve_settings(data_dir=data_dir, port=port, placement=placement)
    raise typer.Exit(guarded(run_demo(settings, out, rate=rate, players=players, seed=seed, seconds=seconds)))


@app.command("apply")
def apply_programme(
    directory: Annotated[
        Path, typer.Argument(help="A folder with {kind}/{id}.yaml files.", exists=True, file_okay=False)
    ],
    url: Url = URL,
    data_dir: DataDir = None,
    prune: Annotated[bool, typer.Option(help="Delete what is live but not in the folder.")] = False,
    note: Annotated[str, typer.Option(help="Why, kept with the version.")] = "",
    as_json: Json = False,
) -> None:
    """Write a folder of configuration to the draft and publish it."""
    import msgspec

    from playtower.client import Client, ClientError, admin_key, apply_directory
    from playtower.programme_files import UnreadableProgramme

    try:
        with Client(admin_key(data_dir), url) as client:
            applied = apply_directory(
                client, directory, prune=prune, note=note, progress=lambda line: err.print(f"  {line}")
            )
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error
    except UnreadableProgramme as error:
        raise fail("\n  ".join(["files that are no documents", *error.problems])) from error
    state = "published" if applied.published else "nothing changed,"
    out.print(
        f"{applied.written} written, {applied.unchanged} unchanged, {applied.deleted} deleted; {state} version "
        f"{applied.version} runs in {applied.passed} of {applied.of} partitions"
    )
    print_json(as_json, msgspec.to_builtins(applied))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="JSONL, CSV (also .gz) or Parquet.", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option("--map", help="YAML: which column is what.", exists=True, dir_okay=False)],
    url: Url = URL,
    data_dir: DataDir = None,
    limit: Annotated[int | None, typer.Option(help="Only the first rows.")] = None,
    sort: Annotated[bool, typer.Option(help="Sort by time first (reads the whole file).")] = False,
    as_json: Json = False,
) -> None:
    """Send a recorded log through a running engine. Running it again changes nothing."""
    from playtower.client import ClientError, admin_key
    from playtower.replay import replay as send

    try:
        report = asyncio.run(send(file, mapping, url=url, key=admin_key(data_dir), limit=limit, sort=sort, console=err))
    except (ClientError, EngineError) as error:
        raise fail(str(error)) from error
    print_json(as_json, report.as_json())
    raise typer.Exit(0 if not report.interrupted and report.applied is not False else 1)


@app.command()
def audit(
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    archive_dir: ArchiveDir = None,
    as_json: Json = False,
) -> None:
    """Fold every log again and compare; exit 1 on a violation. Works beside a running engine and without one."""
    from playtower.auditing import run_audit

    report = guarded(run_audit(data_dir or Path("data"), redis_url or "", err, archive_dir))
    for violation in report["violations"][:50]:
        out.print(
            f"[red]{violation['check']}[/red] partition {violation['partition']} {violation['subject']}: "
            f"{violation['detail']}"
        )
    verdict = "[green]clean[/green]" if report["ok"] else f"[red]{report['violations_total']} violations[/red]"
    counted = ("entries folded again", "players", "postings", "completions explained", "set aside", "waiting")
    numbers = ("entries", "players", "postings", "completions", "set_aside", "waiting")
    out.print(f"{verdict}: " + ", ".join(f"{report[n]:,} {what}" for n, what in zip(numbers, counted, strict=True)))
    print_json(as_json, report)
    raise typer.Exit(0 if report["ok"] else 1)


@app.command()
def status(url: Url = URL, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show partitions, hosts and where players live."""
    from playtower.client import Client, ClientError, admin_key
    from playtower.status import print_status

    try:
        with Client(admin_key(data_dir), url) as client:
            answer = client.get("/v1/status")
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error
    print_status(answer, out)
    print_json(as_json, answer)


@app.command()
def digest(
    day: Annotated[str | None, typer.Argument(help="UTC day, such as 2026-11-21; none: yesterday.")] = None,
    url: Url = URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Tell a day in a few lines, beside the day before."""
    answer = _ask(url, data_dir, "GET", "/v1/digest", params={"day": day} if day else {})
    out.print(f"[bold]{answer['day']}[/bold]{', so far' if answer['so_far'] else ''}")
    for line in answer["lines"]:
        out.print(f"- {line}", markup=False)
    print_json(as_json, answer)


@app.command()
def why(
    player: Annotated[str, typer.Argument(help="The player's id.")],
    template: Annotated[str | None, typer.Argument(help="Of the message in question; none: of all.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Of the message that is imagined: promo, service, ...")] = None,
    channel: Annotated[str | None, typer.Option(help="Only by this one: email, sms, ...")] = None,
    url: Url = URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Tell why a player did or did not get a message, and what stands in the way of one now."""
    from urllib.parse import quote

    from playtower.why import print_why

    asked = {"template": template, "purpose": purpose, "channel": channel}
    params = {name: value for name, value in asked.items() if value is not None}
    answer = _ask(url, data_dir, "GET", f"/v1/players/{quote(player, safe='')}/why", params=params)
    print_why(answer, out)
    print_json(as_json, answer)


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; none: the list.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of each measured run.")] = 8.0,
    profile: Annotated[bool, typer.Option(help="Print the profile, where the bench has one.")] = False,
    programme: Annotated[
        str, typer.Option(help="The sample programme plain, with its season, or (of engine) both beside each other.")
    ] = "plain",
    as_json: Json = False,
) -> None:
    """Measure, each figure beside a limit or a rival in the same run."""
    from bench.main import BENCHES, run

    if name is None:
        for known, about in BENCHES.items():
            out.print(f"  {known:<12} {about}")
        return
    if name not in BENCHES:
        raise fail(f"there is no bench {name!r}; there are: {', '.join(BENCHES)}", 2)
    if programme not in ("plain", "season", *(("both",) if name == "engine" else ())):
        raise fail(f"there is no programme {programme!r} for this bench", 2)
    result = run(name, {"seconds": seconds, "profile": profile, "programme": programme})
    print_json(as_json, result)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    kind: Annotated[str, typer.Option(help="server, or client for browsers and games.")] = "server",
    scope: Annotated[list[str] | None, typer.Option(help="Of a server key; several may be given.")] = None,
    url: Url = URL,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once."""
    from actors.clock import new_id

    body = {"name": name, "kind": kind} | ({"scopes": scope} if scope else {})
    made = _ask(url, data_dir, "POST", "/v1/keys", json=body, headers={"Idempotency-Key": new_id()})
    out.print(f"{made.get('key')}  ({made.get('id')}, {kind}); it is not shown again")
    print_json(as_json, made)


@keys_app.command("list")
def keys_list(url: Url = URL, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the keys (never the secrets)."""
    answer = _ask(url, data_dir, "GET", "/v1/keys")
    for key in answer["items"]:
        out.print(f"{key['id']}  {key['kind']:<7} {' '.join(key.get('scopes', []))}  {key.get('name', '')}")
    print_json(as_json, answer)


@keys_app.command("revoke")
def keys_revoke(key_id: str, url: Url = URL, data_dir: DataDir = None) -> None:
    """End a key; it is dead everywhere within two seconds."""
    _ask(url, data_dir, "DELETE", f"/v1/keys/{key_id}")
    out.print(f"{key_id} is revoked")


def _ask(url: str, data_dir: Path | None, method: str, path: str, **options: Any) -> Any:
    from playtower.client import Client, ClientError, admin_key

    try:
        with Client(admin_key(data_dir), url) as client:
            answer = client.request(method, path, **options)
    except ClientError as error:
        raise fail("\n  ".join(error.lines())) from error
    return answer.json() if answer.content else {}


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
