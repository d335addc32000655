"""Feed entries to the frames that a player's socket shows (CONTRACT, "Socket")."""

from collections.abc import Container
from typing import Any

import msgspec

from api.pages import instant
from api.visible import is_for_player
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
    SegmentEntered,
    SegmentLeft,
    decode_record,
)

Frame = dict[str, Any]


def frames_of(
    stream_id: bytes, fields: dict[bytes, bytes], visible: Container[str] = frozenset()
) -> list[tuple[int, str]]:
    """Return the frames of one feed entry with their ``n``; a frame's cursor is ``<stream id>.<n>``.

    Args:
        visible: Segments that players see. The others' frames are counted and left out, so a cursor stays true when
            a segment becomes visible.
    """
    place = stream_id.decode()
    if (notified := fields.get(b"n")) is not None:
        delivery = decode_delivery(notified)
        frames: list[Frame] = [{"type": "notification", **_notification(delivery)}]
    else:
        record = decode_record(fields[b"d"])
        head = {"at": instant(record.at), "event_id": record.id}
        told = [(effect, frame) for effect in record.effects if (frame := _frame(effect))]
        frames = [{**frame, **head} if is_for_player(effect, visible) else {} for effect, frame in told]
    return [
        (n, msgspec.json.encode({"type": frame["type"], "cursor": f"{place}.{n}", **frame}).decode())
        for n, frame in enumerate(frames)
        if frame
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
        case SegmentEntered() | SegmentLeft():
            return {"type": "segment", "segment": effect.segment, "entered": isinstance(effect, SegmentEntered)}
        case _:
            return None
