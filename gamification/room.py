"""What a room of the game brings: its kinds of configuration, and what it does in a turn.

Streaks, tournaments, the store, mini-games ... each live in a package of their own and are entered by one ``Room``;
``gamification.rooms`` lists them. The rules in ``gamification`` itself (points, missions, levels) know none of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from domain.conditions import Condition
from domain.effects import Answered
from domain.entries import Entry, Event, KeeperAnswered, TimerFired, Visited
from domain.player import Ask, Snapshot
from gamification.keeping import Keeper
from gamification.references import Documents, Models
from gamification.rules import Reward, Rules
from gamification.working import Turn

Mover = Callable[[Turn, Event], None]
Completed = Callable[[Turn, int], None]  # the turn, ms of event time


@dataclass(frozen=True, slots=True)
class Sources:
    """What a room compiles from: all models of the version, by kind and id."""

    version: int
    models: Models
    segments: Mapping[str, Condition]
    documents: Documents
    timezone: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A room's part of a programme version."""

    value: Any = None  # ``rules.rooms[<room's name>]``
    movers: Mapping[str, tuple[Mover, ...]] = field(default_factory=dict)  # by event name: what an event moves
    completed: Mapping[str, tuple[Completed, ...]] = field(default_factory=dict)  # by mission: who hears it is done


@dataclass(frozen=True, slots=True)
class Room:
    """One room; what it has nothing of is left out.

    Attributes:
        kinds: Models of its kinds of configuration.
        prepare: Returns the models with what its documents say of those of other kinds; asked before all else, so
            names in them may be of nothing.
        errors: What is wrong between documents: lines ``kind/id: path: what was expected, what came``.
        compile: Its part of a version; asked only when nothing is wrong.
        commands: By name (``Command.name``): answers one.
        timers: By kind (``TimerFired.kind``).
        answers: By ``Ask.then``: goes on with what a keeper answered.
        told: By ``KeeperAnswered.op``: what a keeper tells unasked.
        visits: By kind (``Visited.kind``): what a walk does with each player.
        givers: By a reward's kind.
        keepers: By the keeper's kind: takes its turns.
        settle: Runs in every player's turn that the game has a part in, after rewards and before levels.
        hand_over: The profile ends and joins the player of that id.
        join: Another profile joins this one.
        view: What a player is shown: name of the field -> value.
    """

    name: str
    kinds: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    prepare: Callable[[Models], Models] | None = None
    errors: Callable[[Sources], Iterable[str]] | None = None
    compile: Callable[[Sources], Compiled] | None = None
    commands: Mapping[str, Callable[[Turn, dict[str, Any]], Answered | None]] = field(default_factory=dict)
    timers: Mapping[str, Callable[[Turn, TimerFired], None]] = field(default_factory=dict)
    answers: Mapping[str, Callable[[Turn, Ask, KeeperAnswered], Answered | None]] = field(default_factory=dict)
    told: Mapping[str, Callable[[Turn, KeeperAnswered], None]] = field(default_factory=dict)
    visits: Mapping[str, Callable[[Turn, Visited], None]] = field(default_factory=dict)
    givers: Mapping[str, Callable[[Turn, Reward, str, int], None]] = field(default_factory=dict)
    keepers: Mapping[str, Callable[[Keeper, Entry], None]] = field(default_factory=dict)
    settle: Callable[[Turn], None] | None = None
    hand_over: Callable[[Turn, str], None] | None = None
    join: Callable[[Turn, Snapshot], None] | None = None
    view: Callable[[Rules, Snapshot, int], dict[str, Any]] | None = None
