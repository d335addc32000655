"""``refund``: the price is back, what was given is taken, the stock is there again."""

from typing import Any

from msgspec.structs import replace

from domain.effects import BOUGHT, Answered
from domain.player import Balance
from domain.shop import Purchase
from gamification import ledger
from gamification.asking import tell
from gamification.store import records
from gamification.store.rules import ItemRule
from gamification.store.stock import item_of, keeper_for
from gamification.working import Turn


def refund(turn: Turn, args: dict[str, Any]) -> Answered:
    """``refund {purchase, by_operator?}``: within ``refundable_within`` and when all that was given can be taken back.

    An operator may always: then what cannot be taken stays with the player, and of a currency what is there is taken.
    """
    purchase = records.find(turn, str(args.get("purchase")))
    if purchase is None or purchase.rule:
        return Answered("purchase_not_found")
    if purchase.status == "refunded":
        return _answer(purchase)
    if purchase.status != "granted":
        return Answered("purchase_pending" if purchase.status in ("asked", "granting") else "not_refundable")
    rule = item_of(turn.rules, purchase.item)
    is_forced = bool(args.get("by_operator"))
    if not is_forced and (code := _refusal(turn, rule, purchase)):
        return Answered(code)
    _take(turn, purchase)
    name = f"rewards/{purchase.item}"
    if purchase.price:
        ledger.give_back(
            turn,
            purchase.currency,
            purchase.price,
            name,
            purchase.version,
            "refund",
            ledger.REDEEMED,
            purchase.paid,
        )
    if purchase.reserved:
        tell(turn, keeper_for(purchase.item), "put_back", {"amount": purchase.amount})
    records.count(turn, purchase.item, -purchase.amount, purchase.at)
    reason = str(args.get("reason") or "refund")[:300]
    purchase = replace(purchase, status="refunded", reason=reason, reserved=False, paid=(), lots=())
    records.change(turn, purchase)
    return _answer(purchase)


def _refusal(turn: Turn, rule: ItemRule | None, purchase: Purchase) -> str:
    if rule is None or not rule.refundable_ms:
        return "not_refundable"
    if turn.at >= purchase.granted_at + rule.refundable_ms:
        return "refund_too_late"
    for currency, amount in purchase.gave:
        if turn.wallet.get(currency, Balance()).balance < amount:
            return "already_spent"
    return ""


def _take(turn: Turn, purchase: Purchase) -> None:
    """Take the currencies that were given then, whatever the item gives now; what else it gave cannot be taken.

    Each is taken from the lot that it made, and what is not there any more from what expires first.
    """
    lots = dict(purchase.lots)
    for currency, amount in purchase.gave:
        there = max(0, turn.wallet.get(currency, Balance()).balance)
        if taken := min(amount, there):
            name = f"rewards/{purchase.item}"
            ledger.post(turn, currency, -taken, name, purchase.version, BOUGHT, "refund", lots.get(currency, 0))


def _answer(purchase: Purchase) -> Answered:
    data = {"purchase": purchase.id, "item": purchase.item, "status": purchase.status, "price": purchase.price}
    return Answered("ok", data=data)
