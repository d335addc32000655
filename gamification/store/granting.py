"""From a purchase whose stock is sure to what the player has: given here, or granted on the operator's platform.

A grant outside waits for its answer until ``confirm_within``; one that fails gives price and stock back.
"""

from typing import Any

from msgspec.structs import replace

from domain.effects import BOUGHT, Answered
from domain.entries import GrantAsked, TimerFired
from domain.game_effects import RewardRefused
from domain.shop import Purchase
from gamification import ledger
from gamification.asking import tell
from gamification.purses import expiry_of
from gamification.rewards import ask_for_message, described, give, local_text
from gamification.store import records
from gamification.store.rules import ItemRule
from gamification.store.stock import item_of, keeper_for
from gamification.working import Turn

TIMER = "grant_due"
REASON_CHARS_MAX = 300
_NOT_CONFIRMED = "not_confirmed"


def begin(turn: Turn, rule: ItemRule, purchase: Purchase, *, is_new: bool = False) -> Purchase:
    """Give the item, or ask the platform to; return what the purchase has become."""
    keep = records.add if is_new else records.change
    if not rule.is_outside:
        if is_new:
            records.add(turn, purchase)
        return grant(turn, rule, purchase)
    purchase = replace(purchase, status="granting", until=turn.at + rule.confirm_ms)
    keep(turn, purchase)
    turn.set_timer(TIMER, purchase.id, purchase.until)
    if rule.connector:
        turn.told.append(_asked(turn, rule, purchase))
    return purchase


def _asked(turn: Turn, rule: ItemRule, purchase: Purchase) -> GrantAsked:
    """Return what the platform is asked; ``gives`` is what the item gives here beside, when it is granted."""
    content = {
        "item": rule.id,
        "type": rule.type,
        "amount": purchase.amount,
        "gives": described(rule.gives),
        "rule": purchase.rule or None,
        "confirm_until": purchase.until,
    }
    return GrantAsked(turn.player, purchase.id, rule.connector, content, purchase.until, turn.cause)


def grant(turn: Turn, rule: ItemRule, purchase: Purchase) -> Purchase:
    """Give what the item gives; its price is redeemed, its stock is gone."""
    name = f"rewards/{rule.id}"
    if purchase.price:
        ledger.redeem(turn, purchase.currency, purchase.price, name, purchase.version)
    if purchase.reserved:
        tell(turn, keeper_for(rule.id), "confirm", {"amount": purchase.amount})
    account = "issued" if purchase.rule else BOUGHT  # as a reward it is earned
    gave: dict[str, int] = {}
    purchase = _over(turn, replace(purchase, status="granted", granted_at=turn.at))
    for _ in range(purchase.amount):
        for currency, amount in give(turn, rule.gives, name, purchase.version, account):
            gave[currency] = gave.get(currency, 0) + amount
    if gave and not purchase.rule:
        lots = tuple((currency, at) for currency in gave if (at := expiry_of(turn, currency)))
        purchase = replace(purchase, gave=tuple(gave.items()), lots=lots)
        records.keep(turn, purchase)
    item = {"id": rule.id, "name": local_text(rule.name, turn.profile.locale, rule.id), "gives": described(rule.gives)}
    ask_for_message(turn, rule.message, f"{name}/{purchase.id}", {"purchase": {"id": purchase.id, "item": item}})
    return purchase


def fail(turn: Turn, purchase: Purchase, reason: str) -> Purchase:
    """Give price and stock back; the purchase counts against no limit."""
    if purchase.price:
        name = f"rewards/{purchase.item}"
        ledger.give_back(turn, purchase.currency, purchase.price, name, purchase.version, reason, terms=purchase.paid)
    if purchase.reserved:
        tell(turn, keeper_for(purchase.item), "release", {"amount": purchase.amount})
    if purchase.rule:
        turn.effects.append(RewardRefused(purchase.rule, reason, rewards=(("item", purchase.item, purchase.amount),)))
    else:
        records.count(turn, purchase.item, -purchase.amount, purchase.at)
    return _over(turn, replace(purchase, status="failed", reason=reason, reserved=False, paid=()))


def _over(turn: Turn, purchase: Purchase) -> Purchase:
    if purchase.until:
        turn.clear_timer(TIMER, purchase.id, purchase.until)
    purchase = replace(purchase, until=0)
    records.change(turn, purchase)
    return purchase


def confirm_grant(turn: Turn, args: dict[str, Any]) -> Answered:
    """``confirm_grant {purchase, status: granted | failed, reason?}``: what the platform has done, or a person.

    The same again is ``ok`` and changes nothing; the other way round it is refused: ``grant_is_over``.
    """
    purchase_id, status = str(args.get("purchase")), args.get("status")
    if status not in ("granted", "failed"):
        return Answered("invalid_arguments", "expected status granted or failed")
    purchase = records.find(turn, purchase_id)
    if purchase is None:
        return Answered("purchase_not_found")
    if purchase.status == "granting":
        purchase = settle(turn, purchase, status, str(args.get("reason") or ""))
    elif purchase.status == "asked":
        return Answered("purchase_pending")
    elif purchase.status != status and not (status == "granted" and purchase.status == "refunded"):
        return Answered("grant_is_over", f"the purchase is {purchase.status}")
    return Answered("ok", data={"purchase": purchase.id, "status": purchase.status})


def settle(turn: Turn, purchase: Purchase, status: str, reason: str) -> Purchase:
    """End a grant that is under way, as the platform says."""
    rule = item_of(turn.rules, purchase.item)
    if status == "granted":
        if rule is None:  # deleted meanwhile: the platform has granted it all the same
            if purchase.price:
                ledger.redeem(turn, purchase.currency, purchase.price, f"rewards/{purchase.item}", purchase.version)
            return _over(turn, replace(purchase, status="granted", granted_at=turn.at))
        return grant(turn, rule, purchase)
    return fail(turn, purchase, reason[:REASON_CHARS_MAX] or "grant_failed")


def on_due(turn: Turn, timer: TimerFired) -> None:
    """Fail a grant that nobody has confirmed in time."""
    purchase = records.find(turn, timer.ref)
    if purchase is not None and purchase.status == "granting" and 0 < purchase.until <= turn.at:
        fail(turn, purchase, _NOT_CONFIRMED)
