"""Postings: the double-entry ledger of a player's currencies.

Every posting moves ``amount`` between a named account (``issued`` for what is earned, ``adjusted`` for what a person
changed) and the player, so each account's sum is minus what it gave. Amounts are integers within 2**53.
"""

from typing import Literal

from domain.effects import Posting, lifetime_change
from domain.game_effects import Redeemed
from domain.player import Balance
from gamification import purses
from gamification.rules import AMOUNT_MAX, PurseRule
from gamification.terms import Terms, taken
from gamification.working import Turn

Outcome = Literal["ok", "insufficient_balance", "amount_out_of_range", "daily_limit"]
HELD = "held"  # what is asked for and not yet given: it comes back, or goes on to ``redeemed``
REDEEMED = "redeemed"
_NOTHING = Balance()


def post(
    turn: Turn,
    currency: str,
    amount: int,
    rule: str,
    version: int,
    account: str = "issued",
    reason: str = "",
    lot: int = 0,
) -> Outcome:
    """Move ``amount`` to the player (from, if negative), or refuse and change nothing.

    Only credits raise ``lifetime``, and of those not what comes back from ``held`` (or a refund's ``redeemed``): it was
    earned before; nor what was bought: it was paid for. A balance falls below zero only where the currency allows it.
    What is earned in a currency with a daily limit or a hold may be less, or come later (``gamification.purses``).

    Args:
        lot: Of a debit that takes a credit back: when the lot expires that the credit made, ms.
    """
    options = _options(turn, currency)
    if options is not None:
        purses.settle(turn, currency)
        if amount > 0 and account == "issued":
            allowed = purses.allowed(turn, options, amount, rule)
            if not allowed:
                return "daily_limit"
            if options.hold_ms:
                return purses.put_aside(turn, options, allowed, rule)
            amount = allowed
    held = turn.wallet.get(currency, _NOTHING)
    balance = held.balance + amount
    lifetime = held.lifetime + lifetime_change(account, amount)
    if not -AMOUNT_MAX <= balance <= AMOUNT_MAX or lifetime > AMOUNT_MAX:
        return "amount_out_of_range"
    if amount < 0:
        may = balance >= 0 or turn.rules.currencies.get(currency, False)
        if (debits := turn.draws.debits) is not None:
            may = debits.settled(currency, rule, may)
        if not may:
            return "insufficient_balance"
    purse = held.purse
    if options is not None:
        purse = purses.moved(turn, options, held, amount, balance, lifetime - held.lifetime, account, lot)
    turn.set_balance(currency, Balance(balance, lifetime, purse))
    turn.effects.append(Posting(currency, amount, balance, rule, version, account, reason))
    return "ok"


def hold(turn: Turn, currency: str, amount: int, rule: str, version: int) -> tuple[Outcome, Terms]:
    """Take a price that is asked for; ``give_back`` or ``redeem`` ends it.

    Returns:
        How it went, and the terms of what was taken, of a currency that expires: whoever gives it back says them.
    """
    if _options(turn, currency) is not None:
        purses.settle(turn, currency)
    held = turn.wallet.get(currency, _NOTHING)
    expires = bool(purses.expiry_of(turn, currency) or (held.purse is not None and held.purse.lots))
    outcome = post(turn, currency, -amount, rule, version, HELD)
    return outcome, taken(held, amount) if outcome == "ok" and expires else ()


def give_back(
    turn: Turn,
    currency: str,
    amount: int,
    rule: str,
    version: int,
    reason: str,
    source: str = HELD,
    terms: Terms = (),
) -> None:
    """Return what was held, or redeemed before. The ledger's bounds are not asked: it is the player's own.

    Args:
        terms: As ``hold`` said them; without them (what was held before they were kept) it joins what expires first.
    """
    if (options := _options(turn, currency)) is not None:
        purses.settle(turn, currency)
    held = turn.wallet.get(currency, _NOTHING)
    balance = held.balance + amount
    purse = held.purse
    if options is not None:
        if terms:
            purse = purses.come_back(turn, options, amount, terms)
        else:
            purse = purses.moved(turn, options, held, amount, balance, 0, source)
    turn.set_balance(currency, Balance(balance, held.lifetime, purse))
    turn.effects.append(Posting(currency, amount, balance, rule, version, source, reason))
    if options is not None and terms:
        purses.expire(turn, currency)


def _options(turn: Turn, currency: str) -> PurseRule | None:
    """Return a currency's options; where they were taken away and lots are left, those are spent first all the same."""
    options = turn.rules.purses.get(currency)
    if options is None and turn.wallet.get(currency, _NOTHING).purse is not None:
        return PurseRule(currency)
    return options


def redeem(turn: Turn, currency: str, amount: int, rule: str, version: int) -> None:
    """Move what was held to what is redeemed; the player's balance has changed before."""
    turn.effects.append(Redeemed(currency, amount, rule, version))
