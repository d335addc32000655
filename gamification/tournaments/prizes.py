"""What the places of a final table get, and who goes up or down a tier. Pure: the rows are final.

The place of a row is its rank: of equal scores who reached it first, then the smaller id. So ranks are a permutation,
and no two rows share a prize.
"""

from collections.abc import Sequence
from typing import Any

from domain.entries import BoardFrozen
from gamification.keeping import Keeper
from gamification.rewards import listed
from gamification.tournaments.leaving import RESULT
from gamification.tournaments.rules import CohortRule, TournamentRule


def pay(keeper: Keeper, rule: TournamentRule | None, tiers: Sequence[str], tier: int, frozen: BoardFrozen) -> int:
    """Tell each winner, and everybody who changes tier; return how many prizes.

    A score below ``min_score`` wins nothing and is not promoted. Prizes are those of the programme that is in force.
    """
    if rule is None:
        return 0
    paid = 0
    name = tiers[tier] if tier < len(tiers) else ""
    for rank, (player, score, _) in enumerate(frozen.rows, 1):
        is_enough = rule.min_score is None or score >= rule.min_score
        rewards = rule.rewards_at(rank, name) if is_enough else ()
        following = next_tier(rule.cohorts, len(tiers), tier, rank, frozen.entrants, is_enough=is_enough)
        if not rewards and following == tier:
            continue
        paid += bool(rewards)
        data: dict[str, Any] = {"run": keeper.name, "board": frozen.board, "rank": rank, "score": score}
        if rewards:
            data |= {"rewards": listed(rewards), "version": rule.version, "budget": rule.budget}
        if tiers:
            data["tier"] = tiers[following]
        keeper.tell(player, RESULT, f"{frozen.board}|{rank}", **data)
    return paid


def next_tier(
    cohorts: CohortRule | None, tiers: int, tier: int, rank: int, entrants: int, *, is_enough: bool = True
) -> int:
    """Return the number of the tier of the next run.

    The first ``promote`` of a table go up; the last ``demote`` of it go down, those in the first zone never.
    """
    if cohorts is None or tiers < 2:
        return tier
    if rank <= cohorts.promote:
        return min(tiers - 1, tier + is_enough)
    return max(0, tier - 1) if rank > entrants - cohorts.demote else tier
