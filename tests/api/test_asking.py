"""A command whose answer a keeper gives: the call waits for the turn that has it, and the same key finds it again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from api.commands import asked
from domain.effects import Answered
from domain.entries import Command, Entry, KeeperAnswered, KeeperAsked
from domain.errors import Conflict
from domain.ids import keeper_id
from domain.player import Ask
from gamification import asking, rooms
from gamification.keeping import Keeper
from gamification.ledger import post
from gamification.working import Turn
from tests.api.world import World, world_of
from tests.conftest import Server

pytestmark = pytest.mark.redis

MUGS = keeper_id("shelf", "mugs")
BOXES = keeper_id("shelf", "boxes")
ON_THE_SHELF = 2


def fetch(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Ask for a mug, with a box where one is wanted."""
    post(turn, "gems", 1, "asked", 1)
    asking.ask(turn, MUGS, "take", "fetched", {}, {"boxed": bool(args.get("boxed"))})
    return None


def fetched(turn: Turn, ask: Ask, answer: KeeperAnswered) -> Answered | None:
    if answer.code != "ok":
        return Answered(answer.code)
    if ask.data["boxed"]:
        asking.ask(turn, BOXES, "take", "fetched", {}, {"boxed": False})
        return None
    post(turn, "gems", 10, "fetched", 1)
    return Answered("ok", data={"left": answer.data["left"]})


def shelf(keeper: Keeper, entry: Entry) -> None:
    if isinstance(entry, KeeperAsked):
        left = int(keeper.kept.get("left", ON_THE_SHELF))
        if not left:
            keeper.answer(entry, "sold_out")
            return
        keeper.kept = {"left": left - 1}
        keeper.answer(entry, left=left - 1)


@pytest.fixture
async def world(server: Server, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setitem(rooms.COMMANDS, "fetch", fetch)
    monkeypatch.setitem(rooms.ANSWERS, "fetched", fetched)
    monkeypatch.setitem(rooms.KEEPERS, "shelf", shelf)
    async with world_of(server, redis) as made:
        await made.publish()
        yield made


async def fetching(world: World, key: str, player: str = "amelia", prefer: str | None = None, **args: Any) -> Any:
    answer = await asked(world.context, player, "fetch", args, key, "key_1", prefer)
    return answer.status_code, msgspec.json.decode(answer.body)


async def test_the_answer_has_the_effects_of_both_turns(world: World) -> None:
    status, body = await fetching(world, "k1")
    assert (status, body["data"]) == (200, {"left": 1})
    assert [effect["amount"] for effect in body["effects"] if effect["kind"] == "points"] == [1, 10]


async def test_what_the_keeper_refuses_is_a_problem_and_the_same_key_is_refused_again(world: World) -> None:
    await fetching(world, "k1", "ada")
    await fetching(world, "k2", "bob")
    with pytest.raises(Conflict) as refused:
        await fetching(world, "k3")
    assert refused.value.problem_code == "sold_out"
    status, again = await fetching(world, "k3")
    assert (status, again["code"]) == (409, "sold_out")


async def test_the_same_key_at_once_and_later_is_one_mug_and_the_same_answer(world: World) -> None:
    at_once = await asyncio.gather(*(fetching(world, "k1") for _ in range(20)))
    assert len({msgspec.json.encode(body) for _, body in at_once}) == 1
    assert await fetching(world, "k1") == at_once[0]
    assert (await fetching(world, "k2"))[1]["data"] == {"left": 0}


async def test_an_answer_that_asks_on_is_waited_for_to_the_end(world: World) -> None:
    status, body = await fetching(world, "k1", boxed=True)
    keepers = [effect["keeper"] for effect in body["effects"] if effect["kind"] == "asked_keeper"]
    assert (status, keepers, body["data"]) == (200, [MUGS, BOXES], {"left": 1})


async def test_when_the_reply_is_lost_the_players_own_record_tells(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.context.replies, "channel", "nobody-listens")
    status, body = await fetching(world, "k1")
    assert (status, body["data"]) == (200, {"left": 1})


async def test_an_answer_too_old_to_be_remembered_is_found_in_the_history(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await fetching(world, "k1", boxed=True)
    monkeypatch.setattr(asking, "DONE_MAX", 0)
    await fetching(world, "k2")
    done = (await world.context.players.ref("amelia").state()).asks
    assert not done.done
    assert await fetching(world, "k1", boxed=True) == first


async def test_a_keeper_that_does_not_answer_in_time_leaves_the_command_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rooms.KEEPERS, "shelf", lambda _keeper, _entry: None)
    status, body = await fetching(world, "k1", prefer="wait=0.3")
    assert (status, body["command_id"]) == (202, "cmd:k1")


async def test_whoever_the_id_lives_on_under_has_the_answer(world: World) -> None:
    """The guest asks, logs in, and asks again: the answer went to the profile that the guest's has joined."""
    guest = world.context.players.ref("anon:g")
    await world.happen("anon:g", "bet_placed", "m-1")
    command = Command("anon:g", "cmd:k1", "fetch", {})
    assert await guest.ask(command, timeout_s=10) is not None
    await world.happen("ada", "logged_in", "m-2", anonymous="anon:g")
    await world.until("/v1/players/ada", lambda player: "anon:g" in player.get("merged_from", ()))
    record = await guest.ask(command, timeout_s=10)
    assert record is not None
    assert isinstance(record.effects[-1], Answered)
