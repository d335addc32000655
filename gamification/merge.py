"""Two profiles become one: what the game keeps of a player is handed over, and joined on the other side.

The rules are in docs/identity.md. In short: what was earned adds up, what was paid to either is not paid again, and a
person is never worse off than the better of the two. Both sides are total: no profile, however odd, stops a partition.
"""

from hashlib import blake2b

from msgspec.structs import replace

from domain.effects import CompletionExpired, LevelChanged, Posting
from domain.player import Balance, Profile, Snapshot
from gamification import claims, cycles
from gamification.achievements import reach
from gamification.joining import join_missions, joined_metric
from gamification.profile import TRAITS_MAX
from gamification.rules import AMOUNT_MAX
from gamification.working import Turn

RULE = "identity/merge"
ACCOUNT = "merged"  # what one profile gives to it, the other takes: over all partitions its sum is zero
_NOTHING = Balance()


def hand_over(turn: Turn, into: str) -> None:
    """End the profile: balances go to the account ``merged``, everything else is emptied, timers are cleared.

    ``lifetime`` stays beside the empty balance, since the ledger's credits remain; it is counted at ``into`` alone.
    """
    for currency, held in turn.wallet.items():
        if held.balance:
            _move(turn, currency, -held.balance, f"to {into}")
    for mission_id, progress in turn.missions.items():
        rule = turn.rules.mission_at(mission_id, progress.programme)
        if rule is not None:
            cycles.unwatch(turn, rule, progress)
        for completion_id, _, until in progress.unclaimed:
            if until:
                turn.clear_timer(claims.TIMER, completion_id, until)
    turn.missions, turn.metrics, turn.achievements, turn.levels, turn.earned = {}, {}, {}, {}, {}
    turn.set_profile(replace(turn.profile, traits={}))


def join(turn: Turn, source: Snapshot) -> None:
    """Take in another profile as it was when it ended; the levels that follow are the caller's."""
    _join_profile(turn, source.profile)
    _join_wallet(turn, source)
    for metric_id, theirs in source.metrics.items():
        turn.set_metric(
            metric_id, joined_metric(turn.rules.metrics.get(metric_id), turn.metrics.get(metric_id), theirs)
        )
    _join_earned(turn, source)
    _join_levels(turn, source)
    _join_achievements(turn, source)
    join_missions(turn, source)
    _join_unclaimed(turn, source)


def _move(turn: Turn, currency: str, amount: int, reason: str) -> None:
    """Post against the account ``merged``. The ledger's bounds are not asked: what one gave, the other must take."""
    held = turn.wallet.get(currency, _NOTHING)
    balance = held.balance + amount
    turn.set_balance(currency, Balance(balance, held.lifetime + max(0, amount), held.purse))
    turn.effects.append(Posting(currency, amount, balance, RULE, turn.rules.version, ACCOUNT, reason))


def _join_wallet(turn: Turn, source: Snapshot) -> None:
    """Add balance and lifetime: what was earned there is credited, what was spent there debited."""
    for currency, theirs in source.wallet.items():
        if theirs.lifetime:
            _move(turn, currency, theirs.lifetime, f"earned as {source.player}")
        if spent := theirs.balance - theirs.lifetime:
            _move(turn, currency, spent, f"spent as {source.player}")


def _join_profile(turn: Turn, theirs: Profile) -> None:
    mine = turn.profile
    traits = dict(mine.traits)
    for name, value in theirs.traits.items():
        if len(traits) >= TRAITS_MAX:
            break
        traits.setdefault(name, value)
    seen = [at for at in (mine.first_seen_at, theirs.first_seen_at) if at]
    turn.set_profile(
        Profile(
            traits,
            mine.timezone or theirs.timezone,
            mine.locale or theirs.locale,
            min(seen, default=0),
            max(mine.last_seen_at, theirs.last_seen_at),
        )
    )


def _join_earned(turn: Turn, source: Snapshot) -> None:
    """Add what the daily caps count; of two days the later counts."""
    for rule_id, (day, amount) in source.progress.earned_today.items():
        my_day, mine = turn.earned.get(rule_id, (day, 0))
        if day >= my_day:
            turn.set_earned(rule_id, day, amount + (mine if day == my_day else 0))


def _join_levels(turn: Turn, source: Snapshot) -> None:
    """Take the higher level of the two; its rewards were paid to the one that had reached it."""
    for system in turn.rules.levels:
        mine, theirs = turn.levels.get(system.id), source.progress.levels.get(system.id)
        if (
            theirs is not None
            and theirs in system.index
            and (mine is None or system.index.get(mine, -1) < system.index[theirs])
        ):
            turn.set_level(system.id, theirs)
            turn.effects.append(LevelChanged(system.id, theirs, mine or ""))


def _join_achievements(turn: Turn, source: Snapshot) -> None:
    """Add the counts; stages that either had reached stay reached and are not paid again."""
    for achievement_id, (theirs, their_stages) in source.progress.achievements.items():
        mine, my_stages = turn.achievements.get(achievement_id, (0, 0))
        actual, stages = min(mine + theirs, AMOUNT_MAX), max(my_stages, their_stages)
        rule = turn.rules.achievements.get(achievement_id)
        if rule is None:
            turn.set_achievement(achievement_id, actual, stages)
        else:
            reach(turn, rule, actual, stages)


def _join_unclaimed(turn: Turn, source: Snapshot) -> None:
    """Keep what waits for its claim, under an id that names the profile it came with; what is over is dropped."""
    mark = blake2b(source.player.encode(errors="replace"), digest_size=4).hexdigest()
    for mission_id, theirs in source.missions.items():
        for completion_id, version, until in theirs.unclaimed:
            mine = f"{completion_id}{claims.MERGED}{mark}"
            if 0 < until <= turn.at:
                turn.effects.append(CompletionExpired(mission_id, mine))
            else:
                claims.keep(turn, mission_id, (mine, version, until))
