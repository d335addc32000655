"""A seeded caller of a store. What it asks depends on its own draws and on ordinals, so two stores hear the same."""

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import structs

from domain.dispatch import Dispatch
from domain.entries import Event, TimerFired, Visited, encode_entry
from domain.ids import partition_of
from store.ports import (
    Appended,
    Commit,
    Incoming,
    Refused,
    Settlement,
    Token,
    Verdict,
    Visit,
    Walk,
    Write,
    encode_walk,
)
from tests.contract.sides import LANES, START, Side

HOUR = 3_600_000
KEEP = 72 * HOUR
CHANNELS = ("sms", "email")
MARKS = ("sms", "email", "promo")


def incoming(event: str, player: str = "ann", *, at: int = START, content: str = "", bucket: str = "") -> Incoming:
    body = encode_entry(Event(player, event, "bet_placed", at, {"content": content}))
    return Incoming(player, event, f"print-{content}", bucket or str(at // (12 * HOUR)), body, occurred_at=at)


class Script:
    """Draws the next call, as a plan that names offsets and tokens by their place."""

    def __init__(self, seed: int, clock: str) -> None:
        self.random = Random(seed)
        self.later = Random(f"later {seed}")
        self.cases = Random(f"cases {seed}")
        self.others = Random(f"others {seed}")
        self.clock = clock
        self.now = START
        self.tokens: list[tuple[str, int, int]] = []  # lane, partition, index into each side's own tokens

    async def call(self, side: Side, hands: "Hands", plan: tuple[Any, ...]) -> Any:
        verb, *args = plan
        return await getattr(hands, verb)(side, *args)

    def plan(self, hands: "Hands") -> tuple[Any, ...]:
        r = self.random
        lane = r.choice(["players", "players", "tower", "tower"])
        p = r.randrange(2)
        verb = r.choices(
            [
                "append", "internal", "exclude", "tick", "acquire", "renew", "release", "read", "load", "commit",
                "fire", "relay", "relayed", "outbox", "walks", "members", "visit",
                "mute", "claim", "settle", "waiting", "rates",
            ],
            [18, 2, 2, 10, 8, 4, 2, 8, 4, 40, 6, 6, 2, 2, 2, 3, 10, 2, 14, 14, 2, 3],
        )[0]  # fmt: skip
        match verb:
            case "relay":
                return verb, p, r.choice([0, 0, 0, 1]), r.randint(1, 6)
            case "relayed":
                return verb, p, r.randint(1, 4)
            case "outbox":
                return verb, p, r.randint(1, 9)
            case "walks":
                return verb, p
            case "members":
                return verb, p, r.choice(["", "segments/a", "segments/b"]), r.choice(["", _player(r)]), r.randint(1, 4)
            case "visit":
                return verb, [self._visit(hands) for _ in range(r.randint(1, 2))], r.choice([3, 12, 60, 1_000])
            case "append":
                return verb, r.choice([0, 0, 40]), [self._incoming() for _ in range(r.randint(1, 5))]
            case "internal":
                return verb, p, lane, f"publish:{r.randrange(30)}"
            case "exclude":
                until = r.choice([None, self.now + r.randrange(-50, 5_000)])
                return verb, _player(r), r.choice(["self", "harm", "", ""]), until, r.random() < 0.3
            case "mute":
                return verb, _player(r), r.choice(MARKS), r.random() < 0.4
            case "claim":
                rooms = [(r.choice(CHANNELS), r.choice(["urgent", "bulk"]), r.randint(0, 3)) for _ in range(3)]
                if not any(most for _, _, most in rooms):  # the store is not even asked
                    rooms[0] = (*rooms[0][:2], 1)
                return verb, self._token(hands, "channels", p), f"c{r.randrange(3)}", rooms
            case "settle":
                return verb, [self._settlement() for _ in range(r.randint(1, 3))]
            case "waiting":
                return verb, [p, 1 - p][: r.randint(1, 2)]
            case "rates":
                return verb, r.choice("ab"), r.randint(1, 9), r.choice([0.5, 3, 700.0]), r.randint(1, 20)
            case "tick":
                self.now += r.choice([-50, 0, 1, 20, 500, 3_000])
                return verb, self.now
            case "acquire":
                owned = r.choice([lane, lane, "channels"])
                return verb, owned, p, f"host-{r.randrange(3)}", f"n{r.randrange(1 << 30)}", r.choice([0, 100, 2_000])
            case "renew" | "release" | "fire":
                return (
                    verb,
                    lane,
                    [self._token(hands, lane, p) for _ in range(r.randint(1, 2))],
                    r.choice([1, 5, 2_000]),
                )
            case "read":
                return verb, lane, p, r.randrange(-1, 12), r.randint(1, 20)
            case "load":
                return verb, lane, p, [_player(r) for _ in range(3)]
        return verb, lane, [self._since(lane, self._commit(hands, lane, p)) for p in r.choice([[p], [p], [0, 1]])]

    def _incoming(self) -> Incoming:
        r, at = self.random, self.now - self.random.randrange(20 * HOUR)
        bucket = at // (12 * HOUR)
        player, event, content = _player(r), f"e{r.randrange(600)}", r.choice(["a", "a", "a", "b"])
        entry = incoming(event, player, at=at, content=content, bucket=str(bucket))
        if r.random() < 0.3:
            return Incoming(player, event, entry.fingerprint, str(bucket), entry.body, self._others(bucket), at)
        return entry

    def _others(self, bucket: int) -> str:
        """Name the one before, or several."""
        return " ".join(str(bucket - back) for back in range(1, self.others.choice([1, 1, 3, 6]) + 1))

    def _token(self, hands: "Hands", lane: str, p: int) -> tuple[int, str]:
        """Mostly the current one; else an old one, or one with a wrong epoch."""
        held = hands.granted.get((lane, p), 0)
        x = self.random.random()
        return (p, "none") if not held else (p, "last") if x < 0.85 else (p, "first") if x < 0.95 else (p, "wrong")

    def _visit(self, hands: "Hands") -> dict[str, Any]:
        r, p = self.random, self.random.randrange(2)
        return {
            "token": self._token(hands, "players", p),
            "walk": r.randrange(20),
            "is_elsewhere": r.random() < 0.1,
            "players": [] if r.random() < 0.2 else sorted({_player(r) for _ in range(r.randint(1, 3))}),
            "ended_at": r.choice([0, 0, 0, self.now]),
        }

    def _commit(self, hands: "Hands", lane: str, p: int) -> dict[str, Any]:
        r = self.random
        bucket = r.randrange(3)
        return {
            "token": self._token(hands, lane, p),
            "start": r.choices(["off", "last end", "other"], [90, 6, 4])[0],
            "entries": r.randint(1, 4),
            "writes": self._some(2, lambda: (_player(r), r.random() < 0.03, {"x": _bytes(r)})),
            "inbox": self._some(1, lambda: (_player(r), _bytes(r), r.random() < 0.3)),
            "outputs": self._some(2, lambda: _timer(r, 99)),
            "keys": self._some(1, lambda: (f"b{bucket}", f"b{bucket - 1}", f"k{r.randrange(1_500)}", _player(r))),
            "timers": self._some(2, lambda: (r.random() < 0.8, self.now + r.randrange(-50, 3_000), _timer(r, 40))),
            "part": r.choice([b"", b"", _bytes(r)]),
            "dead": self._some(1, lambda: _bytes(r)),
            "index": self._some(1, lambda: (f"r{r.randrange(99)}", _player(r))),
            "history": self._some(1, lambda: _player(r)),
            "at": str(self.now) if self.clock == "log" else "",
            **self._beside(),
            **(self._aloft() if lane == "tower" else {}),
        }

    def _since(self, lane: str, plan: dict[str, Any]) -> dict[str, Any]:
        """Add what came later, by a generator of its own. What the tower tells the players is rare: their lane has a
        bound, and others that fill it. For that the players tell it more, or it would have little to do.
        """
        r = self.later
        cases = [(f"case_{self.cases.randrange(30)}", self.cases.choice([b"", b"record"]))]
        plan = plan | {"cases": cases if self.cases.random() < 0.2 else []}
        counts = [
            (f"winback|g|{r.choice('ab')}|policy|n", r.choice([1, -3, 2**61])) for _ in range(r.choice([0, 0, 2]))
        ]
        if lane == "players":
            return plan | {
                "sums": counts,
                "outputs": plan["outputs"] + [_timer(r, 99) for _ in range(r.choice([0, 1]))],
            }
        told = plan["outputs"] if r.random() < 0.03 else []
        voids = [(f"r{r.randrange(60)}", "goal") for _ in range(r.choice([0, 1, 2]))]
        return plan | {"sums": counts, "outputs": told, "voids": plan["voids"] + voids}

    def _beside(self) -> dict[str, Any]:
        r = self.random
        if r.random() < 0.5:  # most commits have none of it
            return {"groups": [], "relays": [], "walks": [], "stops": [], "duplicates": [], "lifts": [], "mutes": []}
        return {
            "groups": self._some(3, lambda: (r.random() < 0.6, f"segments/{r.choice('ab')}", _player(r))),
            "relays": self._some(3, lambda: (r.randrange(2), _timer(r, 500))),
            "walks": self._some(1, lambda: self._walk(f"w{r.randrange(400)}")),
            "stops": self._some(1, lambda: (_player(r), self._stop())) if r.random() < 0.1 else [],
            "duplicates": self._some(1, lambda: _bytes(r)),
            "lifts": self._some(1, lambda: (_player(r), r.choice(["", "merged", "self"]))) if r.random() < 0.2 else [],
            "mutes": self._some(1, lambda: (r.random() < 0.4, _player(r), r.choice(MARKS))),
        }

    def _aloft(self) -> dict[str, Any]:
        r = self.random
        return {
            "dispatches": self._some(3, self._dispatch),
            "voids": self._some(1, lambda: (f"r{r.randrange(60)}", "goal")),
            "reviews": self._some(1, lambda: (f"r{r.randrange(9)}", r.choice([b"", b"record"]))),
            "tallies": self._some(1, lambda: ("2100-01-01", f"held|{r.choice('ab')}", r.randint(1, 3))),
        }

    def _dispatch(self) -> Dispatch:
        r, at = self.random, self.now
        channel, purpose = r.choice(CHANNELS), r.choice(["promo", "promo", "service", "legal"])
        marks = tuple(sorted({channel, r.choice(MARKS)}))
        late = at + r.choice([-10, 2_000, 50_000])
        request = f"r{r.randrange(60)}"
        return Dispatch(request, _player(r), channel, purpose, "t", {"n": r.randrange(9)}, at, late, at, marks)

    def _settlement(self) -> dict[str, Any]:
        r = self.random
        due = r.choice([0, 0, 0, self.now + r.randrange(2_000)])
        return {
            "claim": r.randrange(20),
            "is_other": r.random() < 0.1,
            "due": due,
            "entries": () if due else tuple(self._some(2, lambda: _timer(r, 99))),
            "dead": b"" if due or r.random() < 0.8 else b"letter",
            "untried": r.random() < 0.2,
        }

    def _stop(self) -> str:
        return self.random.choice(["merged", "merged|", f"merged|{self.now + self.random.randrange(-50, 5_000)}"])

    def _walk(self, name: str) -> tuple[str, bytes]:
        r = self.random
        if r.random() < 0.3:
            return name, b""
        return name, encode_walk(Walk(name, "review", group=r.choice(["", "segments/a"]), asked_at=self.now))

    def _some(self, most: int, make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(self.random.randint(0, most))]


def _bytes(r: Random) -> bytes:
    return b"%d" % r.randrange(99)


def _timer(r: Random, names: int) -> bytes:
    return encode_entry(TimerFired("ann", "held", str(r.randrange(names)), 0))


def _player(r: Random) -> str:
    return f"p{r.randrange(8)}"


class Hands:
    """Carries a plan out on one side, turning ordinals into that side's offsets, and answers back again."""

    def __init__(self, clock: str) -> None:
        self.clock = clock
        self.offsets: dict[tuple[str, int], list[str]] = {}
        self.granted: dict[tuple[str, int], int] = {}
        self.tokens: dict[tuple[str, int], list[Token]] = {}
        self.at: dict[tuple[str, int], str] = {}  # the offset the last grant or commit told

    async def append(self, side: Side, bound: int, rows: list[Incoming]) -> Any:
        told = await side.intake(bound=bound, keep_ms=KEEP, clock=self.clock).append(rows)
        await self._look(side, "players")
        return [self._place(t, "players", partition_of(row.player, 2)) for t, row in zip(told, rows, strict=True)]

    async def internal(self, side: Side, p: int, lane: str, key: str) -> Any:
        body = encode_entry(TimerFired("ann", "internal", key, 0))
        told = await side.intake(bound=1, keep_ms=KEEP, clock=self.clock).append_internal(p, key, body, LANES[lane])
        await self._look(side, lane)
        return self._place(told, lane, p)

    async def exclude(self, side: Side, player: str, reason: str, until: int | None, is_lifted: bool) -> Any:
        body = encode_entry(TimerFired(player, "stop", reason, 0))
        intake = side.intake(bound=1, keep_ms=KEEP, clock=self.clock)
        if is_lifted:
            told = await intake.readmit(player, reason, body)
        else:
            told = await intake.exclude(player, reason, body, until)
        await self._look(side, "players")
        return told

    async def mute(self, side: Side, player: str, mark: str, is_set: bool) -> Any:
        body = encode_entry(TimerFired(player, "mute", mark, 0))
        told = await side.intake(bound=1, keep_ms=KEEP, clock=self.clock).mute(player, mark, is_set, body)
        await self._look(side, "players")
        return told

    async def claim(self, side: Side, which: tuple[int, str], claimer: str, rooms: list[tuple[str, str, int]]) -> Any:
        try:
            return await side.queue(self.clock).claim(self._token("channels", which), claimer, rooms)
        except Refused as refused:
            return refused.verdict

    async def settle(self, side: Side, plans: list[dict[str, Any]]) -> Any:
        queue, rows = side.queue(self.clock), []
        flying = sorted(await queue.in_flight([0, 1]), key=lambda found: (found.dispatch.id, found.dispatch.player))
        for plan in plans if flying else ():
            found = flying[plan["claim"] % len(flying)]
            player = found.dispatch.player
            token = "another" if plan["is_other"] else found.token
            parts = {name: plan[name] for name in ("due", "entries", "dead", "untried")}
            rows.append(Settlement(partition_of(player, 2), player, found.dispatch.id, token, **parts))
        told = await queue.settle(rows)
        await self._look(side, "players")
        return flying, told

    async def waiting(self, side: Side, partitions: list[int]) -> Any:
        return await side.queue(self.clock).waiting(partitions)

    async def rates(self, side: Side, name: str, wanted: int, per_s: float, burst: int) -> Any:
        queue = side.queue(self.clock)
        told = await queue.take(name, wanted, per_s=per_s, burst=burst), await queue.spend(name, wanted, 50)
        await queue.refund(name, wanted // 3)
        return told

    async def tick(self, side: Side, now: int) -> None:
        await side.set_clock(now)

    async def acquire(self, side: Side, lane: str, p: int, owner: str, nonce: str, ttl_ms: int) -> Any:
        try:
            grant = await side.lane(lane, self.clock).acquire(p, owner, nonce, ttl_ms)
        except Refused as refused:
            return refused.verdict, refused.detail if refused.verdict is Verdict.HELD else ""
        self.tokens.setdefault((lane, p), []).append(grant.token)
        self.granted[lane, p] = len(self.tokens[lane, p])
        self.at[lane, p] = grant.offset
        return grant.token.epoch, grant.tries, grant.part, self._ordinal(lane, p, grant.offset)

    async def renew(self, side: Side, lane: str, tokens: list[tuple[int, str]], ttl_ms: int) -> Any:
        return await side.lane(lane, self.clock).renew([self._token(lane, t) for t in tokens], ttl_ms)

    async def release(self, side: Side, lane: str, tokens: list[tuple[int, str]], _ttl_ms: int) -> None:
        await side.lane(lane, self.clock).release(self._token(lane, tokens[0]))

    async def fire(self, side: Side, lane: str, tokens: list[tuple[int, str]], limit: int) -> Any:
        told = await side.lane(lane, self.clock).fire([self._token(lane, t) for t in tokens], limit)
        await self._look(side, lane)
        return told

    async def read(self, side: Side, lane: str, p: int, back: int, limit: int) -> Any:
        known = self.offsets.get((lane, p), [])
        after = known[-back - 1] if 0 <= back < len(known) else "0-0"
        found = (await side.lane(lane, self.clock).read({p: after}, limit, 0)).get(p, [])
        return [(self._ordinal(lane, p, e.offset), e.at, e.entry) for e in found]

    async def load(self, side: Side, lane: str, p: int, players: list[str]) -> Any:
        store = side.lane(lane, self.clock)
        return await store.load([(p, x) for x in players]), await store.stopped([(p, x) for x in players])

    async def commit(self, side: Side, lane: str, plans: list[dict[str, Any]]) -> Any:
        store = side.lane(lane, self.clock)
        batches = [await self._batch(side, lane, plan) for plan in plans]
        answers = await store.commit([(token, commit) for token, commit in batches if commit is not None])
        for (token, commit), (verdict, _) in zip([b for b in batches if b[1]], answers, strict=True):
            if commit and verdict is Verdict.OK:
                self.at[lane, token.partition] = commit.end
        await self._look(side, "players" if lane == "tower" else "tower")
        return [
            (verdict, "" if verdict in (Verdict.FENCED, Verdict.BROKEN, Verdict.STALE) else detail)
            for verdict, detail in answers
        ]

    async def relay(self, side: Side, p: int, skip: int, count: int) -> Any:
        ways = side.ways(self.clock)
        rows = (await ways.outbox([p], skip + count)).get(p, [])[skip:]
        told = await ways.relay({p: rows}) if rows else None
        await self._look(side, "players")
        return told

    async def relayed(self, side: Side, p: int, count: int) -> None:
        ways = side.ways(self.clock)
        if rows := (await ways.outbox([p], count)).get(p):
            await ways.relayed({p: rows[-1].id})

    async def outbox(self, side: Side, p: int, limit: int) -> Any:
        rows = (await side.ways(self.clock).outbox([p, 1 - p], limit)).items()
        return {q: [(row.to, row.body) for row in theirs] for q, theirs in rows}

    async def walks(self, side: Side, p: int) -> Any:
        return sorted((await side.ways(self.clock).walks([p])).get(p, []), key=lambda walk: walk.id)

    async def members(self, side: Side, p: int, group: str, after: str, limit: int) -> Any:
        return await side.ways(self.clock).members([(p, group, after), (1 - p, group, "")], [limit, 2])

    async def visit(self, side: Side, plans: list[dict[str, Any]], bound: int) -> Any:
        ways, visits = side.ways(self.clock), []
        for plan in plans:
            walks = await self.walks(side, plan["token"][0])
            if walks:
                walk = walks[plan["walk"] % len(walks)]
                players = plan["players"]
                moved = structs.replace(
                    walk,
                    cursor=players[-1] if players else walk.cursor,
                    visited=walk.visited + len(players),
                    ended_at=plan["ended_at"],
                    is_stopping=False,
                )
                came_from = "elsewhere" if plan["is_elsewhere"] else walk.cursor
                bodies = [encode_entry(Visited(player, walk.id, walk.kind)) for player in players]
                visits.append(Visit(self._token("players", plan["token"]), moved, came_from, bodies))
        told = await ways.visit(visits, bound) if visits else None
        await self._look(side, "players")
        return told

    async def _batch(self, side: Side, lane: str, plan: dict[str, Any]) -> tuple[Token, Commit | None]:
        p, _ = plan["token"]
        known = ["0-0", *self.offsets.get((lane, p), [])]
        here = known.index(self.at.get((lane, p), "0-0"))
        start = here if plan["start"] == "off" else max(0, here - plan["entries"]) if plan["start"] == "last end" else 0
        end = min(start + plan["entries"], len(known) - 1)
        if start == end:
            return self._token(lane, plan["token"]), None
        stored = await side.lane(lane, self.clock).load([(p, player) for player, _, _ in plan["writes"]])
        versions = [int(fields.get("v", b"0")) for fields in stored]
        commit = Commit(known[start], known[end], done=end - start, at=plan["at"])
        first_of = dict.fromkeys(player for player, _, _ in plan["writes"])
        commit.writes = [
            Write(player, v + skew, v + skew + 1, fields)
            for (player, skew, fields), v in zip(plan["writes"], versions, strict=True)
            if first_of.pop(player, True) is None
        ]
        commit.history = [(player, "*" if lane == "tower" else known[end], b"h") for player in plan["history"]]
        for name in (
            "inbox", "outputs", "keys", "timers", "part", "dead", "index", "groups", "relays", "walks",
            "stops", "duplicates", "lifts", "mutes", "sums", "cases",
        ):  # fmt: skip
            setattr(commit, name, plan[name])
        for name in ("voids", "reviews", "tallies"):
            setattr(commit, name, plan.get(name, []))
        commit.dispatches = [d for d in plan.get("dispatches", ()) if partition_of(d.player, 2) == p]
        return self._token(lane, plan["token"]), commit

    async def _look(self, side: Side, lane: str) -> None:
        """Learn the offsets of a lane's logs; the stores give different ids to the same places."""
        known = [self.offsets.setdefault((lane, p), []) for p in (0, 1)]
        after = {p: offsets[-1] if offsets else "0-0" for p, offsets in enumerate(known)}
        for p, entries in (await side.lane(lane, self.clock).read(after, 10_000, 0)).items():
            known[p] += [e.offset for e in entries]

    def _token(self, lane: str, which: tuple[int, str]) -> Token:
        p, kind = which
        held = self.tokens.get((lane, p))
        if not held:
            return Token(p, "1", "nobody")
        if kind == "wrong":
            return Token(p, str(int(held[-1].epoch) + 1), held[-1].nonce)
        return held[0] if kind == "first" else held[-1]

    def _ordinal(self, lane: str, p: int, offset: str) -> int:
        return -1 if offset == "0-0" else self.offsets[lane, p].index(offset)

    def _place(self, told: Appended | Verdict, lane: str, p: int) -> Any:
        if isinstance(told, Verdict):
            return told
        return told.duplicate, told.mismatch, self._ordinal(lane, p, told.offset)
