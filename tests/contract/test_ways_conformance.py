"""Relays, walks and groups on every store: the function library on real servers, and the model."""

from typing import Any

import pytest
from msgspec import structs

from domain.dispatch import Dispatch
from domain.entries import TimerFired, encode_entry
from store.keys import TOWER
from store.ports import QUEUED_MAX, Commit, Outgoing, Token, Verdict, Visit, Walk, Write, decode_walk, encode_walk
from tests.contract.desk import ANN, BOB, Desk, side, timer
from tests.contract.script import HOUR, incoming
from tests.contract.sides import START, Side

__all__ = ["side"]  # the fixture: each implementation

BOUND = 64


class Office(Desk):
    """A partition with an owner that has committed as far as the log goes."""

    async def opened(self, ttl_ms: int = HOUR) -> "Office":
        self.ways = self.side.ways(self.clock)
        self.token = (await self.own(ttl_ms=ttl_ms)).token
        self.at = "0-0"
        self.count = 0
        return self

    async def write(self, **parts: Any) -> None:
        """Commit some parts, under an entry of their own."""
        self.count += 1
        (end,) = await self.sent(f"office-{self.count}")
        done = len(await self.log()) - getattr(self, "done", 0)
        assert await self.commit(self.token, self.at, end, done=done, **parts) is Verdict.OK
        self.done, self.at = done + getattr(self, "done", 0), end

    async def begin(self, walk: Walk) -> None:
        await self.write(walks=[(walk.id, encode_walk(walk))])

    async def walks(self) -> list[Walk]:
        return (await self.ways.walks([0])).get(0, [])

    async def visit(self, walk: Walk, came_from: str, *players: str, bound: int = BOUND, **other: Any) -> Verdict:
        moved = structs.replace(walk, cursor=players[-1] if players else walk.cursor, **other)
        bodies = [encode_entry(TimerFired(player, "visited", "", 0)) for player in players]
        (verdict,) = await self.ways.visit([Visit(self.token, moved, came_from, bodies)], bound)
        return verdict

    async def carried(self, limit: int = 99) -> dict[int, list[Outgoing]]:
        """Relay the outbox once, without forgetting it."""
        rows = await self.ways.outbox([0], limit)
        await self.ways.relay(rows)
        return rows

    async def arrived(self, partition: int = 0) -> list[str]:
        """The refs of the timers in a partition's log."""
        found = (await self.players.read({partition: "0-0"}, 1_000, 0)).get(partition, [])
        return [e.entry.ref for e in found if isinstance(e.entry, TimerFired)]


def body(ref: str) -> bytes:
    return encode_entry(TimerFired(BOB, "relayed", ref, 0))


# What a commit writes beside the turns


async def test_a_commit_writes_groups_relays_walks_stops_and_proposals_together(side: Side) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review", asked_at=START)
    await office.write(
        writes=[Write(ANN, 0, 1, {"x": b"1"})],
        groups=[(True, "segments/vip", ANN), (True, "journeys/hello/wait", BOB)],
        relays=[(3, b"to three"), (1, b"to one")],
        walks=[("w1", encode_walk(walk))],
        stops=[(BOB, "self_exclusion")],
        duplicates=[b"ann and bob"],
    )
    state = await side.dump(0)
    assert (state["g:segments/vip"], state["g:journeys/hello/wait"]) == ([(0, b"ann")], [(0, b"bob")])
    assert state["out"] == [{"d": b"3", "e": b"to three"}, {"d": b"1", "e": b"to one"}]
    assert (state["walks"], state["walk-at"]) == ({"w1": encode_walk(walk)}, {"w1": b""})
    assert (state["stop"], state["duplicates"]) == ({"bob": b"self_exclusion|"}, [{"d": b"ann and bob"}])
    assert await office.players.stopped([(0, BOB)]) == [True]


async def test_of_several_moves_in_one_commit_the_last_one_counts(side: Side) -> None:
    office = await Office(side).opened()
    await office.write(groups=[(True, "g", ANN), (False, "g", ANN), (True, "g", BOB), (True, "g", BOB)])
    await office.write(groups=[(False, "g", "nobody")])
    assert await office.ways.members([(0, "g", "")], [9]) == [[BOB]]


async def test_a_player_is_in_the_index_from_its_first_commit_on(side: Side) -> None:
    office = await Office(side).opened()
    await office.write(writes=[Write(ANN, 0, 1, {}), Write("key:email:1", 0, 1, {})])
    await office.write(writes=[Write(ANN, 1, 2, {})])
    tower = (await office.tower.acquire(0, "h", "n", HOUR)).token
    end = (await office.intake.append_internal(0, "x", body("x"), TOWER)).offset
    await office.tower.commit([(tower, Commit("0-0", end, writes=[Write("only the tower's", 0, 1, {})]))])
    assert await office.ways.members([(0, "", "")], [9]) == [[ANN]]


# Relays


async def test_what_a_commit_left_arrives_in_order_and_once_however_often_it_is_carried(side: Side) -> None:
    office = await Office(side).opened()
    await office.write(relays=[(0, body("a")), (1, body("b")), (0, body("c"))])
    first = await office.carried(limit=2)
    await office.carried()
    await office.ways.relay(first)
    await office.carried()
    assert (await office.arrived(0), await office.arrived(1)) == (["a", "c"], ["b"])


async def test_an_outbox_is_forgotten_up_to_an_id_and_what_comes_later_still_arrives(side: Side) -> None:
    office = await Office(side).opened()
    await office.write(relays=[(1, body("a")), (1, body("b"))])
    rows = (await office.carried())[0]
    await office.ways.relayed({0: rows[0].id})
    assert [row.id for row in (await office.ways.outbox([0], 9))[0]] == [rows[1].id]
    await office.ways.relayed({0: rows[1].id})
    assert await office.ways.outbox([0, 1], 9) == {}
    await office.write(relays=[(1, body("c"))])
    await office.carried()
    assert await office.arrived(1) == ["a", "b", "c"]


async def test_sources_are_told_apart(side: Side) -> None:
    office = await Office(side).opened()
    rows = [Outgoing("5-0", 1, body("from 0")), Outgoing("5-1", 1, body("more"))]
    told = await office.ways.relay({0: rows, 7: [Outgoing("5-0", 1, body("from 7"))]})
    assert told == {0: 2, 7: 1}
    assert sorted(await office.arrived(1)) == ["from 0", "from 7", "more"]


async def test_of_many_sources_each_is_told_by_its_own_last_id_and_none_twice(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.ways.RELAY_MAX", 4)
    office = await Office(side).opened()
    rows = {
        source: [Outgoing(f"{source + 1}-{n}", to, body(f"{source}.{n}")) for n, to in enumerate((1, 0, 1))]
        for source in range(7)
    }
    half = {source: theirs[: source % 4] for source, theirs in rows.items()}
    assert await office.ways.relay(half) == {source: source % 4 for source in rows}
    assert await office.ways.relay(rows) == dict.fromkeys(rows, 3)
    for to, numbers in ((0, [1]), (1, [0, 2])):
        arrived = await office.arrived(to)
        assert sorted(arrived) == [f"{source}.{n}" for source in rows for n in numbers]
        for source in rows:  # in order, whatever came between
            assert [ref for ref in arrived if ref.startswith(f"{source}.")] == [f"{source}.{n}" for n in numbers]


@pytest.mark.parametrize(
    ("last", "next_"), [("9-0", "10-0"), ("10-9", "10-10"), ("4102444800000-1", "4102444800001-0")]
)
async def test_outbox_ids_are_compared_as_numbers(side: Side, last: str, next_: str) -> None:
    office = await Office(side).opened()
    await office.ways.relay({0: [Outgoing(last, 1, body("a"))]})
    await office.ways.relay({0: [Outgoing(next_, 1, body("b"))]})
    await office.ways.relay({0: [Outgoing(last, 1, body("a"))]})
    assert await office.arrived(1) == ["a", "b"]


async def test_a_relayed_entry_counts_as_backlog_and_its_time_never_goes_back(side: Side) -> None:
    office = await Office(side, bound=3).opened()
    await office.write(relays=[(0, body("a")), (0, body("b"))])
    await side.set_clock(START - 500)
    await office.carried()
    assert [e.at for e in await office.log()] == [START] * 3
    assert await office.send("e1", "e2") == [Verdict.BACKLOG] * 2


async def test_a_relayed_entry_of_a_store_with_the_logs_clock_has_the_logs_time(side: Side) -> None:
    office = await Office(side, clock="log").opened()
    await office.write(relays=[(0, body("a"))])
    await office.send(incoming("e1", at=START + 9))
    await office.carried()
    assert [e.at for e in await office.log()] == [START, START + 9, START + 9]


# Members


async def test_members_come_in_the_order_of_their_ids_bytes_and_go_on_after_one(side: Side) -> None:
    office = await Office(side).opened()
    names = ["b", "a", "ünal", "Z", "日本", "\U0001f3b2", "a b", "a:1"]
    await office.write(groups=[(True, "g", name) for name in names])
    ordered = sorted(names, key=str.encode)
    assert await office.ways.members([(0, "g", "")], [99]) == [ordered]
    assert await office.ways.members([(0, "g", ""), (0, "g", "a")], [2, 2]) == [ordered[:2], ["a b", "a:1"]]
    assert await office.ways.members([(0, "g", ordered[-1]), (0, "no such", "")], [2, 2]) == [[], []]


# Walks


async def test_a_walk_moves_with_the_visits_it_makes(side: Side) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review", asked_at=START)
    await office.begin(walk)
    assert await office.walks() == [walk]
    assert await office.visit(walk, "", ANN, BOB, visited=2) is Verdict.OK
    assert await office.walks() == [structs.replace(walk, cursor=BOB, visited=2)]
    assert [e.entry.player for e in (await office.log())[1:]] == [ANN, BOB]
    assert (await side.dump(0))["meta"]["in"] == b"3"


@pytest.mark.parametrize("came_from", ["", "bo", "bobo"])
async def test_a_visit_from_elsewhere_is_stale(side: Side, came_from: str) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review")
    await office.begin(walk)
    await office.visit(walk, "", BOB)
    before = await side.dump(0)
    assert await office.visit(walk, came_from, "cleo") is Verdict.STALE
    assert await side.dump(0) == before


async def test_a_walk_that_ended_or_is_not_known_makes_no_visits(side: Side) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review")
    assert await office.visit(walk, "", ANN) is Verdict.STALE
    await office.begin(walk)
    assert await office.visit(walk, "", ANN, ended_at=START, outcome="completed") is Verdict.OK
    assert await office.walks() == []
    assert await office.visit(walk, ANN, BOB) is Verdict.STALE


async def test_an_id_is_walked_once(side: Side) -> None:
    """Asked again, under way or ended, nothing changes."""
    office = await Office(side).opened()
    walk = Walk("w1", "review")
    await office.begin(walk)
    await office.visit(walk, "", ANN, visited=1)
    await office.begin(walk)
    assert [w.cursor for w in await office.walks()] == [ANN]
    await office.visit(walk, ANN, ended_at=START)
    await office.begin(walk)
    assert await office.walks() == []


async def test_only_a_walk_under_way_is_told_to_end(side: Side) -> None:
    office = await Office(side).opened()
    await office.write(walks=[("w1", b"")])
    await office.begin(Walk("w1", "review"))
    assert [w.is_stopping for w in await office.walks()] == [False]
    await office.write(walks=[("w1", b"")])
    assert [w.is_stopping for w in await office.walks()] == [True]
    assert await office.visit(Walk("w1", "review"), "", ended_at=START, outcome="stopped") is Verdict.OK
    await office.write(walks=[("w1", b"")])
    state = await side.dump(0)
    assert "walk-stop" not in state
    assert decode_walk(state["walks"]["w1"]).outcome == "stopped"


async def test_a_fenced_owner_visits_nobody(side: Side) -> None:
    office = await Office(side).opened()
    await office.begin(Walk("w1", "review"))
    await office.own(nonce="n2")
    assert await office.visit(Walk("w1", "review"), "", ANN) is Verdict.FENCED
    office.token = Token(0, "2", "n1")
    assert await office.visit(Walk("w1", "review"), "", ANN) is Verdict.FENCED


async def test_a_walk_lets_the_players_entries_go_first_but_may_end(side: Side) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review")
    await office.begin(walk)
    await office.send("e1", "e2")
    assert await office.visit(walk, "", ANN, bound=2) is Verdict.BACKLOG
    assert await office.visit(walk, "", ANN, bound=3) is Verdict.OK
    assert await office.visit(walk, ANN, bound=2, ended_at=START) is Verdict.OK


async def test_a_walk_lets_the_towers_entries_go_first(side: Side) -> None:
    office = await Office(side).opened()
    walk = Walk("w1", "review")
    await office.write(walks=[("w1", encode_walk(walk))], outputs=[body("a"), body("b")])
    assert await office.visit(walk, "", ANN, bound=2) is Verdict.BACKLOG
    assert await office.visit(walk, "", ANN, bound=3) is Verdict.OK


async def test_a_campaign_waits_for_the_providers_and_a_review_does_not(side: Side) -> None:
    office = await Office(side).opened()
    news, review = Walk("w1", "journey", "campaigns/news"), Walk("w2", "review")
    await office.begin(news)
    await office.begin(review)
    queued = [
        Dispatch(f"req_{n}", f"p{n}", "sms", "promo", "news", {}, START, START + HOUR, START + HOUR)
        for n in range(QUEUED_MAX)
    ]
    await office.write(dispatches=queued[:-1])
    assert await office.visit(news, "", ANN) is Verdict.OK
    await office.write(dispatches=queued[-1:])
    assert await office.visit(news, ANN, BOB) is Verdict.BACKLOG
    assert await office.visit(review, "", ANN) is Verdict.OK


async def test_visits_are_stamped_like_any_entry(side: Side) -> None:
    office = await Office(side).opened()
    await office.begin(Walk("w1", "review"))
    await side.set_clock(START - 9)
    await office.visit(Walk("w1", "review"), "", ANN)
    assert [e.at for e in await office.log()] == [START, START]


async def test_of_the_walks_that_ended_the_last_five_hundred_are_known(side: Side) -> None:
    office = await Office(side).opened()
    walks = [Walk(f"w{n}", "review") for n in range(502)]
    await office.write(walks=[(walk.id, encode_walk(walk)) for walk in walks])
    for walk in walks[1:]:
        assert await office.visit(walk, "", ended_at=START) is Verdict.OK
    state = await side.dump(0)
    assert (len(state["walks"]), "w0" in state["walks"], "w1" in state["walks"]) == (501, True, False)
    assert [w.id for w in await office.walks()] == ["w0"]


# Timers


async def test_a_storm_of_due_timers_leaves_room_for_live_traffic(side: Side) -> None:
    """What fires counts against what waits already, but a few fire always."""
    office = await Office(side).opened()
    await office.write(timers=[timer(str(i), START - i) for i in range(200)])
    assert await office.players.fire([office.token], 60) == [60]
    assert await office.players.fire([office.token], 100) == [40]
    assert await office.players.fire([office.token], 100) == [32]
    assert await office.players.fire([office.token], 10) == [10]
