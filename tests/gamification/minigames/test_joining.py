"""Mini-games of a device that turns out to be somebody: nothing is lost, nothing is given twice."""

from typing import Any

from msgspec import structs

from domain.effects import Answered
from domain.entries import KeeperAnswered, MergeAsked, Merged
from domain.game_effects import Drawn, PlayChanged, SpinsChanged
from domain.games import Games
from domain.player import all_parts
from domain.step import Draws
from gamification.fairness.proof import problems, seed_of
from gamification.minigames.plays import PLAYS_MAX
from tests.gamification.lottery import SEED, Lottery
from tests.gamification.playing import HOUR, NOON, points, programme

DEVICE = "anon:x"
MUG = {"id": "mug", "stock": 2, "rewards": [points(100)]}
TEN = {"id": "ten", "rewards": [points(10)]}


def town(*prizes: dict[str, Any], **more: Any) -> Lottery:
    return Lottery(programme(minigames={"wheel": {"prizes": list(prizes), "attempts": {"max": 2}, **more}}))


def merge(where: Lottery) -> None:
    """End the device's profile and bring it to ada, as the two turns of a merge do."""
    before = where.states[DEVICE]
    where.take(MergeAsked(DEVICE, "ada", "m"))
    assert where.states[DEVICE].games == Games()
    where.take(Merged("ada", DEVICE, all_parts(before), "m"))


def test_a_play_that_waits_is_given_to_the_person_once() -> None:
    where = town(TEN)
    where.asks(DEVICE, "play", minigame="wheel")
    merge(where)
    assert {timer.player for timer in where.timers} == {"ada"}
    where.later(NOON + HOUR)
    assert (where.balance("ada"), where.balance(DEVICE)) == (10, 0)


def test_spins_of_both_add_up_and_the_person_is_told() -> None:
    spins = {"tasks": [{"id": "t", "event": "got_spins", "count": 1}], "recurrence": "on_completion",
             "rewards": [{"kind": "spins", "minigame": "wheel", "amount": 2}]}  # fmt: skip
    where = Lottery(programme(minigames={"wheel": {"prizes": [TEN]}}, missions={"spins": spins}))
    where.does("ada", "got_spins")
    for _ in range(2):
        where.does(DEVICE, "got_spins")
    merge(where)
    assert where.states["ada"].games.spins == {"wheel": 6}
    assert where.happened("ada", SpinsChanged)[1:] == [SpinsChanged("wheel", 4, 6, "merged")]


def test_attempts_of_both_count_together() -> None:
    where = town(TEN)
    for player in (DEVICE, "ada"):
        where.asks(player, "play", minigame="wheel")
    merge(where)
    told = where.asks("ada", "play", minigame="wheel")
    assert [effect.code for effect in told if isinstance(effect, Answered)] == ["no_attempts"]


def test_a_prize_that_was_asked_for_meanwhile_comes_to_the_person_with_its_proof() -> None:
    where = town(MUG)
    where.asks(DEVICE, "play", minigame="wheel")
    merge(where)
    while where.deliver():
        for line in where.lines.values():  # the id that ended sends on what comes for it
            for i, entry in enumerate(line):
                if isinstance(entry, KeeperAnswered) and entry.player == DEVICE:
                    line[i] = structs.replace(entry, player="ada")
    (drawn,) = where.happened("ada", Drawn)
    assert drawn.scope == DEVICE, "it was drawn with the seed it was begun with"
    assert not problems(drawn, seed_of(Draws(SEED, 0, ""), drawn.of, drawn.ref, drawn.scope, drawn.number))
    where.later(NOON + HOUR)
    assert where.balance("ada") == 100
    assert [change.status for change in where.happened("ada", PlayChanged)] == ["drawn", "acknowledged"]


def test_no_play_that_waits_is_forgotten_however_many_two_profiles_bring() -> None:
    where = town(TEN, attempts={"max": 25})
    for player in (DEVICE, "ada"):
        for _ in range(20):
            where.asks(player, "play", minigame="wheel")
    merge(where)
    waiting = [one.id for one in where.states["ada"].games.plays]
    assert len(waiting) == 40
    assert where.asks("ada", "acknowledge", play=waiting[-1])[-1].code == "ok"
    assert where.asks("ada", "acknowledge", play=waiting[-1])[-1].code == "ok", "the one just given is not forgotten"
    where.later(NOON + HOUR)
    assert where.balance("ada") == 400
    assert len(where.states["ada"].games.plays) == PLAYS_MAX
