"""The frames of the player's socket, one type each: what ``api.frames`` sends and ``/asyncapi.json`` says.

A member that a frame has only sometimes is ``UNSET`` by default and then left out. ``Told`` are deltas: each has its
``cursor``, and when and by which entry it came about.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

Rewards = list[dict[str, Any]]


class Told(Struct, kw_only=True, tag_field="type"):
    """What happened to the player."""

    cursor: str = ""  # set when it is sent
    at: str | None = None  # RFC 3339
    event_id: str | UnsetType = UNSET  # of the event, command or timer that caused it


class Points(Told, tag="points"):
    """A balance changed."""

    currency: str
    amount: int
    balance: int
    rule: str


class Credit(Told, tag="credit"):
    """What was earned is not on the balance: it comes later, or passes the currency's limit of a day."""

    status: Literal["pending", "limited"]
    currency: str
    amount: int
    rule: str
    available_at: str | UnsetType | None = UNSET
    limit: int | UnsetType = UNSET


class Mission(Told, tag="mission"):
    """A task moved, or the status changed."""

    mission: str
    status: str
    task: str | UnsetType = UNSET
    actual: int | UnsetType = UNSET
    expected: int | UnsetType = UNSET
    completion_id: str | UnsetType = UNSET
    claim: str | UnsetType = UNSET
    claim_until: str | UnsetType | None = UNSET


class Reward(Told, tag="reward"):
    """The rewards of a completion were claimed or expired; a reward waits for its budget, or is refused."""

    status: Literal["claimed", "expired", "waiting", "refused"]
    mission: str | UnsetType = UNSET
    completion_id: str | UnsetType = UNSET
    rule: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    rewards: Rewards | UnsetType = UNSET
    instead: Rewards | UnsetType = UNSET  # given in its place


class Achievement(Told, tag="achievement"):
    """A stage was reached."""

    achievement: str
    stage: int
    threshold: int


class Level(Told, tag="level"):
    """A level was entered; ``down``: the player fell to it."""

    system: str
    level: str
    previous: str | None
    down: bool = False


class Segment(Told, tag="segment"):
    """A segment was entered or left; only segments that say ``visible: true``."""

    segment: str
    entered: bool


class Streak(Told, tag="streak"):
    """A day or week was counted or missed, or freezes came or went."""

    streak: str
    status: Literal["counted", "missed", "freezes"]
    count: int | UnsetType = UNSET  # afterwards
    best: int | UnsetType = UNSET
    before: int | UnsetType = UNSET
    freezes: int | UnsetType = UNSET  # held afterwards
    change: int | UnsetType = UNSET


class Quest(Told, tag="quest"):
    """A mission of a quest was completed, or all of them."""

    quest: str
    status: Literal["in_progress", "completed"]
    mission: str | UnsetType = UNSET
    done: int | UnsetType = UNSET
    of: int | UnsetType = UNSET


class Tournament(Told, tag="tournament"):
    """The player is in a run or not, the run is over, or a place was paid."""

    tournament: str
    run: str
    status: str  # registered, pending, refused, cancelled, finished, prize
    board: str | UnsetType = UNSET
    tier: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    score: float | UnsetType = UNSET
    rank: int | UnsetType = UNSET


class Leaderboard(Told, tag="leaderboard"):
    """The player's own score on a board changed; ranks are read from the board."""

    board: str
    score: float
    tournament: str | None
    run: str | None


class Purchase(Told, tag="purchase"):
    """An item was asked for, granted, failed or was refunded."""

    purchase: str
    item: str
    status: str
    amount: int
    reason: str | None
    price: dict[str, Any] | None


class Play(Told, tag="play"):
    """A play of a mini-game was drawn, acknowledged or failed."""

    play: str
    minigame: str
    status: str
    prize: str | None
    draw: str | None
    acknowledge_by: str | None


class Draw(Told, tag="draw"):
    """Something was drawn for the player: with the seed, once it is shown, this proves the result."""

    id: str
    of: str
    ref: str
    number: int
    commitment: str
    client_seed: str
    nonce: int
    result: str


class Seed(Told, tag="seed"):
    """A seed is used no more, and shown."""

    of: str
    ref: str
    number: int
    seed: str
    commitment: str


class Spins(Told, tag="spins"):
    """Spins of a mini-game were given, or taken back."""

    minigame: str
    amount: int
    held: int
    rule: str


class Raffle(Told, tag="raffle"):
    """Tickets were given or taken back, or a ticket won."""

    raffle: str
    status: str  # tickets, or of a win: won, claimed, expired
    run: str | UnsetType = UNSET
    amount: int | UnsetType = UNSET
    held: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    win: str | UnsetType = UNSET
    prize: str | UnsetType = UNSET
    ticket: int | UnsetType = UNSET
    until: str | UnsetType | None = UNSET


class Jackpot(Told, tag="jackpot"):
    """The player hit a pot."""

    jackpot: str
    pot: int
    currency: str
    amount: int
    paid: bool


class Rollback(Told, tag="rollback"):
    """A round or transaction was rolled back: what its events had moved is as if they had not come."""

    status: str
    events: list[str]
    changed: list[str]  # missions/ten-bets, runs/race@7 ...: to be read anew
    debts: dict[str, int]  # currency -> how far the balance is below zero


class Notification(Told, tag="notification"):
    """A message that the control tower has cleared."""

    message_id: str
    template: str
    purpose: str
    title: str
    body: str
    action: dict[str, Any] | None
    expires_at: str | None


# --- what is not part of the feed -------------------------------------------------------------------------------------


class Welcome(Struct, tag_field="type", tag="welcome"):
    """The answer to hello."""

    player_id: str
    cursor: str


class Resync(Struct, tag_field="type", tag="resync"):
    """The cursor is too old, or not one of ours: the whole state, as ``GET /v1/me`` gives it."""

    cursor: str
    state: dict[str, Any]


class Accepted(Struct, tag_field="type", tag="accepted"):
    """An event that the client sent is in the log."""

    event_id: str
    duplicate: bool


class Error(Struct, tag_field="type", tag="error"):
    """What the client said could not be taken."""

    code: str
    detail: str
    id: str | None = None
    path: str | None = None


# --- what a client says -----------------------------------------------------------------------------------------------


class Hello(Struct, tag_field="type", tag="hello"):
    """First of all: who it is, and from where to go on."""

    token: str
    cursor: str | None = None


class Ack(Struct, tag_field="type", tag="ack"):
    """Everything up to here was handled."""

    cursor: str


class Seen(Struct, tag_field="type", tag="seen"):
    """The player saw a notification; the first counts."""

    message_id: str


class Clicked(Struct, tag_field="type", tag="clicked"):
    """The player followed a notification; the first counts."""

    message_id: str


class Dismissed(Struct, tag_field="type", tag="dismissed"):
    """The player waved a notification away; the first counts."""

    message_id: str


class Track(Struct, tag_field="type", tag="track", rename="camel"):
    """An event, as ``POST /v1/track``; only those that the programme marks ``client: true``."""

    event: str
    message_id: str
    properties: dict[str, Any] = field(default_factory=dict)
    timestamp: str | UnsetType = UNSET


DELTAS: tuple[type[Told], ...] = (
    Points,
    Credit,
    Mission,
    Reward,
    Achievement,
    Level,
    Segment,
    Streak,
    Quest,
    Tournament,
    Leaderboard,
    Purchase,
    Play,
    Draw,
    Seed,
    Spins,
    Raffle,
    Jackpot,
    Rollback,
    Notification,
)
FROM_SERVER: tuple[type[Struct], ...] = (Welcome, *DELTAS, Resync, Accepted, Error)
FROM_CLIENT: tuple[type[Struct], ...] = (Hello, Ack, Seen, Clicked, Dismissed, Track)
