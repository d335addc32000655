"""What a player has of jackpots: a toll to the shared pot, a personal pot, and what a hit pays.

The operator funds both: nothing is taken from the player. What is paid comes from the account ``jackpot``.
"""

from msgspec.structs import replace

from domain.entries import Event, KeeperAnswered
from domain.game_effects import Drawn, JackpotPaid
from domain.games import Games
from domain.ids import keeper_id
from domain.step import Toll, UniqueKey
from gamification.fairness.proof import draw_id, revealed, seed_of
from gamification.jackpots import pots
from gamification.jackpots.keeper import KIND
from gamification.jackpots.rules import JackpotRule
from gamification.ledger import post
from gamification.rewards import ask_for_message, local_text
from gamification.working import Turn

ACCOUNT = "jackpot"


def contribute(rule: JackpotRule, turn: Turn, event: Event) -> None:
    """Add what an event contributes."""
    if rule.where is not None and not rule.where(turn):
        return
    if rule.audience is not None and not rule.audience(turn):
        return
    if micros := rule.contribution(event):
        if rule.personal:
            _grow(turn, rule, micros)
        else:
            turn.tolls.append(Toll(keeper_id(KIND, rule.id), micros, turn.cause))


def on_won(turn: Turn, told: KeeperAnswered) -> None:
    """Take what the keeper says was won, once."""
    data = told.data
    turn.keys.append(UniqueKey(f"jackpots/{told.id}", turn.cause))
    _pay(turn, data["jackpot"], data["pot"], data["currency"], data["amount"], data["version"], data["draw"])


def _grow(turn: Turn, rule: JackpotRule, micros: int) -> None:
    games: Games = turn.part("games")
    pot = games.pots.get(rule.id) or pots.first(rule)
    seed = seed_of(turn.draws, "jackpots", rule.id, turn.player, pot.number)
    after, paid = pots.contributed(rule, pot, seed, micros, turn.player, turn.cause)
    turn.set_part("games", replace(games, pots=games.pots | {rule.id: after}))
    if paid is not None:
        number = sum(isinstance(effect, Drawn) for effect in turn.effects)
        draw = pots.proved(rule, paid, draw_id(turn.offset, number, turn.player), turn.player, seed)
        turn.effects += [draw, revealed(turn.draws, "jackpots", rule.id, turn.player, pot.number)]
        turn.keys.append(UniqueKey(f"jackpots/{rule.id}/{pot.number}@{turn.player}", turn.cause))
        _pay(turn, rule.id, pot.number, pot.currency, paid.amount, rule.version, draw.id)


def _pay(turn: Turn, jackpot: str, pot: int, currency: str, amount: int, version: int, draw: str) -> None:
    is_paid = not amount or post(turn, currency, amount, f"jackpots/{jackpot}", version, ACCOUNT) == "ok"
    turn.effects.append(JackpotPaid(jackpot, pot, currency, amount, draw, is_paid))
    rules: dict[str, JackpotRule] = turn.rules.rooms.get("jackpots") or {}
    if (rule := rules.get(jackpot)) is not None:
        name = local_text(rule.name, turn.profile.locale, jackpot)
        said = {"id": jackpot, "name": name, "currency": currency, "amount": amount}
        ask_for_message(turn, rule.message, f"jackpots/{jackpot}/{pot}", {"jackpot": said})
