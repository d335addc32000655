"""What a batch of one player's turns must write, and how a turn's effects come to be written."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from actors.choices import counted
from actors.deciding import entry_id
from domain.effects import (
    ChoiceCounted,
    ChoiceEnded,
    DuplicateProposed,
    Effect,
    FactTold,
    HistoryRecord,
    JourneyEntered,
    Posting,
    encode_record,
)
from domain.entries import Fact, LogEntry, Visited, encode_entry
from domain.game_effects import CaseClosed, CaseOpened, Redeemed
from domain.step import BoardScore, Freeze, Toll


class Turns(Struct, array_like=True):
    """What a batch of one player's turns must write. Crosses the process boundary of a dedicated actor."""

    player: str
    base: int  # version the batch was folded from
    fields: dict[str, bytes] = field(default_factory=dict)  # changed parts of the snapshot
    history: list[tuple[str, bytes]] = field(default_factory=list)  # offset, record
    outputs: list[bytes] = field(default_factory=list)  # for the tower's log
    keys: list[tuple[str, str]] = field(default_factory=list)  # effect key, cause
    timers: list[tuple[bool, int, bytes]] = field(default_factory=list)
    replies: list[tuple[str, bytes]] = field(default_factory=list)  # channel, reply
    accounts: dict[str, int] = field(default_factory=dict)  # other side of the ledger, by "account:currency"
    failed: list[tuple[str, str]] = field(default_factory=list)  # offset, error: set aside
    recent: list[tuple[int, str, str, str]] = field(default_factory=list)  # at, player, what, id: for the live page
    groups: list[tuple[bool, str]] = field(default_factory=list)  # add, group
    relays: list[tuple[str, bytes]] = field(default_factory=list)  # player, entry for their log
    stops: list[str] = field(default_factory=list)  # ``reason`` or ``reason|until``: excluded from this batch on
    duplicates: list[bytes] = field(default_factory=list)  # probable duplicates, for a person
    entered: list[str] = field(default_factory=list)  # walks whose visits brought the player into a journey
    lifts: list[str] = field(default_factory=list)  # reasons that no longer exclude the player; before the stops
    mutes: list[tuple[bool, str]] = field(default_factory=list)  # set, mark
    sums: list[tuple[str, int]] = field(default_factory=list)  # field, how much more: of choices that ended
    scores: list[BoardScore] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    tolls: list[Toll] = field(default_factory=list)
    barriers: list[bytes] = field(default_factory=list)  # entries for each partition's own
    cases: list[tuple[str, bytes]] = field(default_factory=list)  # id, record for a person; b"": it is over
    is_awaited: bool = False  # somebody waits for what the relays lead to


def write(turns: Turns, effects: tuple[Effect, ...], entry: LogEntry) -> None:
    """Add what a turn's effects say beyond the history. By type: a turn has a dozen effects, of which few say more."""
    for effect in effects:
        if (add := _ADD.get(type(effect))) is not None:
            add(turns, effect, entry)


def _posting(turns: Turns, effect: Posting, _: LogEntry) -> None:
    account = f"{effect.account}:{effect.currency}"
    turns.accounts[account] = turns.accounts.get(account, 0) - effect.amount


def _redeemed(turns: Turns, effect: Redeemed, _: LogEntry) -> None:
    for account, moved in ((effect.source, -effect.amount), (effect.account, effect.amount)):
        name = f"{account}:{effect.currency}"
        turns.accounts[name] = turns.accounts.get(name, 0) + moved


def _fact(turns: Turns, effect: FactTold, entry: LogEntry) -> None:
    fact = Fact(turns.player, effect.name, effect.value, entry.at, entry_id(entry.entry))
    turns.outputs.append(encode_entry(fact))


def _duplicate(turns: Turns, effect: DuplicateProposed, entry: LogEntry) -> None:
    record = HistoryRecord(entry_id(entry.entry), "duplicate_proposed", entry.at, (effect,))
    turns.duplicates.append(encode_record(record))


def _case(turns: Turns, effect: CaseOpened, entry: LogEntry) -> None:
    record = HistoryRecord(entry_id(entry.entry), turns.player, entry.at, (effect,))
    turns.cases.append((effect.id, encode_record(record)))


def _case_closed(turns: Turns, effect: CaseClosed, _: LogEntry) -> None:
    turns.cases.append((effect.id, b""))


def _choice(turns: Turns, effect: ChoiceEnded | ChoiceCounted, _: LogEntry) -> None:
    turns.sums += counted(effect)


def _entered(turns: Turns, effect: JourneyEntered, entry: LogEntry) -> None:
    visit = entry.entry
    if isinstance(visit, Visited) and effect.journey == visit.ref:
        turns.entered.append(visit.walk)


_ADD: dict[type, Callable[[Turns, Any, LogEntry], None]] = {
    Posting: _posting,
    Redeemed: _redeemed,
    FactTold: _fact,
    DuplicateProposed: _duplicate,
    CaseOpened: _case,
    CaseClosed: _case_closed,
    ChoiceEnded: _choice,
    ChoiceCounted: _choice,
    JourneyEntered: _entered,
}
