"""What the rooms of the game caused (``domain.effects`` has the rest).

One section for each room; fields are only added at the end.
"""

from typing import Any

from msgspec import Struct


class AskedKeeper(Struct, frozen=True, gc=False, tag="asked_keeper", tag_field="kind", array_like=True):
    """A shared thing was asked for; what it answers comes as a turn of its own."""

    id: str
    keeper: str
    op: str


# store


class Redeemed(Struct, frozen=True, gc=False, tag="redeemed", tag_field="kind", array_like=True):
    """What was held for a purchase is given for good: it moves between accounts, the player's balance stays."""

    currency: str
    amount: int
    rule: str  # rewards/<item>
    rule_version: int = 0
    source: str = "held"
    account: str = "redeemed"


class PurchaseChanged(Struct, frozen=True, gc=False, tag="purchase", tag_field="kind", array_like=True):
    """An item was asked for, is on its way, was granted, failed or was refunded (``domain.shop.Purchase.status``)."""

    purchase: str
    item: str
    status: str
    reason: str = ""
    amount: int = 1
    currency: str = ""
    price: int = 0


# budgets


class RewardWaiting(Struct, frozen=True, gc=False, tag="reward_waiting", tag_field="kind", array_like=True):
    """A reward waits, in order, until its budget has room."""

    rule: str
    budget: str
    rewards: tuple[tuple[str, str, int], ...] = ()  # kind, what, amount


class RewardRefused(Struct, frozen=True, gc=False, tag="reward_refused", tag_field="kind", array_like=True):
    """A reward is not given; ``instead`` is what was given in its place."""

    rule: str
    reason: str  # budget_spent, sold_out, too_many_asks, item_not_found, amount_out_of_range
    budget: str = ""
    rewards: tuple[tuple[str, str, int], ...] = ()
    instead: tuple[tuple[str, str, int], ...] = ()


class BudgetAlert(Struct, frozen=True, gc=False, tag="budget_alert", tag_field="kind", array_like=True):
    """A budget has reached a share of its amount; told by its keeper, once each in a period."""

    budget: str
    percent: int
    spent: int  # what is reserved counts
    amount: int
    period: int = 0  # local day, week or month number; 0: the budget has none


# chance: fairness, mini-games, raffles, jackpots


class Drawn(Struct, frozen=True, gc=False, tag="drawn", tag_field="kind", array_like=True):
    """Something was drawn, with all that proves it but the seed (docs/gamification/fairness.md)."""

    id: str
    of: str  # minigames, raffles, jackpots
    ref: str  # id of the document
    scope: str  # whose seed: a player's id; "": everybody's
    number: int  # of the seed: epoch, run, pot
    commitment: str  # SHA-256 of the seed, in hex
    client_seed: str
    nonce: int
    result: str
    table: tuple[tuple[str, int], ...] = ()  # outcomes and their weights, in order
    out: tuple[str, ...] = ()  # drawn before and out of stock, in order: each was left out of the next draw
    facts: dict[str, Any] = {}


class SeedRevealed(Struct, frozen=True, gc=False, tag="seed_revealed", tag_field="kind", array_like=True):
    """A seed is used no more: whoever noted its commitment can check every draw of it."""

    of: str
    ref: str
    scope: str
    number: int
    seed: str  # hex
    commitment: str


class PlayChanged(Struct, frozen=True, gc=False, tag="play", tag_field="kind", array_like=True):
    """A play of a mini-game was drawn, acknowledged (its prize is given) or failed (it is given back)."""

    play: str
    minigame: str
    status: str
    prize: str = ""
    draw: str = ""  # id of the draw that decided it; "": nothing was drawn (a calendar's cell)
    acknowledge_by: int = 0  # ms


class SpinsChanged(Struct, frozen=True, gc=False, tag="spins", tag_field="kind", array_like=True):
    """Spins of a mini-game were given, or taken back by a rollback; a play tells of the one that it uses itself."""

    minigame: str
    amount: int  # what was added: less than was to be given where the most is held
    held: int  # afterwards
    rule: str = ""  # missions/welcome, rollback/..., merged


class TicketsChanged(Struct, frozen=True, gc=False, tag="tickets", tag_field="kind", array_like=True):
    """Tickets of a raffle were given, or taken back because the run's list is full."""

    raffle: str
    run: str
    amount: int
    held: int  # afterwards
    reason: str = ""  # list_full


class WinChanged(Struct, frozen=True, gc=False, tag="win", tag_field="kind", array_like=True):
    """A ticket won: the prize waits for its claim, was given, or expired."""

    win: str
    raffle: str
    prize: str
    ticket: int
    status: str
    until: int = 0  # ms


class TicketsListed(Struct, frozen=True, gc=False, tag="tickets_listed", tag_field="kind", array_like=True):
    """A part of a run's list, frozen: who held how many tickets, in the order of their numbers."""

    raffle: str
    run: str
    part: int
    hash: str  # SHA-256 of the rows
    rows: tuple[tuple[str, int], ...] = ()


class JackpotPaid(Struct, frozen=True, gc=False, tag="jackpot", tag_field="kind", array_like=True):
    """A pot was hit by this player."""

    jackpot: str
    pot: int
    currency: str
    amount: int  # whole units
    draw: str = ""
    is_paid: bool = True  # False: it would pass the ledger's bound; a person must pay


# streaks


class StreakCounted(Struct, frozen=True, gc=False, tag="streak_counted", tag_field="kind", array_like=True):
    """A day or week was counted; ``late``: by an event older than the newest that counted."""

    streak: str
    count: int
    best: int
    cycle: int  # local day or week number that was counted last
    late: bool = False


class StreakMissed(Struct, frozen=True, gc=False, tag="streak_missed", tag_field="kind", array_like=True):
    """Cycles were missed that no freeze covered: the streak ended (``after`` is 0) or decayed."""

    streak: str
    before: int
    after: int


class StreakFreezes(Struct, frozen=True, gc=False, tag="streak_freezes", tag_field="kind", array_like=True):
    """Freezes were bought or earned, used, or given back by a late event."""

    streak: str
    change: int
    held: int


# currencies


class CreditPending(Struct, frozen=True, gc=False, tag="credit_pending", tag_field="kind", array_like=True):
    """What was earned is not available yet; it is posted when it is."""

    currency: str
    amount: int
    available_at: int  # ms
    rule: str


class CreditLimited(Struct, frozen=True, gc=False, tag="credit_limited", tag_field="kind", array_like=True):
    """What would pass the currency's daily limit is not given."""

    currency: str
    amount: int  # not given
    limit: int  # of a day
    rule: str


# quests


class QuestProgressed(Struct, frozen=True, gc=False, tag="quest_progressed", tag_field="kind", array_like=True):
    """A mission of a quest was completed."""

    quest: str
    mission: str
    done: int
    of: int


class QuestCompleted(Struct, frozen=True, gc=False, tag="quest_completed", tag_field="kind", array_like=True):
    """All missions of a quest are done; its rewards follow in this turn."""

    quest: str


# tournaments


class TournamentJoined(Struct, frozen=True, gc=False, tag="tournament_joined", tag_field="kind", array_like=True):
    """The player is in a run of a tournament, or (``status`` pending) waits for an operator."""

    tournament: str
    run: str
    status: str  # registered, pending
    board: str = ""
    tier: str = ""


class TournamentRefused(Struct, frozen=True, gc=False, tag="tournament_refused", tag_field="kind", array_like=True):
    """The player is not in the run, or no more: full, closed, withdrawn, rejected ..."""

    tournament: str
    run: str
    reason: str


class TournamentCancelled(Struct, frozen=True, gc=False, tag="tournament_cancelled", tag_field="kind", array_like=True):
    """The run does not take place; what was paid came back."""

    tournament: str
    run: str
    reason: str  # too_few_players, cancelled (by an operator), not_configured


class TournamentFinished(Struct, frozen=True, gc=False, tag="tournament_finished", tag_field="kind", array_like=True):
    """The run's final table stands. ``tier`` is the one of the next run, where there are tiers."""

    tournament: str
    run: str
    score: float
    tier: str = ""


class LeaderboardMoved(Struct, frozen=True, gc=False, tag="leaderboard", tag_field="kind", array_like=True):
    """The player's score on a board changed; the rank is the board's to say."""

    board: str
    score: float
    version: int
    tournament: str = ""
    run: str = ""


class PrizeWon(Struct, frozen=True, gc=False, tag="prize_won", tag_field="kind", array_like=True):
    """A place in the final table was paid."""

    tournament: str
    run: str
    rank: int
    score: float


# rollback


class RolledBack(Struct, frozen=True, gc=False, tag="rolled_back", tag_field="kind", array_like=True):
    """A round or transaction was rolled back: what its events had moved is as if they had not come."""

    by: str  # id of the event that said so
    key: str  # properties.round_id=r-7
    status: str  # done, waiting (none of its events came yet), void (this turn's event came after, to no effect)
    events: tuple[str, ...] = ()  # ids of those without effect now
    changed: tuple[str, ...] = ()  # what differs now: missions/ten-bets, metrics/bets_7d, runs/race@7 ...
    debts: dict[str, int] = {}  # currency -> how far the balance is below zero


class CaseOpened(Struct, frozen=True, gc=False, tag="case_opened", tag_field="kind", array_like=True):
    """Something that only a person can put right."""

    id: str
    about: str  # rollback_too_late, rollback_without_id, rollback_not_repeatable, not_undone, written_off
    detail: str
    events: tuple[str, ...] = ()


class CaseClosed(Struct, frozen=True, gc=False, tag="case_closed", tag_field="kind", array_like=True):
    """A case is over: a person has seen to it, or (``by`` is empty) it solved itself."""

    id: str
    resolution: str
    by: str = ""
    note: str = ""


GameEffect = (
    AskedKeeper
    | Redeemed
    | PurchaseChanged
    | RewardWaiting
    | RewardRefused
    | BudgetAlert
    | Drawn
    | SeedRevealed
    | PlayChanged
    | SpinsChanged
    | TicketsChanged
    | WinChanged
    | TicketsListed
    | JackpotPaid
    | CreditPending
    | CreditLimited
    | StreakCounted
    | StreakMissed
    | StreakFreezes
    | QuestProgressed
    | QuestCompleted
    | TournamentJoined
    | TournamentRefused
    | TournamentCancelled
    | TournamentFinished
    | LeaderboardMoved
    | PrizeWon
    | RolledBack
    | CaseOpened
    | CaseClosed
)
