"""The channels: which connectors there are, how they do, how much waits for them."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Context, Ctx
from api.look import ALIVE_MS
from api.pages import answers, instant
from api.views import heartbeat
from crm.connectors import LINE_OF
from crm.tower.why import explain
from store.keys import HOSTS, claims
from store.ports import in_all
from store.queue import RedisQueue

router = APIRouter(prefix="/v1", tags=["Channels"])

RESULTS = ("sent", "retry", "rejected", "unclear", "overdue", "defect")  # of a connector's sends

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]
_CHANNEL = {
    "channel": "email",
    "state": "open",
    "reason": None,
    "waiting": {"urgent": 0, "bulk": 1204},
    "in_flight": 16,
    "landings": {"sent": 40211, "failed": 12},
    "connectors": [
        {
            "id": "mail",
            "kind": "smtp",
            "order": 0,
            "state": "closed",
            "in_flight": 16,
            "counts": {"sent": 40211, "rejected": 12},
            "error": None,
        }
    ],
}


@router.get(
    "/channels",
    summary="Connectors, how they do, and how much waits for them",
    description="`state` of a channel is `open` while a connector of it works, else `closed`, with the reason; that of "
    "a connector is its circuit breaker's: `closed` lets messages through, `open` does not, `half_open` tries one. "
    "`unknown` while no courier reports. Counts are those of the couriers that run, since they started. `waiting` is "
    "how many players have something waiting.",
    responses=answers({"items": [_CHANNEL], "next": None, "couriers": 1}, 401, 403, 503),
)
async def list_channels(context: Ctx, _: ReportsReader) -> dict[str, Any]:
    documents = context.programme.documents.get("connectors", {})
    seen = await read_channels(context)
    lines = {LINE_OF[kind] for document in documents.values() if (kind := str(document.get("kind"))) in LINE_OF}
    names = sorted(lines | seen.waiting_by_channel | seen.channels.keys())
    shown = [{"channel": "in_app", "state": "open", "connectors": []}]
    shown += [_channel(name, documents, seen) for name in names]
    return {"items": shown, "next": None, "couriers": seen.couriers}


class Seen:
    """What the couriers say of the channels, put together, and what the store holds for them."""

    def __init__(self, couriers: int, waiting: dict[tuple[str, str], int], in_flight: int) -> None:
        self.couriers = couriers
        self.waiting = waiting
        self.in_flight = in_flight
        self.channels: dict[str, list[dict[str, Any]]] = {}  # as each courier tells of each

    @property
    def waiting_by_channel(self) -> set[str]:
        return {channel for channel, _lane in self.waiting}

    def landings(self, channel: str) -> Counter[str]:
        """Return how messages ended, over all couriers that run."""
        counted: Counter[str] = Counter()
        for told in self.channels.get(channel, ()):
            counted.update(told.get("landings") or {})
        return counted

    def connectors(self, channel: str) -> dict[str, list[dict[str, Any]]]:
        """Return what each courier says of each connector."""
        found: dict[str, list[dict[str, Any]]] = {}
        for told in self.channels.get(channel, ()):
            for name, said in (told.get("connectors") or {}).items():
                found.setdefault(name, []).append(said)
        return found


async def read_channels(context: Context) -> Seen:
    """Read what waits and what the couriers that are alive say."""
    waiting = in_all(await RedisQueue(context.redis).waiting(list(range(context.partitions))))
    pipe: Any = context.redis.pipeline(transaction=False)
    pipe.time()
    pipe.hgetall(HOSTS)
    for p in range(context.partitions):
        pipe.hlen(claims(p))
    (seconds, micros), hosts, *claimed = await pipe.execute()
    at = seconds * 1_000 + micros // 1_000
    beats = [beat for value in hosts.values() if (beat := heartbeat(value)).get("lane") == "channels"]
    alive = [beat for beat in beats if at - int(beat.get("at", 0)) < ALIVE_MS]
    seen = Seen(len(alive), {room: found.all for room, found in waiting.items()}, sum(claimed))
    for beat in alive:
        for channel, told in (beat.get("channels") or {}).items():
            seen.channels.setdefault(channel, []).append(told)
    return seen


def worst_state(told: list[dict[str, Any]]) -> str:
    """Return a connector's state over all couriers: one that is shut for any of them is worth a look."""
    states = {str(said.get("breaker", "unknown")) for said in told}
    return next((state for state in ("open", "half_open", "closed") if state in states), "unknown")


def _channel(name: str, documents: dict[str, dict[str, Any]], seen: Seen) -> dict[str, Any]:
    told = seen.channels.get(name, [])
    shut = [said for said in told if not said.get("open", True)]
    reason = str(shut[0].get("reason") or "") if shut else ""
    said_of = seen.connectors(name)
    mine = {id_: doc for id_, doc in documents.items() if LINE_OF.get(str(doc.get("kind"))) == name}
    order = sorted(mine, key=lambda id_: (mine[id_].get("order", 0), id_))
    return {
        "channel": name,
        "state": "closed" if shut else "open" if told else "unknown",
        "reason": reason or None,
        "why": explain(reason) if reason else None,
        "until": instant(max((int(said.get("until") or 0) for said in shut), default=0)),
        "waiting": {lane: seen.waiting.get((name, lane), 0) for lane in ("urgent", "bulk")},
        "in_flight": sum(int(said.get("in_flight") or 0) for said in told),
        "landings": dict(sorted(seen.landings(name).items())),
        "connectors": [_connector(id_, mine[id_], said_of.get(id_, [])) for id_ in order],
    }


def _connector(name: str, document: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
    counted: Counter[str] = Counter()
    for said in told:
        counted.update({word: int(said.get(word) or 0) for word in RESULTS})
    return {
        "id": name,
        "kind": document.get("kind"),
        "order": document.get("order", 0),
        "state": worst_state(told),
        "in_flight": sum(int(said.get("in_flight") or 0) for said in told),
        "counts": dict(sorted(counted.items())),
        "error": next((str(said["error"]) for said in told if said.get("error")), None),
    }
