"""What is shown of a player, put together from the snapshot, the live programme and who owns the player."""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from actors.programme import Programme, ProgrammeVersions
from api.context import Context
from api.pages import instant
from api.persons import SOURCES_READ_MAX, snapshot_of
from crm.segments import shown as shown_by_rules
from crm.tower.why import explain
from domain.decisions import Decision, Delivery
from domain.effects import HistoryRecord, Posting, shown
from domain.ids import partition_of
from domain.player import Snapshot
from domain.step import Draws
from gamification.jackpots import room as jackpots
from gamification.minigames import seeds
from gamification.raffles import room as raffles
from gamification.view import player_view
from store.keys import ASSIGNMENT, HOSTS
from store.programmes import Programmes

_versions: WeakKeyDictionary[Programmes, ProgrammeVersions] = WeakKeyDictionary()


def compiled(context: Context) -> ProgrammeVersions:
    """Return this process's compiled programme versions."""
    versions = _versions.get(context.programmes)
    if versions is None:
        versions = _versions[context.programmes] = ProgrammeVersions(context.programmes)
    return versions


async def live_programme(context: Context) -> Programme:
    """Return the live programme, compiled."""
    return await compiled(context).live()


async def known_player(context: Context, player_id: str, *, own: bool = False) -> Snapshot:
    """Return the last committed snapshot of the player; of the one it lives on under, when the id was merged.

    Raises:
        NotFound: nothing was ever committed for that id.
        Conflict: the reader is the player (``own``), and the id was merged.
    """
    return await snapshot_of(context, player_id, own=own)


async def player_state(context: Context, player_id: str, *, own: bool = False) -> dict[str, Any]:
    """Return ``GET /v1/players/{id}``: the snapshot of the last commit as the live programme shows it now.

    Args:
        own: As the player may see it, ``GET /v1/me``: of the segments only those that are visible, and no scores.

    Raises:
        NotFound: nothing was ever committed for that id.
    """
    snapshot = await known_player(context, player_id, own=own)
    programme = await live_programme(context)
    shown = shown_player(snapshot, programme, context.clock.now_ms())
    shown |= _commitments(Draws(context.identity.seed, 0, ""), snapshot.player, shown)
    if own:
        shown["scores"] = {}
        shown["segments"] = [name for name in shown["segments"] if name in context.programme.visible]
    return shown | await _place(context, snapshot.player)


def _commitments(draws: Draws, player: str, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what is drawn for the player, each with what its seed is committed to by before it is used."""
    return {
        "minigames": seeds.with_commitments(draws, player, shown["minigames"]),
        "raffles": raffles.with_commitments(draws, shown["raffles"]),
        "jackpots": jackpots.with_commitments(draws, player, shown["jackpots"]),
    }


def shown_player(snapshot: Snapshot, programme: Programme, now: int) -> dict[str, Any]:
    """Return what the snapshot alone tells."""
    profile = snapshot.profile
    return {
        "id": snapshot.player,
        "merged_from": list(snapshot.identity.sources[-SOURCES_READ_MAX:]),
        "traits": profile.traits,
        "timezone": profile.timezone or programme.rules.timezone,
        "locale": profile.locale or None,
        "first_seen_at": instant(profile.first_seen_at),
        "last_seen_at": instant(profile.last_seen_at),
        **player_view(programme.rules, snapshot, now),  # balances, levels, missions ... and what the rooms show
        "segments": [item["id"] for item in shown_segments(programme, snapshot)],
        "scores": shown_scores(programme, snapshot),
        "version": snapshot.version,
        "programme": programme.version,
    }


def shown_scores(programme: Programme, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return what the models think of the player, by score, as of the last turn that moved it.

    Nothing, where the live programme has no models: what they thought before is nobody's opinion any more.
    """
    if programme.models is None:
        return {}
    return {
        name: {
            "value": score.value,
            "confidence": score.confidence,
            "drivers": [{"feature": feature, "effect": effect} for feature, effect in score.drivers],
            "model": score.model,
            "at": instant(score.at),
        }
        for name, score in snapshot.scores.held.items()
    }


def shown_segments(programme: Programme, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the segments of the live programme that the player is in, the oldest membership first."""
    held = shown_by_rules(programme.crm.segments, snapshot)
    return [{**item, "since": instant(item["since"])} for item in held]


async def _place(context: Context, player_id: str) -> dict[str, Any]:
    """Return whether the player has a socket open, and where the actor lives."""
    partition = partition_of(player_id, context.partitions)
    pipe = context.redis.pipeline(transaction=False)
    pipe.hget(ASSIGNMENT, f"players:{partition}")
    pipe.hgetall(HOSTS)
    owner, hosts = await pipe.execute()
    dedicated = any(player_id in heartbeat(value).get("dedicated", {}) for value in hosts.values())
    return {
        "online": context.feeds.online(player_id),  # a socket at this gateway; others keep theirs to themselves
        "host": f"player:{player_id}" if dedicated else owner.decode() if owner else None,
        "placement": "dedicated" if dedicated else "shared",
        "partition": partition,
    }


def heartbeat(value: bytes) -> dict[str, Any]:
    """Read what a host says of itself; {} when it is of another version."""
    try:
        beat = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return {}
    return beat if isinstance(beat, dict) else {}


def shown_effects(effects: Sequence[Any]) -> list[dict[str, Any]]:
    """Return effects as JSON values."""
    return [shown(effect) for effect in effects]


def shown_record(offset: str, record: HistoryRecord) -> dict[str, Any]:
    """Return what one entry did, for the history."""
    return {
        "id": record.id,
        "name": record.name,
        "at": instant(record.at),
        "offset": offset,
        "effects": shown_effects(record.effects),
    }


def ledger_entries(offset: str, record: HistoryRecord) -> list[dict[str, Any]]:
    """Return the postings of one entry, newest first."""
    return [
        {
            "id": f"{offset}.{n}",
            "at": instant(record.at),
            "currency": posting.currency,
            "amount": posting.amount,
            "balance_after": posting.balance_after,
            "account": posting.account,
            "reason": posting.reason or None,
            "cause": {"event_id": record.id, "rule": posting.rule, "rule_version": posting.rule_version},
        }
        for n, posting in reversed(list(enumerate(record.effects)))
        if isinstance(posting, Posting)
    ]


def shown_decision(decision: Decision, *, own: bool = False) -> dict[str, Any]:
    """Return a decision of the tower, with its reasons in words.

    Args:
        own: The reader is the player: what asked, and how the tower weighs, is the operator's.
    """
    shown: dict[str, Any] = {
        "request_id": decision.request_id,
        "outcome": decision.outcome,
        "channel": decision.channel or None,
        "reasons": list(decision.reasons),
        "why": [explain(code) for code in decision.reasons],
        "until": instant(decision.until),
        "at": instant(decision.at),
        "template": decision.template,
        "purpose": decision.purpose,
        "title": decision.title or None,
        "policy_version": decision.policy_version,
        "source": decision.source or None,
        "into": decision.into or None,
        "consent": list(decision.consent),
        "score": decision.score,
        "alternatives": [
            {
                "channel": other.channel,
                "reasons": list(other.reasons),
                "why": [explain(code) for code in other.reasons],
                "score": other.score,
            }
            for other in decision.alternatives
        ],
    }
    if own:
        for one in (shown, *shown["alternatives"]):
            one.pop("score")
        shown.pop("source")
    return shown


def shown_stops(stops: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Return why a player is excluded, reason by reason."""
    return [{"reason": reason, "until": instant(until or 0)} for reason, until in stops.items()]


def shown_delivery(delivery: Delivery, now: int) -> dict[str, Any]:
    """Return an in-app message of the inbox."""
    return {
        "message_id": delivery.message_id,
        "template": delivery.template,
        "purpose": delivery.purpose,
        "title": delivery.title,
        "body": delivery.body,
        "action": delivery.action or None,
        "at": instant(delivery.at),
        "expires_at": instant(delivery.expires_at),
        "expired": 0 < delivery.expires_at <= now,
    }
