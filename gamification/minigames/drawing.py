"""To play a wheel, a scratch card or a gift box: an attempt and its price are taken, a prize is drawn and proved."""

import re
from typing import Any

from domain.effects import Answered
from domain.entries import KeeperAnswered
from domain.game_effects import Drawn
from domain.games import Games
from domain.ids import keeper_id
from domain.player import Ask
from gamification import asking
from gamification.fairness.maths import Table, commitment_of, drawn, without
from gamification.fairness.proof import draw_id, seed_of
from gamification.ledger import give_back, hold, redeem
from gamification.minigames import attempts, calendars, keeper, plays, seeds
from gamification.minigames.plays import Pending
from gamification.minigames.rules import MinigameRule
from gamification.terms import Terms
from gamification.working import Turn

THEN = "minigame_reserved"
CLIENT_SEED = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def play(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Play once.

    Refused, in this order: no such game; a client seed that is none; not active; not in its audience; too many plays
    or asks that wait; nothing to draw today; no attempts left; not enough to pay. What is refused costs nothing.
    """
    game = plays.rule_of(turn, args.get("minigame"))
    if game is None:
        return Answered("minigame_not_found")
    client_seed = args.get("client_seed")
    if client_seed is not None and not (isinstance(client_seed, str) and CLIENT_SEED.fullmatch(client_seed)):
        return Answered("invalid_arguments", "expected a client_seed of 1 to 64 of A-Z a-z 0-9 _ . -")
    if code := _refused(turn, game):
        return Answered(code)
    zone = attempts.zone_of(game, turn.zone, turn.rules.timezone)
    return calendars.open_cell(turn, game, zone) if game.type == "calendar" else _play(turn, game, zone, client_seed)


def _refused(turn: Turn, game: MinigameRule) -> str:
    """Return why nobody may play now, whatever the attempts; "" if they may."""
    games: Games = turn.part("games")
    if not game.starts_at <= turn.at < game.until:
        return "minigame_not_active"
    if game.audience is not None and not game.audience(turn):
        return "not_in_audience"
    if sum(one.status in plays.WAITING for one in games.plays) >= plays.OPEN_MAX:
        return "too_many_open_plays"
    return "" if asking.may_ask(turn) else "too_many_asks"


def _play(turn: Turn, game: MinigameRule, zone: str, client_seed: str | None) -> Answered | None:
    table = game.table(turn.at, turn.rules.timezone)
    if not table:
        return Answered("no_prizes_today")
    before: Games = turn.part("games")
    if (taken := attempts.taken(before, game, turn.at, zone)) is None:
        return Answered("no_attempts", data={"next_at": attempts.next_at(before, game, turn.at, zone) or None})
    games, spin = taken
    currency, amount = ("", 0) if spin else game.price  # a spin was given: it costs nothing
    terms: Terms = ()
    if amount:
        code, terms = hold(turn, currency, amount, f"minigames/{game.id}", game.version)
        if code != "ok":
            return Answered(code)
    turn.set_part("games", games)
    epoch, nonce, mine = seeds.use(turn, game.id, zone, client_seed)
    own = {"actor": turn.player, "epoch": epoch, "nonce": nonce, "client_seed": mine}
    paid = {"spin": spin, "price": [currency, amount]} | ({"terms": [list(row) for row in terms]} if terms else {})
    return _draw(turn, plays.begun(turn, game, table) | own | paid | {"out": []})


def on_reserved(turn: Turn, asked: Ask, answer: KeeperAnswered) -> Answered | None:
    """Go on with what the prizes' keeper answered: it is the player's, or another is drawn from the rest."""
    pending, prize = asked.data, asked.data["drawn"]
    if answer.code == "ok":
        return _won(turn, pending, prize)
    return _draw(turn, pending | {"out": [*pending["out"], prize]})


def _draw(turn: Turn, pending: Pending) -> Answered | None:
    """Draw from what is not out; a prize of which there are only so many is asked for first."""
    table = without(_table(pending), pending["out"])
    if not table:
        return _failed(turn, pending)
    prize = drawn(table, _seed(turn, pending), pending["client_seed"], pending["nonce"], len(pending["out"]))
    if not next(row[2] for row in pending["prizes"] if row[0] == prize):
        return _won(turn, pending, prize)
    plays.wait(turn, pending)
    name = keeper_id(keeper.KIND, pending["game"])
    asking.ask(turn, name, keeper.RESERVE, THEN, {"prize": prize}, pending | {"drawn": prize})
    return None


def _won(turn: Turn, pending: Pending, prize: str) -> Answered:
    """Write the draw down with what proves it, and keep its outcome."""
    number = sum(isinstance(effect, Drawn) for effect in turn.effects)
    draw = Drawn(
        draw_id(turn.offset, number, turn.player),
        "minigames",
        pending["game"],
        pending["actor"],
        pending["epoch"],
        commitment_of(_seed(turn, pending)),
        pending["client_seed"],
        pending["nonce"],
        prize,
        tuple(_table(pending)),
        tuple(pending["out"]),
        {"play": pending["play"]},
    )
    turn.effects.append(draw)
    currency, amount = pending["price"]
    if amount:
        redeem(turn, currency, amount, f"minigames/{pending['game']}", pending["version"])
    return plays.settle(turn, pending, prize, draw.id)


def _failed(turn: Turn, pending: Pending) -> Answered:
    """Give back what the play took: all that could be drawn is out."""
    games = attempts.given_back(turn.part("games"), pending["game"], spin=pending["spin"])
    turn.set_part("games", games)
    currency, amount = pending["price"]
    if amount:
        terms = tuple((int(at), int(part)) for at, part in pending.get("terms", ()))
        name = f"minigames/{pending['game']}"
        give_back(turn, currency, amount, name, pending["version"], "prizes_out", terms=terms)
    plays.fail(turn, pending)
    return Answered("prizes_out")


def _table(pending: Pending) -> Table:
    return tuple((str(row[0]), int(row[1])) for row in pending["prizes"])


def _seed(turn: Turn, pending: Pending) -> bytes:
    return seed_of(turn.draws, "minigames", pending["game"], pending["actor"], pending["epoch"])
