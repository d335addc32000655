"""A player asks a keeper: the question goes by relay into the keeper's log, the answer comes back into the player's.

Each way is exactly once (docs/adr/0006), so an ask needs no timeout and no retry, and is answered once.

A turn that is taken again without another (``gamification.rollback``) asks the same under the same id, whatever else it
asks: ids are made of what is asked, not of how many were before.
"""

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec.structs import replace

from domain.effects import AskedKeeper
from domain.entries import KeeperAnswered, KeeperAsked
from domain.player import Ask, Asks
from gamification.working import Turn

OPEN_MAX = 200  # of one player; who asks more must wait for answers
DONE_MAX = 64  # the last ones answered are kept, for who asks again with the same idempotency key
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def may_ask(turn: Turn) -> bool:
    """Tell whether the player may ask once more."""
    return len(turn.part("asks").open) < OPEN_MAX


def ask(
    turn: Turn,
    keeper: str,
    op: str,
    then: str,
    args: dict[str, Any],
    data: dict[str, Any] | None = None,
    *,
    is_one: bool = False,
) -> str:
    """Ask; return the ask's id. ``Room.answers[then]`` goes on with the answer, which finds ``data``.

    Whoever asks more than ``may_ask`` allows is served all the same: it is for commands to refuse.

    Args:
        is_one: Whatever the args say it is the same ask: one seat, also where another tier would be asked for now.
    """
    asks: Asks = turn.part("asks")
    ask_id = _id_of(turn, keeper, op, {} if is_one else args, data or {})
    turn.set_part("asks", replace(asks, open={**asks.open, ask_id: Ask(keeper, op, then, data or {}, turn.at)}))
    turn.relays.append(KeeperAsked(keeper, turn.player, ask_id, op, args, turn.reply_to, turn.cause))
    turn.effects.append(AskedKeeper(ask_id, keeper, op))
    return ask_id


def tell(turn: Turn, keeper: str, op: str, args: dict[str, Any]) -> None:
    """Tell a keeper something that it does not answer."""
    turn.relays.append(KeeperAsked(keeper, turn.player, _id_of(turn, keeper, op, args, {}), op, args, cause=turn.cause))


def _id_of(turn: Turn, keeper: str, op: str, args: dict[str, Any], data: dict[str, Any]) -> str:
    """Return an id: offsets repeat across partitions, and profiles are merged, so it names the player."""
    what = blake2b(_encode((keeper, op, args, data)), digest_size=6).hexdigest()
    alike = f"{turn.offset}#{what}."
    number = sum(isinstance(relay, KeeperAsked) and relay.id.startswith(alike) for relay in turn.relays)
    return f"{alike}{number}@{turn.player}"


def answered(turn: Turn, answer: KeeperAnswered) -> Ask | None:
    """Take an open ask off; None when the player did not ask this (the profile was merged: it is another's)."""
    asks: Asks = turn.part("asks")
    found = asks.open.get(answer.id)
    if found is None or (found.keeper, found.op) != (answer.keeper, answer.op):
        return None
    rest = {ask_id: other for ask_id, other in asks.open.items() if ask_id != answer.id}
    done = {**asks.done, answer.id: turn.offset}
    while len(done) > DONE_MAX:
        del done[next(iter(done))]
    turn.set_part("asks", Asks(rest, done))
    return found


def hand_over(turn: Turn) -> None:
    """The profile ends: what it waits for is answered to the id that it lives on under."""
    turn.set_part("asks", Asks())


def join(turn: Turn, theirs: Asks) -> None:
    """Wait for what the other profile has asked."""
    mine: Asks = turn.part("asks")
    if theirs.open:
        turn.set_part("asks", replace(mine, open=mine.open | theirs.open))
