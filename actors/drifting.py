"""The watcher's other half: once a day, whether live players still look like those the model knows, and calls.

Players are drawn from the store at random; their features are read at this instant and scored by the live model, so
what is looked at is what a turn would see now, not what some turn saw last week. Nothing here reaches a turn.
"""

import asyncio
from collections.abc import Sequence
from random import Random

import msgspec
from redis.asyncio import Redis

from actors.models import ModelVersions
from actors.programme import ProgrammeVersions
from domain.calendar import DAY_MS, as_datetime
from domain.features import Features
from domain.ids import partition_of
from ml.config import ModelPlan
from ml.features import NAMES, vector
from ml.net import Model
from ml.watch.calls import PLAYERS_MAX, Call, call_of, outcome
from ml.watch.drift import ROWS_MIN, Reference, reference_of, shifts
from store.keys import PLAYERS, players
from store.models import Models, Publication
from store.programmes import Programmes
from store.watched_models import Calls, Drift, Judged, WatchedModels

TICK_MS = 3_600_000
SAMPLE = 2_000
DRAWS = 3  # rounds of drawing, where many players are long gone
LIVE_MS = 28 * DAY_MS  # as in training: who is silent for longer is nobody's question any more
LATE_MS = 6 * 3_600_000  # after the end of a horizon; later nobody knows what was true then
CHUNK = 50  # players between two chances for others

_features = msgspec.msgpack.Decoder(Features)


class Drifting:
    """Looks at the players of one store."""

    def __init__(self, redis: Redis, *, partitions: int) -> None:
        self.store = WatchedModels(redis)
        self._redis = redis
        self._partitions = partitions
        self._models = Models(redis)
        self._versions = ModelVersions(self._models)
        self._programmes = ProgrammeVersions(Programmes(redis))
        self._ticked_at = -TICK_MS  # ms

    async def round(self, now: int) -> Drift | None:
        """Do what is due; the look, when it was time for one. Calls are made and judged once an hour at the most.

        Args:
            now: ms, the store's.
        """
        ticked, asked = now - self._ticked_at < TICK_MS, await self.store.is_asked()
        if ticked and not asked:
            return None
        plan = (await self._programmes.live()).models
        live = await self._models.live()
        model = await self._versions.ensure(live.version) if plan is not None else None
        if plan is None or model is None:
            return None
        if not ticked:
            self._ticked_at = now
            await self._judge(now)
        day, last = _day(now), await self.store.drift()
        is_due = (
            last is None or last.publication != live.number or now >= due_after(last) or await self.store.is_asked()
        )
        calls = await self.store.calls(day) is None
        if not (is_due or calls):
            return None
        drawn = await draw(self._redis, self._partitions, SAMPLE, now, Random(now))
        vectors = [vector(state, now, gap_ms=plan.session_gap_ms) for _, state in drawn]
        scores = await _scored(model, plan, vectors)
        if calls:
            await self.store.keep_calls(day, Calls(now, live.number, _calls(model, drawn, scores)))
        if not is_due:
            return None
        drift = await self._look(model, live, vectors, scores, now)
        await self.store.keep_drift(drift)
        return drift

    async def _look(
        self,
        model: Model,
        live: Publication,
        vectors: Sequence[tuple[float, ...]],
        scores: Sequence[dict[str, float]],
        now: int,
    ) -> Drift:
        columns = _columns(vectors, scores)
        against, then = "training", trained_on(model)
        if then is None:
            against, then = "first_look", await self.store.reference(live.number)
        if then is None and len(vectors) >= ROWS_MIN:
            then = reference_of(now, columns)
            await self.store.keep_reference(live.number, then)
        if then is None:
            return Drift(now, model.version, live.number, len(vectors), 0, 0, "nothing")
        far = shifts(then, columns)
        return Drift(now, model.version, live.number, len(vectors), then.at, then.rows, against, far)

    async def _judge(self, now: int) -> None:
        """Look what became of the calls whose horizon is over."""
        done = await self.store.judged()
        for days in (7, 14, 28):
            for ago in (days, days + 1):  # a day's calls are over at the same hour
                day = _day(now - ago * DAY_MS)
                calls = await self.store.calls(day) if (day, days) not in done else None
                if calls is None or now < calls.at + days * DAY_MS:
                    continue
                late = now - calls.at - days * DAY_MS > LATE_MS
                judged = Judged(day, calls.publication, days)
                if not late:
                    became = await self._became(calls.calls)
                    heads = sorted({head for call in calls.calls for head in call.said if head.endswith(f"_{days}d")})
                    found = [outcome(head, became) for head in heads]
                    judged = msgspec.structs.replace(judged, outcomes=[one for one in found if one is not None])
                await self.store.keep_judged(judged)

    async def _became(self, calls: Sequence[Call]) -> list[tuple[Call, Features]]:
        read = await _read(self._redis, self._partitions, [call.player for call in calls])
        return [(call, read.get(call.player, Features())) for call in calls]


def due_after(last: Drift) -> int:
    """Return when the next look is due, ms: once a day, at the hour of the reference.

    How long ago somebody was last seen depends on the hour of the day, for all players alike.
    """
    if not last.since:
        return last.at + TICK_MS
    return last.since + ((last.at - last.since) // DAY_MS + 1) * DAY_MS


def trained_on(model: Model) -> Reference | None:
    """Return what the players of the training looked like; None where the model does not tell."""
    return model.artefact.known or None


async def draw(redis: Redis, partitions: int, size: int, now: int, rng: Random) -> list[tuple[str, Features]]:
    """Return some players drawn at random, who were there within four weeks, with their features.

    They come in a random order, so the first of them are a sample too. Fewer than ``size`` where most players are long
    gone: no more than ``DRAWS`` times as many are read.
    """
    found: dict[str, Features] = {}
    for _ in range(DRAWS):
        pipe = redis.pipeline(transaction=False)
        for p in range(partitions):
            pipe.zrandmember(players(p), -(-size // partitions))
        names = {name.decode() for some in await pipe.execute() for name in some} - found.keys()
        read = await _read(redis, partitions, sorted(names))
        found |= {name: state for name, state in read.items() if now - state.last_at <= LIVE_MS}
        if len(found) >= size or not names:
            break
    return rng.sample(list(found.items()), min(size, len(found)))


async def _read(redis: Redis, partitions: int, names: Sequence[str]) -> dict[str, Features]:
    """Return the features of players that have any."""
    read: dict[str, Features] = {}
    for start in range(0, len(names), CHUNK):
        some = names[start : start + CHUNK]
        pipe = redis.pipeline(transaction=False)
        for name in some:
            pipe.hget(PLAYERS.state(partition_of(name, partitions), name), "features")
        for name, data in zip(some, await pipe.execute(), strict=True):
            if data and (state := _features.decode(data)).events:
                read[name] = state
    return read


async def _scored(model: Model, plan: ModelPlan, vectors: Sequence[tuple[float, ...]]) -> list[dict[str, float]]:
    scores = []
    for at, row in enumerate(vectors):
        scores.append(model.score(row, plan.horizon_days).values)
        if at % CHUNK == 0:
            await asyncio.sleep(0)
    return scores


def _columns(vectors: Sequence[tuple[float, ...]], scores: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return features by name, and scores as ``scores.<name>``; ``churn`` is one of the others again."""
    columns = {name: [row[at] for row in vectors] for at, name in enumerate(NAMES)}
    for name in sorted({name for said in scores for name in said if name != "churn"}):
        columns[f"scores.{name}"] = [said[name] for said in scores if name in said]
    return columns


def _calls(model: Model, drawn: Sequence[tuple[str, Features]], scores: Sequence[dict[str, float]]) -> list[Call]:
    """Return what is said of the first of the players drawn, who come in a random order."""
    heads = model.artefact.heads
    called = list(zip(drawn, scores, strict=True))[:PLAYERS_MAX]
    return [call_of(player, state, said, heads) for (player, state), said in called]


def _day(at: int) -> str:
    return as_datetime(at).date().isoformat()
