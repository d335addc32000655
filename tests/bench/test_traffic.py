import json

import pytest

from bench.load import request
from bench.sockets import masked
from bench.traffic import Traffic
from bench.turn import casino, entries, fold


def test_the_same_seed_makes_the_same_events_in_every_process() -> None:
    first, second = Traffic("t", 500, 40, 10, 4), Traffic("t", 500, 40, 10, 4)
    assert list(first.bets()) == list(second.bets())
    assert list(first.bets()) != list(Traffic("t", 500, 40, 10, 4, seed=2).bets())


def test_ids_are_unique_and_amounts_bounded() -> None:
    bets = list(Traffic("t", 2_000, 100).bets())
    assert len({bet.id for bet in bets}) == 2_000
    assert all(10 <= bet.amount < 1_000 for bet in bets)


def test_a_player_belongs_to_one_connection() -> None:
    traffic = Traffic("t", 4_000, 100, 10, 8)
    of: dict[str, set[int]] = {}
    for n, bet in enumerate(traffic.bets()):
        of.setdefault(bet.player, set()).add(n // 10 % 8)
    assert all(len(connections) == 1 for connections in of.values())
    assert len(of) > 80


def test_what_each_player_is_sent_adds_up_to_all() -> None:
    traffic = Traffic("t", 333, 20, 10, 4)
    by_player = traffic.by_player()
    assert sum(map(len, by_player.values())) == 333
    assert all(
        [int(bet.id.split("-")[1]) for bet in bets] == sorted(int(bet.id.split("-")[1]) for bet in bets)
        for bets in by_player.values()
    )


def test_another_run_may_play_with_the_same_players() -> None:
    assert {b.player for b in Traffic("a", 50, 5, people="p").bets()} == {
        b.player for b in Traffic("b", 50, 5, people="p").bets()
    }


@pytest.mark.parametrize(("batch", "events", "sizes"), [(100, 250, [100, 100, 50]), (1, 2, [1, 1])])
def test_bodies_hold_all_events(batch: int, events: int, sizes: list[int]) -> None:
    traffic = Traffic("t", events, 10, batch, 2, "segment_batch", at="2026-11-22T03:00:00Z")
    bodies = [json.loads(traffic.body(b))["batch"] for b in range(traffic.bodies)]
    assert [len(body) for body in bodies] == sizes
    assert [event["messageId"] for body in bodies for event in body] == [bet.id for bet in traffic.bets()]


def test_single_and_rival_bodies_are_json() -> None:
    single = json.loads(Traffic("t", 3, form="segment_single", at="2026-11-22T03:00:00Z").body(1))
    assert single["event"] == "bet_placed"
    assert set(single["properties"]) == {"amount", "currency", "game", "game_type"}
    assert json.loads(Traffic("t", 3, form="rival").body(2))["seq"] == 2


def test_a_request_names_its_length() -> None:
    wire = request("/v1/track", b"{}", "Bearer k", "Prefer: wait=1\r\n")
    assert wire.endswith(b"Prefer: wait=1\r\nContent-Length: 2\r\n\r\n{}")


def test_a_frame_of_the_socket_bench_is_masked() -> None:
    assert masked(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert masked(b"x" * 300)[:4] == b"\x81\xfe\x01\x2c"


def test_the_turn_bench_applies_every_bet() -> None:
    traffic = Traffic("t", 200, 10)
    states, _ = fold(casino(), entries(traffic), 64)
    stakes = sum(sum(v for _, v in state.metrics["stake-24h"].buckets) for state in states.values())
    assert stakes == sum(bet.amount for bet in traffic.bets())
