"""Postings: the double-entry ledger of a player's currencies.

Every posting moves ``amount`` between a named account (``issued`` for what is earned, ``adjusted`` for what a person
changed) and the player, so each account's sum is minus what it gave. Amounts are integers within 2**53.
"""

from typing import Literal

from domain.effects import Posting
from domain.player import Balance
from gamification.rules import AMOUNT_MAX
from gamification.working import Turn

Outcome = Literal["ok", "insufficient_balance", "amount_out_of_range"]
_NOTHING = Balance()


def post(
    turn: Turn, currency: str, amount: int, rule: str, version: int, account: str = "issued", reason: str = ""
) -> Outcome:
    """Move ``amount`` to the player (from, if negative), or refuse and change nothing.

    Only credits raise ``lifetime``. A balance falls below zero only where the currency allows it.
    """
    held = turn.wallet.get(currency, _NOTHING)
    balance = held.balance + amount
    lifetime = held.lifetime + amount if amount > 0 else held.lifetime
    if not -AMOUNT_MAX <= balance <= AMOUNT_MAX or lifetime > AMOUNT_MAX:
        return "amount_out_of_range"
    if balance < 0 and amount < 0 and not turn.rules.currencies.get(currency, False):
        return "insufficient_balance"
    turn.set_balance(currency, Balance(balance, lifetime))
    turn.effects.append(Posting(currency, amount, balance, rule, version, account, reason))
    return "ok"
