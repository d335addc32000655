"""Feed entries to the frames that a player's socket shows (CONTRACT, "Socket")."""

from typing import Any

import msgspec

from api.pages import instant
from domain.decisions import Delivery, decode_delivery
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
        frames: list[Frame] = [{"type": "notification", **_notification(delivery)}]
    else:
        record = decode_record(fields[b"d"])
        head = {"at": instant(record.at), "event_id": record.id}
        frames = [{**frame, **head} for effect in record.effects if (frame := _frame(effect))]
    return [
        msgspec.json.encode({"type": frame["type"], "cursor": f"{place}.{n}", **frame}).decode()
        for n, frame in enumerate(frames)
    ]


def _notification(delivery: Delivery) -> Frame:
    return {
        "message_id": delivery.message_id,
        "template": delivery.template,
        "purpose": delivery.purpose,
        "title": delivery.title,
        "body": delivery.body,
        "action": delivery.action or None,
        "at": instant(delivery.at),
        "expires_at": instant(delivery.expires_at),
    }


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
                "claim_until": instant(effect.claim_until),
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
