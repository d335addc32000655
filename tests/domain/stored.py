"""One value of every stored kind, all fields set. The bytes kept of them are in ``test_stored_formats``."""

from domain.effects import (
    AchievementReached,
    Answered,
    CompletionClaimed,
    CompletionExpired,
    DuplicateLate,
    FactTold,
    HistoryRecord,
    LevelChanged,
    MessageRequested,
    MissionCompleted,
    MissionProgressed,
    MissionStatus,
    Posting,
    SetAside,
)
from domain.entries import Command, Entry, Event, Fact, MessageRequest, ProgrammePublished, TimerFired
from domain.player import Balance, Metric, MissionProgress, Profile, Progress

ENTRIES: dict[str, Entry] = {
    "event": Event(
        "ada",
        "m1",
        "bet_placed",
        1_772_452_800_000,
        {"amount": 5, "live": True},
        {"vip": True},
        {"locale": "pt"},
        "track",
        "gw1",
        "key1",
    ),
    "command": Command("ada", "cmd:1", "adjust", {"currency": "points", "amount": -5}, "gw1", "key1"),
    "timer": TimerFired("ada", "mission_expires", "ten-bets", 1_772_452_800_000, 3),
    "programme": ProgrammePublished(7, ""),
    "request": MessageRequest(
        "ada", "req_05_ab", "well-done", "reward", ("in_app", "push"), 1, 2, {"title": "Hi"}, 60, "group", "m1"
    ),
    "fact": Fact("ada", "excluded", True, 5, "m1"),
}

PARTS = {
    "profile": Profile({"name": "Ada", "age": 36}, "Europe/Lisbon", "pt-BR", 1, 2),
    "wallet": {"points": Balance(5, 2**53)},
    "metrics": {"m": Metric(((20_000, 5), (20_001, 2.5)), (("slots", 20_001),))},
    "missions": {"m": MissionProgress("in_progress", 20_000, {"bets": 3}, 9, 7, 2, (("m.1", 6, 0),), 8)},
    "progress": Progress({"a": (10, 1)}, {"main": "gold"}, {"e": (20_000, 12)}),
    "air": {"excluded": True},
}

RECORD = HistoryRecord(
    "m1",
    "bet_placed",
    1_772_452_800_000,
    (
        Posting("points", 5, 10, "adjustment", 7, "adjusted", "why"),
        MissionProgressed("m", "bets", 3, 10, 2),
        MissionStatus("m", "expired", 2),
        MissionCompleted("m", "m.2", 2, "manual", 99, 11),
        CompletionClaimed("m", "m.2"),
        CompletionExpired("m", "m.1"),
        AchievementReached("a", 1, 100),
        LevelChanged("main", "gold", "silver"),
        Answered("ok", "done", {"balance": 10}),
        MessageRequested("req_05_ab", "well-done", "reward"),
        FactTold("excluded", True),
        DuplicateLate("ada|missions/m|2"),
        SetAside("boom"),
    ),
)
