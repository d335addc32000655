"""What is given when something is reached: postings, and a request for a message."""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.entries import MessageRequest
from gamification.config import NAMED_BY
from gamification.ledger import post
from gamification.rules import Message, Reward
from gamification.working import Turn

MESSAGE_LIFE_MS = 86_400_000  # a request older than this is not worth sending


def grant(turn: Turn, rewards: tuple[Reward, ...], rule: str, version: int, budget: str = "") -> None:
    """Give every reward, at once or when the budgets that count them have answered (``gamification.budgets``).

    Args:
        budget: Of the document that gives; "": only ``budgets/programme`` may count it.
    """
    budgets = turn.rules.rooms.get("budgets")
    if not rewards or (budgets is not None and budgets.holds(turn, rewards, rule, version, budget)):
        return
    give(turn, rewards, rule, version)


def give(
    turn: Turn, rewards: tuple[Reward, ...], rule: str, version: int, account: str = "issued"
) -> tuple[tuple[str, int], ...]:
    """Give every reward now; a posting that would pass the ledger's bound is not made.

    Returns:
        (currency, amount) of what was posted, or waits; less where what is earned is limited.
    """
    given = []
    for reward in rewards:
        if reward.kind == "currency":
            if post(turn, reward.ref, reward.amount, rule, version, account) == "ok":
                given.append((reward.ref, reward.amount))
        elif (give := turn.rules.givers.get(reward.kind)) is not None:
            give(turn, reward, rule, version)
    return tuple(given)


def ask_for_message(turn: Turn, message: Message | None, key: str, content: dict[str, Any]) -> None:
    """Ask the tower to tell the player. ``key`` names the occurrence; the actor makes the request's id of it.

    ``content`` holds the template's variables, not yet rendered.
    """
    if message is not None:
        turn.requests.append(
            MessageRequest(
                turn.player,
                key,
                message.template,
                message.purpose,
                ("in_app",),
                requested_at=turn.at,
                expires_at=turn.at + MESSAGE_LIFE_MS,
                content=content,
                cause=turn.cause,
            )
        )


def described(rewards: tuple[Reward, ...]) -> list[dict[str, Any]]:
    """Return rewards as a template's variable."""
    return [{NAMED_BY[reward.kind][0]: reward.ref, "amount": reward.amount} for reward in rewards]


def listed(rewards: tuple[Reward, ...]) -> tuple[tuple[str, str, int], ...]:
    """Return rewards as plain values, for an effect or an ask."""
    return tuple((reward.kind, reward.ref, reward.amount) for reward in rewards)


def rewards_from(rows: Iterable[Iterable[Any]]) -> tuple[Reward, ...]:
    """Read what ``listed`` made."""
    return tuple(Reward(*row) for row in rows)


def local_text(texts: Mapping[str, str], locale: str, default: str) -> str:
    """Return the text of a locale: ``pt-BR``, else ``pt``, else English, else the first, else the default."""
    for name in (locale, locale.replace("_", "-").partition("-")[0], "en"):
        if name in texts:
            return texts[name]
    return next(iter(texts.values()), default)
