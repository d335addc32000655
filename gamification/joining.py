"""Two counts of one thing become one: a metric's ring, a mission's walk."""

from msgspec.structs import replace

from domain.effects import MissionProgressed, MissionStatus
from domain.player import Metric, MissionProgress, Snapshot
from gamification import cycles
from gamification.metrics import SUM_MAX, UNIQUE_MAX
from gamification.missions import complete, unlock
from gamification.rules import AMOUNT_MAX, MetricRule, MissionRule
from gamification.working import Turn

_RANK = {"completed": 3, "in_progress": 2, "expired": 1, "missed": 1}  # of two walks the higher is kept


def joined_metric(rule: MetricRule | None, mine: Metric | None, theirs: Metric) -> Metric:
    """Return both rings as one, bucket by bucket, within the window of the newest.

    Counts and sums add, the greater maximum and the newer ``since`` stand, of two last values in one bucket the first
    profile's; distinct values are those of either, the first profile's before the bound. A metric that is no longer
    configured stays what it is.
    """
    if mine is None or (not mine.buckets and not mine.values):
        return theirs
    if rule is None:
        return mine
    if rule.aggregate == "unique":
        return Metric(values=_values(rule, mine, theirs))
    buckets = dict(mine.buckets)
    for number, value in theirs.buckets:
        buckets[number] = _combined(rule, buckets[number], value) if number in buckets else value
    oldest = max(buckets, default=0) - rule.buckets + 1
    return Metric(tuple(sorted(pair for pair in buckets.items() if pair[0] >= oldest)))


def _combined(rule: MetricRule, mine: float, theirs: float) -> int | float:
    if rule.aggregate in ("max", "since"):
        return max(mine, theirs)
    if rule.aggregate in ("count", "sum"):
        total = mine + theirs
        return total if -SUM_MAX <= total <= SUM_MAX else mine
    return mine


def _values(rule: MetricRule, mine: Metric, theirs: Metric) -> tuple[tuple[str, int], ...]:
    held = dict(mine.values)
    for name, number in theirs.values:
        if name in held or len(held) < UNIQUE_MAX:
            held[name] = max(number, held.get(name, number))
    newest = max(held.values(), default=0)
    return tuple(sorted(((n, b) for n, b in held.items() if b > newest - rule.buckets), key=lambda p: (p[1], p[0])))


def join_missions(turn: Turn, source: Snapshot) -> None:
    """Join every mission of the other profile; completions that the sums bring are rewarded as usual.

    Completions that wait for their claim are the caller's.
    """
    first_time: list[MissionRule] = []
    for mission_id, theirs in source.missions.items():
        mine = turn.missions.get(mission_id, MissionProgress())
        mission = turn.rules.missions.get(mission_id)
        if mission is None:
            walk = mine if mission_id in turn.missions else theirs
            turn.set_mission(mission_id, _counted(walk, mine, theirs))
            continue
        if theirs.completed_count and not mine.completed_count:
            first_time.append(mission)
        _join_mission(turn, mission, mine, theirs)
    for mission in first_time:
        unlock(turn, mission)


def _join_mission(turn: Turn, mission: MissionRule, mine: MissionProgress, theirs: MissionProgress) -> None:
    is_new = mission.id not in turn.missions
    my_rule, their_rule = turn.rules.mission_of(mission, mine), turn.rules.mission_of(mission, theirs)
    walk = _walk(turn, mission, _now(turn, my_rule, mine), _now(turn, their_rule, theirs), is_new=is_new)
    walk = _counted(walk, mine, theirs)
    rule = turn.rules.mission_of(mission, walk)
    is_rearmed = _timer(rule, walk) != _timer(my_rule, mine)
    if is_rearmed:  # a timer that has come due may be on its way in the log: set again it would fire twice
        cycles.unwatch(turn, my_rule, mine)
    turn.set_mission(mission.id, walk)
    if walk.status != mine.status or walk.cycle != mine.cycle:
        turn.effects.append(MissionStatus(mission.id, walk.status, walk.cycle))
    if walk.status != "in_progress":
        return
    for task in rule.tasks:
        if (actual := walk.actual.get(task.id, 0)) != mine.actual.get(task.id, 0):
            turn.effects.append(MissionProgressed(mission.id, task.id, actual, task.expected, walk.cycle))
    if is_rearmed:
        cycles.watch(turn, rule, walk)
    if all(walk.actual.get(task.id, 0) >= task.expected for task in rule.tasks):
        complete(turn, rule, walk, turn.at)


def _walk(
    turn: Turn, mission: MissionRule, mine: MissionProgress, theirs: MissionProgress, *, is_new: bool
) -> MissionProgress:
    """Return where the person stands: of two cycles the later, within one what the two make together.

    Both in progress: the counts add (none is carried into the next cycle), from the earlier beginning, under the
    rule that the first profile began with. One in progress: it goes on, unless the other has completed the cycle.
    """
    if mission.recurrence in ("daily", "weekly") and mine.cycle != theirs.cycle:
        return theirs if is_new or _is_later(turn, mission, theirs.cycle, mine.cycle) else mine
    cycle = theirs.cycle if is_new else mine.cycle
    if mine.status == theirs.status == "in_progress":
        rule = turn.rules.mission_of(mission, mine)
        return replace(
            mine, actual=_added(rule, mine, theirs), started_at=min(mine.started_at, theirs.started_at), cycle=cycle
        )
    better = theirs if _RANK.get(theirs.status, 0) > _RANK.get(mine.status, 0) else mine
    return replace(better, cycle=cycle)


def _timer(rule: MissionRule, walk: MissionProgress) -> tuple[int, int]:
    """Return when the walk's timer is due, and its generation; (0, 0) when none is set."""
    if walk.status != "in_progress" or not rule.time_limit_ms:
        return 0, 0
    return cycles.deadline_of(rule, walk), walk.cycle


def _is_later(turn: Turn, mission: MissionRule, theirs: int, mine: int) -> bool:
    """Tell which of two days or weeks counts; where days became weeks, the number that fits the present one."""
    if cycles.is_past(mine, theirs) or cycles.is_past(theirs, mine):
        return theirs > mine
    present = cycles.cycle_at(mission, MissionProgress(), turn.at, turn.zone)
    return abs(theirs - present) < abs(mine - present)


def _added(rule: MissionRule, mine: MissionProgress, theirs: MissionProgress) -> dict[str, int]:
    expected = {task.id: task.expected for task in rule.tasks}
    sums = {task: mine.actual.get(task, 0) + theirs.actual.get(task, 0) for task in (*mine.actual, *theirs.actual)}
    return {task: min(actual, expected.get(task, AMOUNT_MAX)) for task, actual in sums.items()}


def _now(turn: Turn, rule: MissionRule, progress: MissionProgress) -> MissionProgress:
    """Return the walk, expired if its time has run out by turn time, whatever its timer has said yet."""
    return replace(progress, status="expired") if cycles.is_overdue(rule, progress, turn.at) else progress


def _counted(walk: MissionProgress, mine: MissionProgress, theirs: MissionProgress) -> MissionProgress:
    """Return the walk with what both completed; what waits for a claim is the first profile's."""
    return replace(
        walk,
        completed_count=mine.completed_count + theirs.completed_count,
        completed_at=max(mine.completed_at, theirs.completed_at),
        unclaimed=mine.unclaimed,
    )
