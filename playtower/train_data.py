"""Where ``playtower train`` reads from: the archive, or a public set by its name."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb
from msgspec import Struct

from domain.entries import Event, read_entry
from ml.config import DOCUMENT, ModelPlan, ModelsConfig, compile_models
from ml.training.log import Log, log_of
from playtower.programme_files import UnreadableProgramme, read_programme
from store.archive.files import counting, listed
from store.archive.query import QueryError, over

BATCH = 20_000
SIGNALS_MAX = 5_000_000  # about 1 GB as lists (reckoned); of a larger archive whole players are left out, by a hash
PUBLIC_TRUST = 0.4  # most confidence of a model that was not trained on the platform's own players


class BadData(ValueError):
    """What was named cannot be read; the message is a sentence for who asked."""


class Data(Struct, frozen=True):
    """A log, and how far a model of it may be trusted here."""

    log: Log
    trust: float


def read(named: str, plan: ModelPlan, progress: Callable[[float], None] = lambda _share: None) -> Data:
    """Read what ``--data`` names: ``dodge:FOLDER``, ``cdnow[:FOLDER]``, ``uci``, or the folder of an archive.

    Raises:
        BadData: there is nothing of the kind there.
    """
    from ml import data

    name, _, folder = named.partition(":")
    try:
        if name == "dodge" and folder:
            return Data(data.dodge_the_mud(Path(folder)), PUBLIC_TRUST)
        if name == "cdnow":
            return Data(data.cdnow_master(Path(folder)) if folder else data.cdnow_sample(), PUBLIC_TRUST)
        if name == "uci" and not folder:
            return Data(data.online_retail(), PUBLIC_TRUST)
    except data.NoData as error:
        raise BadData(str(error)) from error
    if Path(named).is_dir():
        return Data(archive_log(Path(named), plan, progress), 1.0)
    raise BadData(f"expected the folder of an archive, dodge:FOLDER, cdnow, cdnow:FOLDER or uci, got {named!r}")


def plan_of(programme: Path | None) -> ModelPlan:
    """Return how events are read: as ``models/churn`` of a programme's folder says, else all as mere presence.

    Raises:
        BadData: the document is not there, or says that the models are off.
    """
    if programme is None:
        return ModelPlan()
    try:
        document = read_programme(programme).get("models", {}).get(DOCUMENT)
        if document is None:
            raise BadData(f"{programme} has no models/{DOCUMENT}.yaml")
        plan = compile_models(ModelsConfig.model_validate(document))
    except (UnreadableProgramme, ValueError) as error:
        raise BadData(str(error)) from error
    if plan is None:
        raise BadData(f"models/{DOCUMENT} of {programme} says enabled: false")
    return plan


def archive_log(root: Path, plan: ModelPlan, progress: Callable[[float], None]) -> Log:
    """Return the players' events in an archive, as the models of a programme take them.

    Times are when things happened, as in a turn. A player who joined another goes on under that one's id: else he would
    look like one who left. Events that were set aside, or came twice, are left out.

    Raises:
        BadData: it holds no event that shows a player to be there.
    """
    if not any((root / "kind=log").glob("day=*/*.parquet")):
        raise BadData(f"{root} holds no archived log; expected the folder that has kind=log in it")

    def ask(con: duckdb.DuckDBPyConnection) -> Log:
        return _asked(con, plan, progress)

    try:
        log = over(root, ask, lambda: counting(listed(root)))
    except QueryError as error:
        raise BadData(str(error)) from error
    if not len(log):
        raise BadData(f"{root} holds no event that shows a player to be there")
    return log


def _asked(con: duckdb.DuckDBPyConnection, plan: ModelPlan, progress: Callable[[float], None]) -> Log:
    total = max(1, _count(con))
    share = min(1.0, SIGNALS_MAX / total)
    into = dict(con.execute(_JOINED).fetchall())
    player: list[str] = []
    at: list[int] = []
    kind: list[str] = []
    amount: list[float] = []
    game: list[str] = []
    done = 0
    for (partition,) in con.execute(f"SELECT DISTINCT partition {_WHICH} ORDER BY 1").fetchall():
        answer = con.execute(_EVENTS, [partition])  # one at a time: all of them sorted at once need too much memory
        while rows := answer.fetchmany(BATCH):
            for named, data in rows:
                name, event = _survivor(into, named), read_entry(data)
                if not isinstance(event, Event) or not _drawn(name, share):
                    continue
                signal = plan.signal(event)
                if signal is None:
                    continue
                player.append(name)
                at.append(event.occurred_at)
                kind.append(signal.kind)
                amount.append(signal.amount if isfinite(signal.amount) else 0.0)
                game.append(signal.game)
            done += len(rows)
            progress(done / total)
    return log_of(player, at, kind, amount, game=game, name="the platform's own archive", licence="the platform's own")


_WHICH = (
    "FROM archived_log WHERE lane = 'players' AND entry = 'event' AND applied "
    "AND NOT regexp_matches(player, '^(key|keeper):')"
)
_EVENTS = f"SELECT player, data {_WHICH} AND partition = ? ORDER BY ms, n"
_JOINED = (
    "SELECT player, effect->>'into' AS into_ FROM archived_effects "
    "WHERE kind = 'profile_merged' AND effect->>'into' <> ''"
)


def _count(con: duckdb.DuckDBPyConnection) -> int:
    row: Any = con.execute(f"SELECT count(*) {_WHICH}").fetchone()
    return int(row[0])


def _drawn(player: str, share: float) -> bool:
    """Draw players by a hash, another one than that of ``ml.training.dataset``."""
    return share >= 1.0 or crc32(f"train\n{player}".encode()) < share * 2**32


def _survivor(into: dict[str, str], player: str) -> str:
    """Return who a player is by now; whoever leads back to himself stays."""
    seen = {player}
    while (after := into.get(player)) and after not in seen:
        seen.add(after)
        player = after
    return player
