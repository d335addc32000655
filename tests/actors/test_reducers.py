"""The players' fold: what a batch writes, partition state with it, and turns that fail alone."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from actors.partition import PartState, decode_part, encode_part
from actors.processor import Folded, Known, PartitionStopped
from actors.programme import Programme, compile_programme
from actors.reducers import PlayerReducer, with_fields
from domain.effects import Posting, SetAside, decode_record
from domain.entries import (
    Command,
    Entry,
    Event,
    LogEntry,
    MessageRequest,
    ModelPublished,
    ProgrammePublished,
    TimerFired,
    Unreadable,
    decode_entry,
    encode_entry,
    read_entry,
)
from domain.ids import partition_of
from domain.player import Snapshot
from domain.step import Draws
from store.dead_letters import decode_dead_letter
from store.ports import decode_walk
from tests.e2e.programme import PROGRAMME

PARTITIONS = 4
HOME = partition_of("pia", PARTITIONS)
LIVE = PartState(programme=1)


@dataclass
class Versions:
    """Programme versions in memory."""

    compiled: dict[int, Programme] = field(
        default_factory=lambda: {0: compile_programme(0, {}), 1: compile_programme(1, PROGRAMME)}
    )

    def get(self, version: int) -> Programme | None:
        return self.compiled.get(version)

    async def ensure(self, version: int) -> Programme:
        return self.compiled[version]


async def folded(*entries: Entry, part: PartState = LIVE, **known: Any) -> Folded[Snapshot]:
    reducer = PlayerReducer(Versions(), store_seed="seed", partitions=2)
    log = [LogEntry(f"{n}-0", 1_000 * n, entry) for n, entry in enumerate(entries, 1)]
    states = {entry.player: Snapshot(entry.player) for entry in entries if entry.player}
    return await reducer.fold(HOME, part, states, log, Known(**known))


@pytest.mark.parametrize(
    ("published", "walks"),
    [
        pytest.param(ModelPublished(3, 5), [("rescore:5", "rescore")], id="another model"),
        pytest.param(ModelPublished(2, 5), [], id="the one that scores already"),
        pytest.param(ModelPublished(3, 4), [], id="a publication that came before the one in force"),
    ],
)
async def test_a_model_that_is_published_is_brought_to_silent_players_by_a_walk(
    published: ModelPublished, walks: list[tuple[str, str]]
) -> None:
    scored = compile_programme(1, {"models": {"churn": {}}})
    part = PartState(programme=1, model=2, publication=4)
    reducer = PlayerReducer(Versions({1: scored}), store_seed="seed", partitions=2)
    told = await reducer.fold(HOME, part, {}, [LogEntry("1-0", 1_000, published)], Known())
    assert [(name, decode_walk(record).kind) for name, record in told.commit.walks] == walks
    assert (await folded(published, part=part)).commit.walks == [], "a programme that scores nobody"


def bet(player: str, n: int) -> Event:
    return Event(player, f"{player}-{n}", "bet_placed", 1_000 * n)


async def test_a_batch_writes_each_player_once_and_each_entry_its_record() -> None:
    commit = (await folded(bet("pia", 1), bet("olga", 2), bet("pia", 3))).commit
    assert [(write.player, write.base, write.version) for write in commit.writes] == [("pia", 0, 1), ("olga", 0, 1)]
    assert [(player, offset) for player, offset, _ in commit.history] == [
        ("pia", "1-0"),
        ("pia", "3-0"),
        ("olga", "2-0"),
    ]


async def test_the_other_side_of_the_ledger_is_committed_with_the_batch() -> None:
    fold = await folded(bet("pia", 1), bet("pia", 2), bet("pia", 3))
    held = fold.states["pia"].wallet["points"].balance
    assert fold.part.accounts == {"issued:points": -held}
    assert decode_part(encode_part(fold.part)) == fold.part


async def test_a_published_programme_moves_the_partition_and_is_told_to_the_tower() -> None:
    fold = await folded(ProgrammePublished(1), part=PartState())
    assert fold.part.programme == 1
    assert [decode_entry(body) for body in fold.commit.outputs] == [ProgrammePublished(1)]


async def test_a_lower_programme_version_is_ignored() -> None:
    assert (await folded(ProgrammePublished(0))).part.programme == 1


async def test_a_completion_asks_the_tower_with_the_words_filled_in() -> None:
    known = Event("pia", "pia-0", "identified", 1, traits={"first_name": "Pia"}, type="identify")
    commit = (await folded(known, bet("pia", 1), bet("pia", 2), bet("pia", 3))).commit
    (request,) = [decode_entry(body) for body in commit.outputs]
    assert isinstance(request, MessageRequest)
    assert request.content["title"] == "Well done, Pia"
    assert request.id.startswith(f"req_{HOME:x}_")


async def test_a_clients_entry_that_fails_is_set_aside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    break_turns_of(monkeypatch, "pia-2")
    fold = await folded(bet("pia", 1), bet("pia", 2), bet("pia", 3))
    records = [decode_record(data) for _, _, data in fold.commit.history]
    assert [type(record.effects[0]) for record in records] == [Posting, SetAside, Posting]
    assert fold.states["pia"].wallet["points"].balance == 2
    assert fold.part.set_aside == 1
    letter = decode_dead_letter(fold.commit.dead[0])
    assert (letter.player, letter.event_id) == ("pia", "pia-2")


async def test_an_entry_of_the_engine_that_fails_stops_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    break_turns_of(monkeypatch, "mission_expires")
    with pytest.raises(PartitionStopped):
        await folded(TimerFired("pia", "mission_expires", "three-bets", 5))


async def test_an_entry_that_killed_its_process_is_set_aside_unrun() -> None:
    fold = await folded(bet("pia", 1), unrun=True)
    assert fold.states["pia"] == Snapshot("pia")
    assert len(fold.commit.dead) == 1


async def test_bytes_that_are_no_entry_are_set_aside_and_the_others_go_on() -> None:
    fold = await folded(Unreadable(b"\xc1"), bet("pia", 2))
    assert fold.part.set_aside == 1
    assert decode_dead_letter(fold.commit.dead[0]).raw == b"\xc1"
    assert fold.states["pia"].wallet["points"].balance == 1


def test_a_log_may_hold_bytes_that_are_no_entry() -> None:
    assert read_entry(b"\xc1") == Unreadable(b"\xc1")
    assert encode_entry(Unreadable(b"\xc1")) == b"\xc1"


async def test_a_command_answers_whoever_waits() -> None:
    command = Command("pia", "cmd:1", "adjust", {"currency": "points", "amount": 5, "reason": ""}, reply_to="reply:g")
    assert (await folded(command)).commit.publishes[0][0] == "reply:g"


async def test_the_snapshot_read_back_from_its_changed_parts_is_the_same() -> None:
    fold = await folded(bet("pia", 1))
    again = with_fields(Snapshot("pia"), fold.commit.writes[0].fields)
    assert again == structs.replace(fold.states["pia"], version=1)


def test_draws_are_the_same_at_every_replay_and_differ_by_partition_entry_and_rule() -> None:
    first = Draws("seed", 1, "5-0").of("wheel").random()
    assert Draws("seed", 1, "5-0").of("wheel").random() == first
    places = [("seed", 2, "5-0"), ("seed", 1, "6-0"), ("other", 1, "5-0")]
    others = [Draws(*place).of("wheel") for place in places]
    others += [Draws("seed", 1, "5-0").of("raffle"), Draws("seed", 1, "5-0").of("wheel", 1)]
    assert first not in {draw.random() for draw in others}


def break_turns_of(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Make the turn of one entry raise, as a bug in a rule would."""
    from actors import player

    sound = player.decide

    def broken(state: Snapshot, entry: LogEntry, told: Any) -> Any:
        if what in (getattr(entry.entry, "id", ""), getattr(entry.entry, "kind", "")):
            raise ZeroDivisionError(what)
        return sound(state, entry, told)

    monkeypatch.setattr(player, "decide", broken)


async def test_the_stores_gates_hear_in_the_same_commit_what_a_turn_decides() -> None:
    def says(n: int, name: str, **properties: Any) -> Event:
        return Event("pia", f"g{n}", name, 1_000 * n, properties)

    commit = (
        await folded(
            says(1, "self_excluded"),
            says(2, "cool_off_started", until=9_000_000),
            says(3, "player_readmitted", reason="self_exclusion"),
            says(4, "consent_changed", channel="sms", granted=False),
        )
    ).commit
    assert commit.stops == [("pia", "cool_off|9000000")]
    assert commit.lifts == [("pia", "self_exclusion")]
    assert commit.mutes == [(True, "pia", "sms")]
