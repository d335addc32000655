"""``buy``, and an item as a reward: the price is held, the stock is asked, then the item is given or the price is back.

An item without stock asks nobody, and is bought in one turn.
"""

from typing import Any

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import KeeperAnswered
from domain.game_effects import RewardRefused
from domain.player import Ask
from domain.shop import Bought, Purchase
from gamification import ledger
from gamification.asking import ask, may_ask, tell
from gamification.rules import Reward
from gamification.store import granting, records
from gamification.store.rules import ItemRule
from gamification.store.stock import item_of, keeper_for
from gamification.terms import Terms
from gamification.working import Turn

THEN = "stock_reserved"


def buy(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Buy one of ``item``; the answer comes at once, or with the stock's."""
    rule = item_of(turn.rules, str(args.get("item")))
    if rule is None:
        return Answered("item_not_found")
    if code := refusal(turn, rule):
        return Answered(code)
    price = rule.price_at(turn.at, turn)
    paid: Terms = ()
    if price:
        outcome, paid = ledger.hold(turn, rule.currency, price, f"rewards/{rule.id}", rule.version)
        if outcome != "ok":
            return Answered(outcome, data={"item": rule.id, "price": price, "currency": rule.currency})
    version = turn.rules.version
    purchase = Purchase(
        records.new_id(turn, rule.id), rule.id, "asked", turn.at, rule.currency, price, version=version, paid=paid
    )
    records.count(turn, rule.id, 1, turn.at)
    if rule.stock is None:
        return answer_of(granting.begin(turn, rule, purchase, is_new=True))
    _ask(turn, purchase)
    return None


def refusal(turn: Turn, rule: ItemRule) -> str:
    """Return why an item cannot be bought, in order of finality, or nothing; stock and balance are asked later."""
    if not rule.currency:
        return "not_for_sale"
    if rule.audience is not None and not rule.audience(turn):
        return "not_in_audience"
    if not rule.starts_at <= turn.at < rule.until:
        return "item_not_active"
    bought = turn.part("shop").bought.get(rule.id, Bought())
    if records.is_limited(rule, bought, 1, turn.at, turn.zone):
        return "limit_reached"
    if not may_ask(turn) or not records.may_open(turn):
        return "too_many_asks"
    return ""


def give_item(turn: Turn, reward: Reward, rule: str, version: int) -> None:
    """Give an item as a reward: free, whatever its audience, window and limit; its stock is asked."""
    item = item_of(turn.rules, reward.ref)
    if item is None or not may_ask(turn) or not records.may_open(turn):
        reason = "item_not_found" if item is None else "too_many_asks"
        turn.effects.append(RewardRefused(rule, reason, rewards=(("item", reward.ref, reward.amount),)))
        return
    purchase = Purchase(
        records.new_id(turn, item.id, rule), item.id, "asked", turn.at, "", 0, "", reward.amount, rule, version
    )
    if item.stock is None:
        granting.begin(turn, item, purchase, is_new=True)
    else:
        _ask(turn, purchase)


def on_stock(turn: Turn, asked: Ask, answer: KeeperAnswered) -> Answered | None:
    """Go on with what the stock's keeper answered."""
    purchase = records.find(turn, asked.data["purchase"])
    if purchase is None:  # never: what is under way is not let go
        if answer.code == "ok":
            tell(turn, asked.keeper, "release", {"amount": asked.data["amount"]})
        return Answered("purchase_not_found")
    rule = item_of(turn.rules, purchase.item)
    if answer.code == "ok" and rule is not None:
        purchase = granting.begin(turn, rule, replace(purchase, reserved=True))
    else:
        if answer.code == "ok":  # the item was deleted meanwhile
            tell(turn, asked.keeper, "release", {"amount": purchase.amount})
        code = answer.code if answer.code != "ok" else "item_not_found"
        purchase = granting.fail(turn, purchase, code)
    return None if purchase.rule else answer_of(purchase)


def answer_of(purchase: Purchase) -> Answered:
    """Return what who buys is answered."""
    data: dict[str, Any] = {
        "purchase": purchase.id,
        "item": purchase.item,
        "price": purchase.price,
        "currency": purchase.currency,
    }
    if purchase.status == "failed":
        return Answered(purchase.reason, data=data)  # a problem document has its own ``status``
    return Answered("ok", data=data | {"status": purchase.status})


def _ask(turn: Turn, purchase: Purchase) -> None:
    records.add(turn, purchase)
    ask(
        turn,
        keeper_for(purchase.item),
        "reserve",
        THEN,
        {"amount": purchase.amount},
        {"purchase": purchase.id, "amount": purchase.amount},
    )
