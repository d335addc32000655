"""One value of every stored kind, all fields set. The bytes kept of them are in ``test_stored_formats``."""

from msgspec import structs

from domain.choices import Choices, OpenChoice, OwnSums
from domain.dispatch import Dispatch
from domain.effects import (
    AchievementReached,
    Answered,
    ChoiceCounted,
    ChoiceEnded,
    Chose,
    CompletionClaimed,
    CompletionExpired,
    ConsentChanged,
    DuplicateLate,
    DuplicateProposed,
    FactTold,
    Forwarded,
    HistoryRecord,
    IdentityLinked,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    LevelChanged,
    MessageReceipt,
    MessageRequested,
    MessageWithdrawn,
    MissionCompleted,
    MissionProgressed,
    MissionStatus,
    PatternChanged,
    Posting,
    ProfileMerged,
    Scored,
    SegmentEntered,
    SegmentLeft,
    SetAside,
    TraitsChanged,
)
from domain.entries import (
    Asked,
    BeliefsPublished,
    ChannelChanged,
    Command,
    Entry,
    Event,
    Fact,
    KeyClaimed,
    Landed,
    MergeAsked,
    Merged,
    MergeRefused,
    MessageRequest,
    ModelPublished,
    ProgrammePublished,
    ReadingAsked,
    Receipt,
    Reviewed,
    TimerFired,
    Visited,
    WalkAsked,
    Withdrawn,
)
from domain.features import Buys, Faded, Features, Messages, Spread
from domain.habits import Course, Habits, Hours, Session
from domain.player import (
    Balance,
    Enrolment,
    Identity,
    JourneyRecord,
    Metric,
    MissionProgress,
    Profile,
    Progress,
    Score,
    Scores,
    Segments,
)

FULL_REQUEST = MessageRequest(
    "ada",
    "req_05_ac",
    "welcome",
    "promo",
    ("email",),
    5,
    9,
    {"title": "Hi"},
    60,
    "group",
    "m1",
    {"email": {"subject": "Hi"}},
    "casino",
    "journeys/welcome#1",
    {"event": "deposit_completed"},
    True,
)

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
    "event of 0.2": Event(
        "ada",
        "m1",
        "bet_placed",
        1_772_452_800_000,
        {"amount": 5},
        {},
        {},
        "track",
        "",
        "key1",
        (("traits.phone", "+380 ... to E.164"),),
        "anon:a1",
        "anon:a2",
    ),
    "visited": Visited("ada", "campaign:7", "journey", "campaigns/sale", {"local": True}),
    "full_request": FULL_REQUEST,
    "asked": Asked("ada", (FULL_REQUEST,)),
    "withdrawn": Withdrawn("ada", "goal_met", ("req_05_ab",), "journeys/welcome#1", "m1"),
    "receipt": Receipt("ada", "req_05_ab", "email", "bounced", 7, "mailbox_full", "mail", "m1"),
    "reviewed": Reviewed("ada", "req_05_ab", True, "key1", "fine", "cmd:1"),
    "channel": ChannelChanged("sms", False, "provider_down", 9, 7, ""),
    "walk": WalkAsked("campaign:7", "journey", "campaigns/sale", "segments/vips", 600, {"local": True}, True, ""),
    "reading": ReadingAsked("ada", "read_ab", "m1", 7, "My [name] is", "uk", "reader", "m1"),
    "merge_asked": MergeAsked("anon:a1", "ada", "m1", "anon:a2"),
    "merged": Merged("ada", "anon:a1", {"profile": b"\x90"}, "m1"),
    "merge_refused": MergeRefused("ada", "anon:a1", "bob", "m1"),
    "model": ModelPublished(3, 9, ""),
    "beliefs": BeliefsPublished(9, ""),
    "landed": Landed("ada", "req_05_ab", "sent", "in_app", 7),
    "telling request": structs.replace(FULL_REQUEST, tells=True),
    "key_claimed": KeyClaimed("key:email:ab", "ada", {"name": "Ada"}, "m1"),
}

PARTS = {
    "profile": Profile({"name": "Ada", "age": 36}, "Europe/Lisbon", "pt-BR", 1, 2),
    "wallet": {"points": Balance(5, 2**53)},
    "metrics": {"m": Metric(((20_000, 5), (20_001, 2.5)), (("slots", 20_001),))},
    "missions": {"m": MissionProgress("in_progress", 20_000, {"bets": 3}, 9, 7, 2, (("m.1", 6, 0),), 8)},
    "progress": Progress({"a": (10, 1)}, {"main": "gold"}, {"e": (20_000, 12)}),
    "air": {"excluded": True},
    "segments": Segments({"vips": 5}, {"silent": 9}, 9, 7),
    "journeys": {
        "welcome": JourneyRecord(
            2,
            3,
            4,
            "goal",
            Enrolment(
                2, 7, "wait", 3, 4, 5, 6, {"verified": 4}, (8, 9), ("help",), 2, 1, {"amount": 5}, "m1", "s#1", 5, True
            ),
        )
    },
    "features": Features(
        9,
        1,
        2,
        2**63 + 1,
        3,
        4,
        1,
        -5.5,
        2.25,
        6.5,
        Spread(2, 9.5, 0.5),
        10,
        11,
        Spread(1, 5.5, 0.0),
        Spread(3, 1.5, 0.25),
        Faded(2, 1.0, 2.0, 4.0),
        Faded(2, 0.5, 1.5, 3.5),
        Faded(2, 60.0, 90.5, 100.0),
        Faded(2, 1.5, 1.5, 1.5),
        Faded(2, 5.25, 5.25, 5.25),
        Faded(1, 2.5, 2.5, 2.5),
        Faded(1, 1.0, 1.0, 1.0),
        Faded(1, 20.0, 20.0, 20.0),
        Faded(1, 10.0, 10.0, 10.0),
        Faded(1, 1.0, 1.0, 1.0),
        Faded(1, 7.5, 7.5, 7.5),
        0.5,
        -0.25,
        2**63 + 5,
    ),
    "choices": Choices(
        (
            OpenChoice(
                "winback",
                "cashback",
                "journeys/winback/1/2",
                5,
                9,
                250_000,
                "floor",
                (1_500_000, -3),
                "req_05_ab",
                "0a1b2c3d",
                "template",
                500_000,
            ),
        ),
        {"winback": OwnSums("0a1b2c3d", 4, {"cashback": (3, 1_500_000)})},
        9,
    ),
    "habits": Habits(
        Session(1, 2, 3, 4, 1.5, 5, 7_200_000, 2.5),
        Course(8.0, 3.5, 0.5, 1.25, 1.0, 4.5, 0.25, 4.25),
        Course(4.0, 1.5, 0.25),
        Hours((0, 4, 8), 0.75, (3,)),
        (60, 1, 513),
    ),
    "scores": Scores({"churn": Score(0.75, 0.5, (("recency", 0.25),), 3, 7)}, 9),
    "identity": Identity("", 0, ("anon:a1",), {"anon:a1": "merged"}, ("d1",), {"email": "key:email:ab"}, {"x": {}}),
}

GROWN_FEATURES = structs.replace(  # with fields that were added at the end; ``PARTS`` has them as they were before
    PARTS["features"],
    buys=Buys(3, 1, 2, 70.25),
    messages=Messages(Faded(2, 1.0, 2.0, 4.0), Faded(1, 0.5, 1.0, 1.5), (7, 2**32 - 1)),
)

CRM_RECORD = HistoryRecord(
    "m1",
    "bet_placed",
    1_772_452_800_000,
    (
        SegmentEntered("vips", "time"),
        SegmentLeft("new", "removed"),
        JourneyEntered("welcome", 2, 7, "segment", ("basket",)),
        JourneyStepped("welcome", 2, "hi", "skipped", "goal_already_met", "w", "verified"),
        JourneyEnded("welcome", 2, "goal", "w", "event"),
        TraitsChanged({"tier": "gold"}, "journeys/welcome/mark"),
        IdentityLinked("anon:a1"),
        ProfileMerged("anon:a1", ""),
        Forwarded("ada"),
        DuplicateProposed("ada", "bob", 0.75, ("email", "name")),
    ),
)

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

DISPATCH = Dispatch(
    "req_05_ab", "ada", "email", "promo", "welcome", {"subject": "Hi"}, 5, 6, 9, ("email", "email:1f"),
    "journeys/welcome#1", "1f", 3,
)  # fmt: skip

TOWER_RECORD = HistoryRecord(
    "m1",
    "consent_changed",
    5,
    (
        ConsentChanged("casino/email", True, 5, "preference_centre", "wording-3", True),
        MessageWithdrawn("goal_met", ("req_05_ab",), "journeys/welcome#1"),
        MessageReceipt("req_05_ab", "email", "bounced", "mailbox_full"),
    ),
)

MODEL_RECORD = HistoryRecord(
    "m1",
    "bet_placed",
    1_772_452_800_000,
    (
        Scored("churn", 0.75, 3, 0.5, 0.25, (("recency", 0.25),), {"churn": 0.75, "engagement": 2.5}),
        PatternChanged("session_length", "single", {"seconds": 7_200.0, "usual": 1_200.0, "z": 3.5}),
    ),
)

CHOICE_RECORD = HistoryRecord(
    "m1",
    "deposit_completed",
    5,
    (
        Chose(
            "winback", "cashback", "journeys/winback/1/2", "floor", 250_000, ("cashback", "nothing"), 7,
            (1_500_000, -3), "0a1b2c3d", "node",
        ),
        ChoiceEnded(
            "winback", "cashback", "journeys/winback/1/2", "void", 500_000, "floor", 250_000, (1_500_000, -3),
            "0a1b2c3d", "not_sent",
        ),
        ChoiceCounted(
            "winback", "cashback", "journeys/winback/1/2", "rewarded", 500_000, "floor", 250_000, (1_500_000, -3),
            "0a1b2c3d",
        ),
    ),
)  # fmt: skip
