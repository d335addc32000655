"""Simulated players for ``playtower demo``, drawn from 2,713 real ones (``examples/data/casino_players.csv``, CC0).

Taken from a real player: how often they come (sessions), how long they stay (rounds a session: log-normal through
their mean and median), what they stake (their least, mean and largest stake on the real game's ladder of stakes) and
how often and how much they win. Made up: names, games, deposits, and the order in which players come. Every event
says ``context.simulated: true``.

``Casino`` is pure: the same seed gives the same events. ``run`` gives them times and ids and posts them.
"""

import asyncio
import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from math import exp, log, sqrt
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import httpx
import msgspec

from actors.clock import SystemClock, new_id

DATA = Path(__file__).resolve().parent.parent / "examples" / "data" / "casino_players.csv"
VIPS = 4
CASHIER_LEFT = 0.1  # share of visits to the cashier that end without a deposit, and the session with them
VOIDED = 0.003  # share of rounds that the house takes back, stake and payout
STAKES = (25, 50, 100, 150, 200, 250, 500, 1000, 1500, 2000)  # minor units: the real game's, .25 to 20
CURRENCY = "EUR"
BATCH_MAX = 200

_GAMES = (
    ("amber-river", "slots", 30),
    ("night-harbour", "slots", 25),
    ("seven-lanterns", "slots", 20),
    ("blackjack-classic", "table", 8),
    ("european-roulette", "table", 8),
    ("live-roulette", "live", 6),
    ("live-baccarat", "live", 3),
)
_GAME_WEIGHTS = [weight for _, _, weight in _GAMES]
_PLACES = (  # locale, zone, country, first names, weight
    ("uk-UA", "Europe/Kyiv", "UA", ("Oksana", "Taras", "Solomiia", "Andrii", "Olena", "Bohdan"), 24),
    ("en-GB", "Europe/London", "GB", ("Grace", "Oliver", "Amelia", "Harry", "Isla", "George"), 20),
    ("de-DE", "Europe/Berlin", "DE", ("Lena", "Jonas", "Mia", "Felix", "Emma", "Paul"), 12),
    ("en-CA", "America/Toronto", "CA", ("Chloe", "Liam", "Zoe", "Noah"), 10),
    ("ru-KZ", "Asia/Almaty", "KZ", ("Aigerim", "Timur", "Dana", "Ruslan"), 10),
    ("pl-PL", "Europe/Warsaw", "PL", ("Zofia", "Jakub", "Hanna", "Kacper"), 8),
    ("en-IN", "Asia/Kolkata", "IN", ("Ananya", "Rohan", "Diya", "Kabir"), 8),
    ("pt-BR", "America/Sao_Paulo", "BR", ("Beatriz", "Caio", "Helena", "Davi"), 8),
)
_PLACE_WEIGHTS = [place[4] for place in _PLACES]
_DEVICES = ("mobile", "mobile", "mobile", "desktop", "tablet")
_METHODS = ("card", "card", "bank_transfer", "wallet")
_TOPICS = ("payout", "bonus", "login", "game")
WORDS = {  # what is written to support, by language: one who is angry, two who ask
    "en": (
        "Where is my payout? I have been waiting for three days, this is disgusting!",
        "Hello, how do I change my phone number?",
        "When will the bonus be on my account?",
    ),
    "uk": (
        "Де моя виплата?! Третій день чекаю, це знущання!",
        "Добрий день, як змінити номер телефону?",
        "Коли бонус буде на рахунку?",
    ),
    "ru": (
        "Где моя выплата?! Третий день жду, это издевательство!",
        "Добрый день, как изменить номер телефона?",
        "Когда бонус будет на счете?",
    ),
}
_DEPOSITS = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class RealPlayer:
    """A line of the data. Money in minor units, ``win_prob`` as a share."""

    group: str
    sessions: int
    rounds_mean: float
    rounds_median: float
    bet_min: int
    bet_mean: float
    bet_max: int
    win_prob: float
    win_mean: float  # net gain of a round won; 0 when none was


def read_players(path: Path = DATA) -> list[RealPlayer]:
    """Read the real players."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            RealPlayer(
                group=row["group"],
                sessions=int(row["sessions"]),
                rounds_mean=float(row["rounds_per_session_mean"]),
                rounds_median=float(row["rounds_per_session_median"]),
                bet_min=round(float(row["bet_min"]) * 100),
                bet_mean=float(row["bet_mean"]) * 100,
                bet_max=round(float(row["bet_max"]) * 100),
                win_prob=float(row["win_prob"] or 0) / 100,
                win_mean=float(row["win_mean"] or 0) * 100,
            )
            for row in csv.DictReader(file)
        ]


def stake_weights(player: RealPlayer) -> tuple[tuple[int, ...], list[float]]:
    """Return the stakes a player uses and how often: of all such distributions with the real mean, the most even.

    That is the one whose weights rise or fall by a constant power, found by bisection.
    """
    stakes = tuple(s for s in STAKES if player.bet_min <= s <= player.bet_max) or (player.bet_min,)
    low, high = -50.0, 50.0
    mean = min(max(player.bet_mean, stakes[0]), stakes[-1])
    weights = [1.0] * len(stakes)
    for _ in range(60):
        tilt = (low + high) / 2
        # Anchored at the end the tilt prefers, so that no exponent is above 0.
        anchor = stakes[-1] if tilt > 0 else stakes[0]
        weights = [exp(tilt * (s - anchor) / 100) for s in stakes]
        if sum(w * s for w, s in zip(weights, stakes, strict=True)) < mean * sum(weights):
            low = tilt
        else:
            high = tilt
    return stakes, weights


@dataclass(slots=True)
class Simulated:
    """A simulated player and where they are in their session."""

    id: str
    real: RealPlayer
    traits: dict[str, Any]
    stakes: tuple[int, ...]
    stake_weights: list[float]
    wallet: int = 0
    known: bool = False  # has signed up before
    case: str = ""  # an open support case
    cases: int = 0
    rounds: int = 0  # since the day began
    came_at: int = 0  # rounds before this session
    plan: list[dict[str, Any]] = field(default_factory=list)  # what comes next, last first
    rounds_left: int = 0
    game: tuple[str, str] = ("", "")


Emitted = dict[
    str, Any
]  # userId or anonymousId, type, event, properties, traits, context: an event without its time and id


class Casino:
    """An endless stream of events of many players, some of them in a session at any moment.

    Args:
        players: How many, the four VIPs included.
        seed: Who the players are, and with ``day`` what they do.
        newcomers: The players sign up at their first session; False for a store that knows them already.
    """

    def __init__(
        self,
        seed: int,
        players: int,
        *,
        day: str = "first",
        newcomers: bool = True,
        real: Sequence[RealPlayer] = (),
    ) -> None:
        self._rng = Random(f"cast:{seed}")
        self._day = day
        lines = list(real) or read_players()
        self.players = self._cast(lines, max(players, VIPS), newcomers)
        self._rng = Random(f"day:{seed}:{day}")
        # As in the data some come a hundred times as often as others; a VIP is always about.
        visits = [player.real.sessions + 1 for player in self.players]
        busiest = max(visits)
        self._visits = list(accumulate(busiest if i < VIPS else v for i, v in enumerate(visits)))
        self._voids = Random(f"voids:{seed}:{day}")  # of its own, so that who comes is the same
        self._here: list[Simulated] = []
        self._here_max = max(VIPS + 2, len(self.players) // 5)

    def __iter__(self) -> Iterator[Emitted]:
        while True:
            yield self.next_event()

    def next_event(self) -> Emitted:
        """Return the next event: a step of one of those who are in."""
        while len(self._here) < min(self._here_max, len(self.players)):
            self._welcome()
        place = self._rng.randrange(len(self._here))
        player = self._here[place]
        if not player.plan:
            self._play_on(player)
        event = player.plan.pop()
        if not player.plan and player.rounds_left == 0:
            self._here[place] = self._here[-1]
            self._here.pop()
        return event

    def _cast(self, lines: list[RealPlayer], players: int, newcomers: bool) -> list[Simulated]:
        """Choose real lines for the players. The VIPs are among the one in fifty who staked most."""
        rng = self._rng
        ranked = sorted(lines, key=lambda p: p.sessions * p.rounds_mean * p.bet_mean, reverse=True)
        vips = rng.sample(ranked[: max(VIPS, len(ranked) // 50)], VIPS) if len(ranked) >= VIPS else ranked * VIPS
        others = rng.sample(lines, min(players - VIPS, len(lines)))
        others += rng.choices(lines, k=players - VIPS - len(others))
        cast = []
        for i, real in enumerate([*vips[:VIPS], *others]):
            stakes, weights = stake_weights(real)
            locale, zone, country, names, _ = rng.choices(_PLACES, _PLACE_WEIGHTS)[0]
            traits = {
                "first_name": rng.choice(names),
                "locale": locale,
                "timezone": zone,
                "country": country,
                "birthday": f"{rng.randint(1955, 2004)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
                "vip": i < VIPS,
                "simulated": True,
            }
            player_id = f"vip-{i + 1}" if i < VIPS else f"player-{i - VIPS + 1:04}"
            cast.append(Simulated(player_id, real, traits, stakes, weights, known=not newcomers))
        return cast

    def _welcome(self) -> None:
        """Let one who is not in come in, with what happens before the first round."""
        rng = self._rng
        here = {player.id for player in self._here}
        player = rng.choices(self.players, cum_weights=self._visits)[0]
        while player.id in here:
            player = rng.choice(self.players)
        real = player.real
        # A log-normal whose median and mean are the player's own.
        median = max(1.0, real.rounds_median)
        sigma = sqrt(2 * max(0.0, log(max(real.rounds_mean, median) / median)))
        player.rounds_left = max(1, round(rng.lognormvariate(log(median), sigma)))
        name, kind, _ = rng.choices(_GAMES, _GAME_WEIGHTS)[0]
        player.game = (name, kind)
        player.came_at = player.rounds
        steps = [_identify(player)]
        if not player.known:
            player.known = True
            # Newcomers look around first; what they did then becomes theirs when they sign up.
            steps = [_looked_around(player), _identify(player, anonymous=_device(player))]
            steps.append(_track(player, "signed_up", country=player.traits["country"]))
        steps.append(_track(player, "logged_in", device=rng.choice(_DEVICES)))
        steps.append(_track(player, "page_viewed", page="lobby"))
        if player.case and rng.random() < 0.7:
            steps.append(_track(player, "support_case_solved", case_id=player.case))
            player.case = ""
        elif not player.case and rng.random() < 0.02:
            player.cases += 1
            player.case = f"{player.id}-case-{player.cases}"
            opened = {"case_id": player.case, "topic": rng.choice(_TOPICS), **_written(player)}
            steps.append(_track(player, "support_case_opened", **opened))
        steps.append(self._opened(player))
        player.plan = steps[::-1]
        self._here.append(player)

    def _play_on(self, player: Simulated) -> None:
        """Plan the next round: a deposit before it when the wallet is too light, the leaving after the last one."""
        rng = self._rng
        steps: list[Emitted] = []
        if rng.random() < 0.01:
            name, kind, _ = rng.choices(_GAMES, _GAME_WEIGHTS)[0]
            player.game = (name, kind)
            steps.append(self._opened(player))
        stake = rng.choices(player.stakes, player.stake_weights)[0]
        if player.wallet < stake:
            wanted = max(stake, 40 * player.real.bet_mean)
            amount = next((deposit for deposit in _DEPOSITS if deposit >= wanted), _DEPOSITS[-1])
            steps.append(_track(player, "page_viewed", page="cashier"))
            if rng.random() < CASHIER_LEFT:
                player.rounds_left = 0
                steps.append(_track(player, "session_ended", rounds=player.rounds - player.came_at))
                player.plan = steps[::-1]
                return
            player.wallet += amount
            steps.append(
                _track(player, "deposit_completed", amount=amount, currency=CURRENCY, method=rng.choice(_METHODS))
            )
        steps += self._round(player, stake)
        player.rounds_left -= 1
        if player.rounds_left == 0:
            if player.wallet > 200 * player.real.bet_mean and player.wallet > _DEPOSITS[0]:
                amount = player.wallet // 2
                player.wallet -= amount
                steps.append(_track(player, "withdrawal_requested", amount=amount, currency=CURRENCY))
            steps.append(_track(player, "session_ended", rounds=player.rounds - player.came_at))
        player.plan = steps[::-1]

    def _round(self, player: Simulated, stake: int) -> list[Emitted]:
        rng, real = self._rng, player.real
        player.rounds += 1
        won = rng.random() < real.win_prob
        # The real net gain a win, as a multiple of the stake: its mean is the player's, its tail is long.
        ratio = real.win_mean / real.bet_mean if real.bet_mean else 0.0
        payout = stake + round(stake * ratio * rng.expovariate(1.0)) if won else 0
        player.wallet += payout - stake
        game, kind = player.game
        round_id = f"{self._day}:{player.id}:{player.rounds}"
        about = {"currency": CURRENCY, "game": game, "game_type": kind, "round_id": round_id}
        settled = {"payout": payout, "result": "win" if won else "loss", "multiplier": round(payout / stake, 2)}
        steps = [
            _track(player, "bet_placed", amount=stake, **about),
            _track(player, "bet_settled", amount=stake, **settled, **about),
        ]
        if self._voids.random() < VOIDED:
            player.wallet += stake - payout
            steps += [
                _track(player, "bet_settled", amount=stake, status="rollback", **settled, **about),
                _track(player, "bet_placed", amount=stake, status="rollback", **about),
            ]
        return steps

    def _opened(self, player: Simulated) -> Emitted:
        game, kind = player.game
        return _track(player, "game_opened", game=game, game_type=kind)


def _written(player: Simulated) -> dict[str, str]:
    """Return what the player writes to support, in their language; of other languages nothing."""
    words = WORDS.get(player.traits["locale"][:2])
    return {"text": words[crc32(player.case.encode()) % len(words)]} if words else {}


def _track(player: Simulated, name: str, **properties: Any) -> Emitted:
    return {
        "type": "track",
        "userId": player.id,
        "event": name,
        "properties": properties,
        "context": {"simulated": True},
    }


def _device(player: Simulated) -> str:
    return f"browser-of-{player.id}"


def _looked_around(player: Simulated) -> Emitted:
    return {
        "type": "track",
        "anonymousId": _device(player),
        "event": "page_viewed",
        "properties": {"page": "lobby"},
        "context": {"simulated": True},
    }


def _identify(player: Simulated, anonymous: str = "") -> Emitted:
    return {
        "type": "identify",
        "userId": player.id,
        **({"anonymousId": anonymous} if anonymous else {}),
        "traits": player.traits,
        "context": {"simulated": True, "timezone": player.traits["timezone"], "locale": player.traits["locale"]},
    }


# --- posting -----------------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """What the run has sent so far; the caller may read it while it runs."""

    events: int = 0
    rejected: int = 0
    retries: int = 0


async def run(
    url: str,
    key: str,
    *,
    rate: float = 100.0,
    players: int = 400,
    seed: int = 7,
    stop: asyncio.Event,
    client: httpx.AsyncClient | None = None,
    sent: Sent | None = None,
    clock: SystemClock | None = None,
) -> Sent:
    """Post simulated events at about ``rate`` a second until ``stop`` is set.

    One request is in flight at a time, so a player's events stay in order. A refused batch (429, 503, no connection)
    is posted again after ``Retry-After``, under the same message ids.

    Raises:
        httpx.HTTPStatusError: the engine refused for good (a wrong key).
    """
    sent = sent if sent is not None else Sent()
    if client is None:
        async with httpx.AsyncClient(timeout=15) as own:
            await _run(_Poster(own, url, key, stop, sent), rate, players, seed, clock or SystemClock())
    else:
        await _run(_Poster(client, url, key, stop, sent), rate, players, seed, clock or SystemClock())
    return sent


async def _run(poster: "_Poster", rate: float, players: int, seed: int, clock: SystemClock) -> None:
    known = await poster.knows("vip-1")
    run_id = new_id("sim-")
    # The same people, but another day when they were here before.
    casino = Casino(seed, players, day=run_id if known else "first", newcomers=not known)
    sizes = Random(f"sizes:{seed}")
    number = 0
    due = time.perf_counter()
    while not poster.stopped:
        size = min(BATCH_MAX, 1 + int(sizes.expovariate(1.0) * min(max(2.0, rate / 8), 50.0)))
        at = _iso(clock.now_ms())
        batch = []
        for _ in range(size):
            number += 1
            batch.append({**casino.next_event(), "messageId": f"{run_id}:{number}", "timestamp": at})
        await poster.post(batch)
        # Behind by more than a second (the engine was away): the lost time is not made up for.
        due = max(due + size / rate, time.perf_counter() - 1.0)
        await poster.pause(due - time.perf_counter())


class _Poster:
    def __init__(self, client: httpx.AsyncClient, url: str, key: str, stop: asyncio.Event, sent: Sent) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._stop = stop
        self._sent = sent

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    async def knows(self, player: str) -> bool:
        """Tell whether the engine has seen the player: an earlier run on the same data directory."""
        with suppress(httpx.TransportError):
            answer = await self._client.get(f"{self._url}/v1/players/{player}", headers=self._headers)
            return answer.status_code == 200
        return False

    async def post(self, batch: list[dict[str, Any]]) -> None:
        body = _encode({"batch": batch})
        delay = 0.25
        while not self.stopped:
            pause = delay
            try:
                answer = await self._client.post(f"{self._url}/v1/batch", content=body, headers=self._headers)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 200:
                    self._sent.events += len(batch)
                    with suppress(ValueError, AttributeError):
                        self._sent.rejected += len(answer.json().get("rejected") or ())
                    return
                if answer.status_code != 429 and answer.status_code < 500:
                    answer.raise_for_status()
                after = answer.headers.get("Retry-After", "")
                pause = float(after) if after.isdigit() else delay
            self._sent.retries += 1
            delay = min(delay * 2, 5.0)
            await self.pause(pause)

    async def pause(self, seconds: float) -> None:
        """Wait, but not through a stop."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
