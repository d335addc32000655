"""Feed entries to the frames that a player's socket shows (CONTRACT, "Socket")."""

from typing import Any

import msgspec

from domain.decisions import decode_delivery
from domain.effects import (
    AchievementReached,
    CompletionClaimed,
    CompletionExpired,
    Effect,
    LevelChanged,
    MissionCompleted,
    MissionProgressed,
    MissionStatus,
    Posting,
    decode_record,
)

Frame = dict[str, Any]


def frames_of(stream_id: bytes, fields: dict[bytes, bytes]) -> list[str]:
    """Return the frames of one feed entry, each with its cursor ``<stream id>.<n>``; some entries have none."""
    place = stream_id.decode()
    if (notified := fields.get(b"n")) is not None:
        delivery = decode_delivery(notified)
        frames: list[Frame] = [{"type": "notification", **_notification(msgspec.to_builtins(delivery))}]
    else:
        record = decode_record(fields[b"d"])
        head = {"at": record.at, "event_id": record.id}
        frames = [{**frame, **head} for effect in record.effects if (frame := _frame(effect))]
    return [
        msgspec.json.encode({"type": frame["type"], "cursor": f"{place}.{n}", **frame}).decode()
        for n, frame in enumerate(frames)
    ]


def _notification(delivery: Frame) -> Frame:
    return {"action": None, **delivery}


def _frame(effect: Effect) -> Frame | None:
    """Return what a player sees of an effect; None when it is not for players."""
    match effect:
        case Posting():
            return {
                "type": "points",
                "currency": effect.currency,
                "amount": effect.amount,
                "balance": effect.balance_after,
                "rule": effect.rule,
            }
        case MissionProgressed():
            return {
                "type": "mission",
                "mission": effect.mission,
                "status": "in_progress",
                "task": effect.task,
                "actual": effect.actual,
                "expected": effect.expected,
            }
        case MissionStatus():
            return {"type": "mission", "mission": effect.mission, "status": effect.status}
        case MissionCompleted():
            return {
                "type": "mission",
                "mission": effect.mission,
                "status": "completed",
                "completion_id": effect.completion_id,
                "claim": effect.claim,
                "claim_until": effect.claim_until or None,
            }
        case CompletionClaimed() | CompletionExpired():
            return {
                "type": "reward",
                "mission": effect.mission,
                "completion_id": effect.completion_id,
                "status": "claimed" if isinstance(effect, CompletionClaimed) else "expired",
            }
        case AchievementReached():
            return {
                "type": "achievement",
                "achievement": effect.achievement,
                "stage": effect.stage,
                "threshold": effect.at,
            }
        case LevelChanged():
            return {
                "type": "level",
                "system": effect.system,
                "level": effect.level,
                "previous": effect.previous or None,
            }
        case _:
            return None
