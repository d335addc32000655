"""The figures of a day as sentences: few, the same order every day, what needs looking at last."""

from typing import Any

ALARMS_SAID = 5


def lines(figures: dict[str, Any]) -> list[str]:
    """Return the day's lines. What was not counted is left out; what is nothing today and was nothing before, too."""
    told = [
        _players(figures["players"]),
        *_points(figures["points"]),
        _messages(figures["messages"]),
        _counted(figures["scores"]["moved"], figures["scores"]["before"], "churn score", "moved"),
        _named(figures["patterns"], "pattern unlike the player", "patterns unlike the player"),
        _named(figures["excluded"], "player was excluded", "players were excluded"),
        *_known_now(figures),
        *_alarms(figures["alarms"], is_counted=figures["players"]["active"] is not None),
    ]
    return [line for line in told if line]


def _players(players: dict[str, Any]) -> str:
    active, before = players["active"], players["before"]["active"]
    if active is None:
        return "Nobody counted on this day: the engine was not running, or nothing watched it."
    # Not "of them": who is active is an estimate, and visitors who never did anything are new too.
    new = f", {players['new']:,} {'was' if players['new'] == 1 else 'were'} new" if players["new"] else ""
    return f"{active:,} player{_s(active)} {'was' if active == 1 else 'were'} active{_behind(before)}{new}."


def _points(points: list[dict[str, Any]]) -> list[str]:
    said = []
    for one in points:
        sides = {kind: value for kind, value in one.items() if kind not in ("currency", "before", "issued")}
        issued, before = one["issued"], one["before"]["issued"]
        if issued is None or not (issued or before or any(sides.values())):
            continue
        others = "".join(f", {value:,} {kind}" for kind, value in sides.items() if value)
        behind = f" (day before: {before:,} issued)" if before is not None else ""
        said.append(f"{one['currency']}: {issued:,} issued{others}{behind}.")
    return said


def _messages(messages: dict[str, Any]) -> str:
    outcomes = ("sent", "held", "refused")
    if not any(messages[outcome] or messages["before"][outcome] for outcome in outcomes):
        return ""
    mine, theirs = (", ".join(f"{day[o]:,} {o}" for o in outcomes) for day in (messages, messages["before"]))
    top = messages["reasons"][0] if messages["reasons"] else None
    why = f" Most often {top['outcome']}: {top['why']} ({top['count']:,})" if top else ""
    return f"Messages: {mine} (day before: {theirs}).{why}"


def _counted(count: int | None, before: int | None, what: str, did: str) -> str:
    if count is None or not (count or before):
        return ""
    return f"{count:,} {what}{_s(count)} {did}{_behind(before)}."


def _named(counted: dict[str, Any], one: str, many: str) -> str:
    count, before = counted["count"], counted["before"]
    if count is None or not (count or before):
        return ""
    by = ", ".join(f"{name} {times:,}" for name, times in sorted(counted["by"].items(), key=lambda item: -item[1])[:3])
    return f"{count:,} {one if count == 1 else many}{f': {by}' if by else ''}{_behind(before)}."


def _known_now(figures: dict[str, Any]) -> list[str]:
    if figures["choices"] is None:
        return ["Choices, drift and scores are known as they are now: see the digest of today or yesterday."]
    return [*_choices(figures["choices"]), *_drift(figures["drift"]), *_outcomes(figures["outcomes"])]


def _choices(choices: list[dict[str, Any]]) -> list[str]:
    return [f"Choice {one['id']}: {one['in_words'][0]}" for one in choices if one["in_words"]]


def _drift(drift: dict[str, Any] | None) -> list[str]:
    if drift is None or not drift["warned"]:
        return []
    named = ", ".join(drift["warned"][:3]) + (" and others" if len(drift["warned"]) > 3 else "")
    return [f"Players no longer look like those the model knows: {named}. Train again."]


def _outcomes(outcomes: list[dict[str, Any]]) -> list[str]:
    return [
        f"{one['score']} is off: {one['said']:.0%} on average was said, {one['happened']:.0%} happened. Recalibrate."
        for one in outcomes
        if one["warns"]
    ]


def _alarms(alarms: list[dict[str, Any]], *, is_counted: bool) -> list[str]:
    if not alarms:
        return ["No event was unlike any week."] if is_counted else []
    said = [f"Unlike any week: {alarm['in_words']} (from {alarm['since'][11:16]} UTC)." for alarm in alarms]
    left = len(said) - ALARMS_SAID
    return said[:ALARMS_SAID] + ([f"And {left} more."] if left > 0 else [])


def _behind(before: int | None) -> str:
    """Return the same of the day before; nothing where nobody counted."""
    return "" if before is None else f" (day before: {before:,})"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
