"""What a player sees of the store: items, prices, limits, and the own purchases."""

from typing import Any

from domain.player import Snapshot
from domain.shop import Bought, Purchase
from gamification.rewards import described
from gamification.rules import Rules
from gamification.store import records
from gamification.store.buying import refusal
from gamification.store.rules import ItemRule, Store
from gamification.working import Turn

_HIDDEN = frozenset({"not_for_sale", "not_in_audience"})


def view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return ``store`` (items for sale to this player) and ``purchases``, the newest first."""
    store: Store | None = rules.rooms.get("store")
    turn = Turn(rules, snapshot, now, "")  # asked only
    items = store.items.values() if store is not None else ()
    shown = [(rule, refusal(turn, rule)) for rule in items]
    return {
        "store": [_item(turn, rule, code) for rule, code in shown if code not in _HIDDEN and now < rule.until],
        "purchases": [_purchase(purchase) for purchase in reversed(snapshot.shop.purchases)],
    }


def _item(turn: Turn, rule: ItemRule, code: str) -> dict[str, Any]:
    """Return one item; whether it is sold out its stock's keeper knows, and says when it is bought."""
    price = rule.price_at(turn.at, turn)
    bought = turn.part("shop").bought.get(rule.id, Bought())
    held = turn.wallet.get(rule.currency)
    if not code and price > (held.balance if held else 0) and not turn.rules.currencies.get(rule.currency, False):
        code = "insufficient_balance"
    used = records.counted(rule, bought, turn.at, turn.zone) if rule.limit else 0
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "description": dict(rule.description),
        "icon": rule.icon or None,
        "type": rule.type,
        "gives": [
            {"kind": reward.kind, **said} for reward, said in zip(rule.gives, described(rule.gives), strict=True)
        ],
        "price": {"currency": rule.currency, "amount": price, "before": rule.price},
        "stock": rule.stock,
        "limit": {"max": rule.limit, "per": rule.limit_per, "left": max(0, rule.limit - used)} if rule.limit else None,
        "from": rule.starts_at or None,
        "until": rule.until if rule.until < 2**62 else None,
        "can_buy": not code,
        "reason": code or None,
    }


def _purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "id": purchase.id,
        "item": purchase.item,
        "amount": purchase.amount,
        "status": purchase.status,
        "reason": purchase.reason or None,
        "price": {"currency": purchase.currency, "amount": purchase.price} if purchase.currency else None,
        "rule": purchase.rule or None,
        "at": purchase.at,
        "granted_at": purchase.granted_at or None,
    }
