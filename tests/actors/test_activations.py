"""Who is in memory as an object, and who becomes bytes."""

from actors.activations import Activations
from tests.contract.tiny import CountingReducer


def _four() -> Activations[object]:
    activations: Activations[object] = Activations(CountingReducer())
    for player in ("a", "b", "c", "d"):
        activations.activate(player, {"v": b"1", "count": b"7"})
    return activations


def test_players_are_idle_after_a_whole_period_without_a_turn() -> None:
    activations = _four()
    activations.turn_over()
    assert activations.sweep(9) == 0, "they took a turn in the period before"
    activations.turn_over()
    assert activations.sweep(9) == 4
    assert activations.players() == []
    assert all(player in activations for player in "abcd"), "they are still in memory, as bytes"


def test_who_takes_turns_stays() -> None:
    activations = _four()
    for _ in range(3):
        activations.turn_over()
        activations.put("b", activations.get("b"))
    assert activations.sweep(9) == 3
    assert activations.players() == ["b"]


def test_a_sweep_is_bounded_and_goes_on_with_those_idle_the_longest() -> None:
    activations = _four()
    activations.get("a")
    activations.turn_over()
    activations.turn_over()
    assert activations.sweep(0) == 0
    assert activations.sweep(3) == 3
    assert activations.players() == ["a"]
    assert activations.sweep(3) == 1
    assert activations.sweep(3) == 0
