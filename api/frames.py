"""Feed entries to the frames that a player's socket shows (docs/socket.md; ``api.frame_types`` has their types)."""

from collections.abc import Callable, Container, Iterable
from typing import Any

import msgspec
from msgspec import UNSET

from api import frame_types as frames
from api.frame_types import Told
from api.pages import instant
from api.visible import is_for_player
from domain import effects, game_effects
from domain.decisions import Delivery, decode_delivery
from domain.effects import Effect, decode_record
from gamification.config import NAMED_BY

_encode = msgspec.json.Encoder().encode


def frames_of(
    stream_id: bytes, fields: dict[bytes, bytes], visible: Container[str] = frozenset()
) -> list[tuple[int, str]]:
    """Return the frames of one feed entry with their ``n``; a frame's cursor is ``<stream id>.<n>``.

    Args:
        visible: Segments that players see. The others' frames are counted and left out, so a cursor stays true when
            a segment becomes visible.
    """
    place = stream_id.decode()
    made: list[Told | None]
    if (notified := fields.get(b"n")) is not None:
        made = [_notification(decode_delivery(notified))]
    else:
        record = decode_record(fields[b"d"])
        told = [(effect, of(effect)) for effect in record.effects if (of := MADE.get(type(effect)))]
        made = [frame if is_for_player(effect, visible) else None for effect, frame in told]
        for frame in made:
            if frame is not None:
                frame.at, frame.event_id = instant(record.at), record.id
    sent = []
    for n, frame in enumerate(made):
        if frame is not None:
            frame.cursor = f"{place}.{n}"
            sent.append((n, _encode(frame).decode()))
    return sent


def _notification(delivery: Delivery) -> Told:
    return frames.Notification(
        message_id=delivery.message_id,
        template=delivery.template,
        purpose=delivery.purpose,
        title=delivery.title,
        body=delivery.body,
        action=delivery.action or None,
        at=instant(delivery.at),
        expires_at=instant(delivery.expires_at),
    )


def _completion(e: effects.CompletionClaimed | effects.CompletionExpired) -> Told:
    status: Any = "claimed" if isinstance(e, effects.CompletionClaimed) else "expired"
    return frames.Reward(mission=e.mission, completion_id=e.completion_id, status=status)


def _segment(e: effects.SegmentEntered | effects.SegmentLeft) -> Told:
    return frames.Segment(segment=e.segment, entered=isinstance(e, effects.SegmentEntered))


def _rewards(rewards: Iterable[tuple[str, str, int]]) -> frames.Rewards:
    """Return what was to be given, as configuration names it."""
    return [{"kind": kind, NAMED_BY[kind][0]: what, "amount": amount} for kind, what, amount in rewards]


def _run(e: Any, status: str, **more: Any) -> Told:
    return frames.Tournament(tournament=e.tournament, run=e.run, status=status, **more)


def _purchase(e: game_effects.PurchaseChanged) -> Told:
    return frames.Purchase(
        purchase=e.purchase,
        item=e.item,
        status=e.status,
        amount=e.amount,
        reason=e.reason or None,
        price={"currency": e.currency, "amount": e.price} if e.currency else None,
    )


def _play(e: game_effects.PlayChanged) -> Told:
    return frames.Play(
        play=e.play,
        minigame=e.minigame,
        status=e.status,
        prize=e.prize or None,
        draw=e.draw or None,
        acknowledge_by=instant(e.acknowledge_by),
    )


def _draw(e: game_effects.Drawn) -> Told:
    return frames.Draw(
        id=e.id,
        of=e.of,
        ref=e.ref,
        number=e.number,
        commitment=e.commitment,
        client_seed=e.client_seed,
        nonce=e.nonce,
        result=e.result,
    )


MADE: dict[type, Callable[[Any], Told]] = {
    effects.Posting: lambda e: frames.Points(
        currency=e.currency, amount=e.amount, balance=e.balance_after, rule=e.rule
    ),
    game_effects.CreditPending: lambda e: frames.Credit(
        status="pending", currency=e.currency, amount=e.amount, rule=e.rule, available_at=instant(e.available_at)
    ),
    game_effects.CreditLimited: lambda e: frames.Credit(
        status="limited", currency=e.currency, amount=e.amount, rule=e.rule, limit=e.limit
    ),
    effects.MissionProgressed: lambda e: frames.Mission(
        mission=e.mission, status="in_progress", task=e.task, actual=e.actual, expected=e.expected
    ),
    effects.MissionStatus: lambda e: frames.Mission(mission=e.mission, status=e.status),
    effects.MissionCompleted: lambda e: frames.Mission(
        mission=e.mission,
        status="completed",
        completion_id=e.completion_id,
        claim=e.claim,
        claim_until=instant(e.claim_until),
    ),
    effects.CompletionClaimed: _completion,
    effects.CompletionExpired: _completion,
    effects.AchievementReached: lambda e: frames.Achievement(achievement=e.achievement, stage=e.stage, threshold=e.at),
    effects.LevelChanged: lambda e: frames.Level(
        system=e.system, level=e.level, previous=e.previous or None, down=e.down
    ),
    effects.SegmentEntered: _segment,
    effects.SegmentLeft: _segment,
    game_effects.StreakCounted: lambda e: frames.Streak(streak=e.streak, status="counted", count=e.count, best=e.best),
    game_effects.StreakMissed: lambda e: frames.Streak(
        streak=e.streak, status="missed", count=e.after, before=e.before
    ),
    game_effects.StreakFreezes: lambda e: frames.Streak(
        streak=e.streak, status="freezes", freezes=e.held, change=e.change
    ),
    game_effects.QuestProgressed: lambda e: frames.Quest(
        quest=e.quest, status="in_progress", mission=e.mission, done=e.done, of=e.of
    ),
    game_effects.QuestCompleted: lambda e: frames.Quest(quest=e.quest, status="completed"),
    game_effects.TournamentJoined: lambda e: _run(e, e.status, board=e.board or UNSET, tier=e.tier or UNSET),
    game_effects.TournamentRefused: lambda e: _run(e, "refused", reason=e.reason),
    game_effects.TournamentCancelled: lambda e: _run(e, "cancelled", reason=e.reason),
    game_effects.TournamentFinished: lambda e: _run(e, "finished", score=e.score, tier=e.tier or UNSET),
    game_effects.PrizeWon: lambda e: _run(e, "prize", rank=e.rank, score=e.score),
    game_effects.LeaderboardMoved: lambda e: frames.Leaderboard(
        board=e.board, score=e.score, tournament=e.tournament or None, run=e.run or None
    ),
    game_effects.PurchaseChanged: _purchase,
    game_effects.PlayChanged: _play,
    game_effects.Drawn: _draw,
    game_effects.SeedRevealed: lambda e: frames.Seed(
        of=e.of, ref=e.ref, number=e.number, seed=e.seed, commitment=e.commitment
    ),
    game_effects.SpinsChanged: lambda e: frames.Spins(minigame=e.minigame, amount=e.amount, held=e.held, rule=e.rule),
    game_effects.TicketsChanged: lambda e: frames.Raffle(
        raffle=e.raffle, status="tickets", run=e.run, amount=e.amount, held=e.held, reason=e.reason or UNSET
    ),
    game_effects.WinChanged: lambda e: frames.Raffle(
        raffle=e.raffle, status=e.status, win=e.win, prize=e.prize, ticket=e.ticket, until=instant(e.until)
    ),
    game_effects.JackpotPaid: lambda e: frames.Jackpot(
        jackpot=e.jackpot, pot=e.pot, currency=e.currency, amount=e.amount, paid=e.is_paid
    ),
    game_effects.RewardWaiting: lambda e: frames.Reward(status="waiting", rule=e.rule, rewards=_rewards(e.rewards)),
    game_effects.RewardRefused: lambda e: frames.Reward(
        status="refused", rule=e.rule, reason=e.reason, rewards=_rewards(e.rewards), instead=_rewards(e.instead)
    ),
    game_effects.RolledBack: lambda e: frames.Rollback(
        status=e.status, events=list(e.events), changed=list(e.changed), debts=e.debts
    ),
}
"""What a player sees of each effect; of the others nothing."""

SILENT: frozenset[type[Effect]] = frozenset(
    {
        effects.Answered,  # the call has it
        effects.MessageRequested,  # the message itself comes as a notification
        effects.FactTold,
        effects.DuplicateLate,
        effects.SetAside,
        effects.ConsentChanged,  # the preference centre has it
        effects.MessageWithdrawn,
        effects.MessageReceipt,
        game_effects.Redeemed,  # between accounts: the balance stays
    }
)
"""Effects without a frame that are no secret; ``api.visible`` has those that are."""
