"""What the rooms of the game store, and its bytes (``stored`` and ``test_stored_formats`` have the rest)."""

from typing import Any

from domain.effects import Effect, HistoryRecord
from domain.entries import (
    Barrier,
    BarrierPassed,
    BoardFrozen,
    Contributed,
    Entry,
    GrantAsked,
    KeeperAnswered,
    KeeperAsked,
)
from domain.game_effects import (
    AskedKeeper,
    BudgetAlert,
    CaseClosed,
    CaseOpened,
    CreditLimited,
    CreditPending,
    Drawn,
    JackpotPaid,
    LeaderboardMoved,
    PlayChanged,
    PrizeWon,
    PurchaseChanged,
    QuestCompleted,
    QuestProgressed,
    Redeemed,
    RewardRefused,
    RewardWaiting,
    RolledBack,
    SeedRevealed,
    SpinsChanged,
    StreakCounted,
    StreakFreezes,
    StreakMissed,
    TicketsChanged,
    TicketsListed,
    TournamentCancelled,
    TournamentFinished,
    TournamentJoined,
    TournamentRefused,
    WinChanged,
)
from domain.games import Games, Play, Pot, SeedUse, Win
from domain.player import Ask, Asks
from domain.runs import RunRecord
from domain.shop import Bought, Purchase, Shop
from domain.streaks import QuestProgress, Streak, Walked

GAME_ENTRIES: dict[str, tuple[Entry, str]] = {
    "keeper_asked": (
        KeeperAsked("keeper:stock:mug", "ada", "5-0#0@ada", "reserve", {"amount": 1}, "gw1", "cmd:1"),
        (
            "98ac6b65657065725f61736b6564b06b65657065723a73746f636b3a6d7567a3616461a9352d30233040616461a77265"
            "736572766581a6616d6f756e7401a3677731a5636d643a31"
        ),
    ),
    "keeper_answered": (
        KeeperAnswered("ada", "keeper:stock:mug", "5-0#0@ada", "reserve", "sold_out", {"left": 0}, "gw1", "cmd:1"),
        (
            "99af6b65657065725f616e737765726564a3616461b06b65657065723a73746f636b3a6d7567a9352d30233040616461"
            "a772657365727665a8736f6c645f6f757481a46c65667400a3677731a5636d643a31"
        ),
    ),
    "grant_asked": (
        GrantAsked("ada", "pur_YWRh_1", "platform", {"item": "mug"}, 9, "cmd:1"),
        (
            "97ab6772616e745f61736b6564a3616461aa7075725f595752685f31a8706c6174666f726d81a46974656da36d756709"
            "a5636d643a31"
        ),
    ),
    "contributed": (
        Contributed("keeper:jackpot:daily", (("ada", 5, "m1"),), "m1"),
        ("94ab636f6e7472696275746564b46b65657065723a6a61636b706f743a6461696c799193a361646105a26d31a26d31"),
    ),
    "barrier": (
        Barrier("keeper:tournament:race@7", "ends", ""),
        ("94a762617272696572b86b65657065723a746f75726e616d656e743a726163654037a4656e6473a0"),
    ),
    "barrier_passed": (
        BarrierPassed("keeper:tournament:race@7", "ends", 3, 32, "m1"),
        ("96ae626172726965725f706173736564b86b65657065723a746f75726e616d656e743a726163654037a4656e64730320a26d31"),
    ),
    "board_frozen": (
        BoardFrozen("keeper:tournament:race@7", "race@7", 2, (("ada", 5.5, 7),), "m1"),
        (
            "96ac626f6172645f66726f7a656eb86b65657065723a746f75726e616d656e743a726163654037a67261636540370291"
            "93a3616461cb401600000000000007a26d31"
        ),
    ),
}

GAME_PARTS: dict[str, tuple[Any, str]] = {
    "asks": (
        Asks({"5-0#0@ada": Ask("keeper:stock:mug", "reserve", "bought", {"item": "mug"}, 7)}, {"4-0#0@ada": "5-0"}),
        (
            "9281a9352d3023304061646195b06b65657065723a73746f636b3a6d7567a772657365727665a6626f7567687481a469"
            "74656da36d75670781a9342d30233040616461a3352d30"
        ),
    ),
    "kept": ({"left": 7}, ("81a46c65667407")),
    "streaks": (
        {
            "daily": Streak(
                3,
                9,
                20_000,
                2,
                ((20_000, 1, 1),),
                Walked(2, 1, 19_999, 19_998, 19_999, 2),
                ((19_998, 3),),
                "UTC",
                7,
                "day/2/None",
                2,
            )
        },
        (
            "81a56461696c799b0309cd4e20029193cd4e200101960201cd4e1fcd4e1ecd4e1f029192cd4e1e03a355544307aa6461"
            "792f322f4e6f6e6502"
        ),
    ),
    "quests": ({"tour": QuestProgress("completed", 1, 7, ("m",))}, ("81a4746f757294a9636f6d706c65746564010791a16d")),
    "runs": (
        {"race@7": RunRecord("scoring", "race@7", 3, 5.5, 7, 9, 2, 60, 1, 4, 1.5, 2.5, "gems", 10, 1, "gold", "full")},
        (
            "81a6726163654037dc0011a773636f72696e67a672616365403703cb40160000000000000709023c0104cb3ff8000000"
            "000000cb4004000000000000a467656d730a01a4676f6c64a466756c6c"
        ),
    ),
    "shop": (
        Shop(
            (Purchase("p1", "mug", "granted", 7, "points", 50, "why", 2, "missions/m", 3, True, 9, 8, (("gems", 5),)),),
            {"mug": Bought(2, (20_000, 1), (2_857, 2), (660, 2))},
        ),
        (
            "92919ea27031a36d7567a76772616e74656407a6706f696e747332a377687902aa6d697373696f6e732f6d03c3090891"
            "92a467656d730581a36d7567940292cd4e200192cd0b290292cd029402"
        ),
    ),
    "games": (
        Games(
            {"wheel": 2},
            {"wheel": (20_000, 1)},
            (Play("5-0@ada", "wheel", "drawn", "gems", 7, (("currency", "gems", 5),), 2, 9),),
            {"monthly@7": 3},
            {"wheel": SeedUse(2, 20_000, 3, "clover")},
            (Win("monthly@7/0", "monthly", "car", 42, "won", 9, (("item", "car", 1),), 2),),
            {"mine": Pot(1, 7_500_000, 5_000_000, 4, "points", 10, 20, 6)},
            {"advent": (20_000, 20_001)},
        ),
        (
            "9881a5776865656c0281a5776865656c92cd4e20019198a7352d3040616461a5776865656ca5647261776ea467656d73"
            "079193a863757272656e6379a467656d7305020981a96d6f6e74686c7940370381a5776865656c9402cd4e2003a6636c"
            "6f7665729198ab6d6f6e74686c7940372f30a76d6f6e74686c79a36361722aa3776f6e099193a46974656da363617201"
            "0281a46d696e659801ce007270e0ce004c4b4004a6706f696e74730a140681a6616476656e7492cd4e20cd4e21"
        ),
    ),
}

GAME_EFFECTS: dict[str, tuple[Effect, str]] = {  # as the only effect of a record
    "asked_keeper": (
        AskedKeeper("5-0#0@ada", "keeper:stock:mug", "reserve"),
        (
            "94a26d31aa6265745f706c61636564059194ac61736b65645f6b6565706572a9352d30233040616461b06b6565706572"
            "3a73746f636b3a6d7567a772657365727665"
        ),
    ),
    "redeemed": (
        Redeemed("points", 50, "rewards/mug", 3),
        (
            "94a26d31aa6265745f706c61636564059197a872656465656d6564a6706f696e747332ab726577617264732f6d756703"
            "a468656c64a872656465656d6564"
        ),
    ),
    "purchase": (
        PurchaseChanged("p1", "mug", "failed", "sold_out", 1, "points", 50),
        (
            "94a26d31aa6265745f706c61636564059198a87075726368617365a27031a36d7567a66661696c6564a8736f6c645f6f"
            "757401a6706f696e747332"
        ),
    ),
    "reward_waiting": (
        RewardWaiting("missions/m", "welcome", (("currency", "points", 5),)),
        (
            "94a26d31aa6265745f706c61636564059194ae7265776172645f77616974696e67aa6d697373696f6e732f6da777656c"
            "636f6d659193a863757272656e6379a6706f696e747305"
        ),
    ),
    "reward_refused": (
        RewardRefused("missions/m", "budget_spent", "welcome", (("currency", "points", 5),), (("item", "mug", 1),)),
        (
            "94a26d31aa6265745f706c61636564059196ae7265776172645f72656675736564aa6d697373696f6e732f6dac627564"
            "6765745f7370656e74a777656c636f6d659193a863757272656e6379a6706f696e7473059193a46974656da36d756701"
        ),
    ),
    "budget_alert": (
        BudgetAlert("welcome", 80, 800, 1000, 20_000),
        ("94a26d31aa6265745f706c61636564059196ac6275646765745f616c657274a777656c636f6d6550cd0320cd03e8cd4e20"),
    ),
    "drawn": (
        Drawn(
            "5-0.0@ada",
            "minigames",
            "wheel",
            "ada",
            2,
            "ab12",
            "clover",
            3,
            "gems",
            (("gems", 3), ("none", 9)),
            ("mug",),
            {"pot": 7},
        ),
        (
            "94a26d31aa6265745f706c6163656405919da5647261776ea9352d302e3040616461a96d696e6967616d6573a5776865"
            "656ca361646102a461623132a6636c6f76657203a467656d739292a467656d730392a46e6f6e650991a36d756781a370"
            "6f7407"
        ),
    ),
    "seed_revealed": (
        SeedRevealed("raffles", "monthly", "", 7, "cd", "ab12"),
        (
            "94a26d31aa6265745f706c61636564059197ad736565645f72657665616c6564a7726166666c6573a76d6f6e74686c79"
            "a007a26364a461623132"
        ),
    ),
    "play": (
        PlayChanged("5-0@ada", "wheel", "drawn", "gems", "5-0.0@ada", 9),
        (
            "94a26d31aa6265745f706c61636564059197a4706c6179a7352d3040616461a5776865656ca5647261776ea467656d73"
            "a9352d302e304061646109"
        ),
    ),
    "spins": (
        SpinsChanged("wheel", -2, 3, "rollback/r1"),
        ("94a26d31aa6265745f706c61636564059195a57370696e73a5776865656cfe03ab726f6c6c6261636b2f7231"),
    ),
    "tickets": (
        TicketsChanged("monthly", "7", -2, 3, "list_full"),
        ("94a26d31aa6265745f706c61636564059196a77469636b657473a76d6f6e74686c79a137fe03a96c6973745f66756c6c"),
    ),
    "win": (
        WinChanged("monthly@7/0", "monthly", "car", 42, "won", 9),
        ("94a26d31aa6265745f706c61636564059197a377696eab6d6f6e74686c7940372f30a76d6f6e74686c79a36361722aa3776f6e09"),
    ),
    "tickets_listed": (
        TicketsListed("monthly", "7", 3, "ab12", (("ada", 5), ("bob", 1))),
        (
            "94a26d31aa6265745f706c61636564059196ae7469636b6574735f6c6973746564a76d6f6e74686c79a13703a4616231"
            "329292a36164610592a3626f6201"
        ),
    ),
    "jackpot": (
        JackpotPaid("daily", 3, "points", 10_007, "5-0.1@keeper:jackpot:daily", False),
        (
            "94a26d31aa6265745f706c61636564059197a76a61636b706f74a56461696c7903a6706f696e7473cd2717ba352d302e"
            "31406b65657065723a6a61636b706f743a6461696c79c2"
        ),
    ),
    "credit_pending": (
        CreditPending("gems", 5, 7, "earn-rules/bets"),
        (
            "94a26d31aa6265745f706c61636564059195ae6372656469745f70656e64696e67a467656d730507af6561726e2d7275"
            "6c65732f62657473"
        ),
    ),
    "credit_limited": (
        CreditLimited("gems", 5, 10, "earn-rules/bets"),
        (
            "94a26d31aa6265745f706c61636564059195ae6372656469745f6c696d69746564a467656d73050aaf6561726e2d7275"
            "6c65732f62657473"
        ),
    ),
    "streak_counted": (
        StreakCounted("daily", 3, 9, 20_000, late=True),
        ("94a26d31aa6265745f706c61636564059196ae73747265616b5f636f756e746564a56461696c790309cd4e20c3"),
    ),
    "streak_missed": (
        StreakMissed("daily", 9, 7),
        ("94a26d31aa6265745f706c61636564059194ad73747265616b5f6d6973736564a56461696c790907"),
    ),
    "streak_freezes": (
        StreakFreezes("daily", -1, 1),
        ("94a26d31aa6265745f706c61636564059194ae73747265616b5f667265657a6573a56461696c79ff01"),
    ),
    "quest_progressed": (
        QuestProgressed("tour", "m", 1, 3),
        ("94a26d31aa6265745f706c61636564059195b071756573745f70726f67726573736564a4746f7572a16d0103"),
    ),
    "quest_completed": (
        QuestCompleted("tour"),
        ("94a26d31aa6265745f706c61636564059192af71756573745f636f6d706c65746564a4746f7572"),
    ),
    "tournament_joined": (
        TournamentJoined("race", "7", "registered", "race@7/c1-2", "silver"),
        (
            "94a26d31aa6265745f706c61636564059196b1746f75726e616d656e745f6a6f696e6564a472616365a137aa72656769"
            "737465726564ab7261636540372f63312d32a673696c766572"
        ),
    ),
    "tournament_refused": (
        TournamentRefused("race", "7", "full"),
        ("94a26d31aa6265745f706c61636564059194b2746f75726e616d656e745f72656675736564a472616365a137a466756c6c"),
    ),
    "tournament_cancelled": (
        TournamentCancelled("race", "7", "too_few_players"),
        (
            "94a26d31aa6265745f706c61636564059194b4746f75726e616d656e745f63616e63656c6c6564a472616365a137af74"
            "6f6f5f6665775f706c6179657273"
        ),
    ),
    "tournament_finished": (
        TournamentFinished("race", "7", 5.5, "gold"),
        (
            "94a26d31aa6265745f706c61636564059195b3746f75726e616d656e745f66696e6973686564a472616365a137cb4016"
            "000000000000a4676f6c64"
        ),
    ),
    "leaderboard": (
        LeaderboardMoved("race@7", 5.5, 3, "race", "7"),
        (
            "94a26d31aa6265745f706c61636564059196ab6c6561646572626f617264a6726163654037cb401600000000000003a4"
            "72616365a137"
        ),
    ),
    "prize_won": (
        PrizeWon("race", "7", 1, 5.5),
        ("94a26d31aa6265745f706c61636564059195a97072697a655f776f6ea472616365a13701cb4016000000000000"),
    ),
    "rolled_back": (
        RolledBack("m9", "properties.round_id=r7", "done", ("m1", "m2"), ("missions/m", "metrics/bets"), {"points": 5}),
        (
            "94a26d31aa6265745f706c61636564059197ab726f6c6c65645f6261636ba26d39b670726f706572746965732e726f75"
            "6e645f69643d7237a4646f6e6592a26d31a26d3292aa6d697373696f6e732f6dac6d6574726963732f6265747381a670"
            "6f696e747305"
        ),
    ),
    "case_opened": (
        CaseOpened("case_1", "not_undone", "reserve was asked", ("m1",)),
        (
            "94a26d31aa6265745f706c61636564059195ab636173655f6f70656e6564a6636173655f31aa6e6f745f756e646f6e65"
            "b172657365727665207761732061736b656491a26d31"
        ),
    ),
    "case_closed": (
        CaseClosed("case_1", "adjusted", "rena", "by hand"),
        (
            "94a26d31aa6265745f706c61636564059195ab636173655f636c6f736564a6636173655f31a861646a7573746564a472"
            "656e61a762792068616e64"
        ),
    ),
}


def record_of(effect: Effect) -> HistoryRecord:
    """Return the record that the bytes of an effect are of."""
    return HistoryRecord("m1", "bet_placed", 5, (effect,))
