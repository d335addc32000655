"""What became of messages outside (``domain.receipts``): the tower waits for it, and the history shows it."""

from crm.facts.turn import Heard
from domain.effects import MessageReceipt
from domain.entries import Event, Receipt
from domain.receipts import outcome_of


def receipt_of(player: str, event: Event) -> Receipt | None:
    """Return the tower's entry of an event of a message; None when it is of none.

    Args:
        player: Whose tower is to hear it: the id that the message was asked for, and the one it lives on under.
    """
    outcome, said = outcome_of(event), event.properties
    request = _text(said.get("message_id"))
    if not outcome or not request:
        return None
    return Receipt(
        player,
        request,
        _text(said.get("channel")),
        outcome,
        event.occurred_at,
        _text(said.get("detail")),
        _text(said.get("connector")),
        event.id,
    )


def on_message(heard: Heard, event: Event) -> None:
    """Tell the tower and the history."""
    receipt = receipt_of(heard.player, event)
    if receipt is not None:
        heard.entries.append(receipt)
        heard.effects.append(MessageReceipt(receipt.request, receipt.channel, receipt.outcome, receipt.detail))


def _text(value: object) -> str:
    return value[:500] if isinstance(value, str) else ""
