"""What a report says to somebody who runs campaigns: sentences, and nothing is called better that is not proven."""

from ml.choices.estimates import OUTCOMES_MIN, ChoiceReport, Estimate


def sentences(report: ChoiceReport) -> list[str]:
    """Return what can be said of a choice, most important first."""
    if not report.outcomes:
        return ["Nothing is known yet: no choice's time is over."]
    return [_against_holdout(report), _against_the_best(report), *_loud(report)]


def _against_holdout(report: ChoiceReport) -> str:
    over, held, others = report.over_holdout, report.holdout, report.others
    if over is None or held is None or others is None:
        return "What choosing is worth cannot be told: no outcome of a player who is held out is known."
    told = f"{others.value:.3f} with it, {held.value:.3f} of those held out, {_signed(over)}"
    if report.holdout_outcomes < OUTCOMES_MIN:
        return (
            f"What choosing is worth is not proven yet: {report.holdout_outcomes} outcomes of players held out are "
            f"known, {OUTCOMES_MIN} are the least ({told})."
        )
    if over.low > 0:
        return f"Proven: choosing is worth more than holding out: {told}."
    if over.high < 0:
        return f"Proven: choosing does harm: {told}."
    return f"What choosing is worth is not proven yet: {told}.{_how_many_more(over)}"


def _against_the_best(report: ChoiceReport) -> str:
    arm, over, single, policy = report.best_arm, report.over_best, report.best_single, report.policy
    if over is None or single is None or policy is None:
        return f"{arm} is the likeliest to be the best arm, and nobody has got it yet."
    told = f"{policy.value:.3f} as drawn, {single.value:.3f} had everybody got {arm}, {_signed(over)}"
    if not report.looks_at_players:
        best = next(one.best for one in report.arms if one.arm == arm)
        return f"{arm} is the best arm with a probability of {best:.0%}: {told}."
    if over.low > 0:
        return f"Proven: choosing by player is worth more than {arm} for everybody: {told}."
    if over.high < 0:
        return f"{arm} for everybody would have been worth more than choosing by player, learning included: {told}."
    return (
        f"That choosing by player is worth more than {arm} for everybody is not proven: {told}.{_how_many_more(over)}"
    )


def _loud(report: ChoiceReport) -> list[str]:
    """Say what makes all the rest doubtful."""
    known = report.outcomes + report.holdout_outcomes
    if report.void > known:
        return [f"More choices ended without saying anything ({report.void:,}) than with an outcome ({known:,})."]
    return []


def _how_many_more(over: Estimate) -> str:
    """Say how long it takes, if the difference is what it seems: an interval shrinks with the root of the number."""
    half = (over.high - over.low) / 2
    if not over.value:
        return ""
    times = (half / over.value) ** 2
    return f" If it is what it seems, some {times:.0f} times as many outcomes will prove it." if times <= 100 else ""


def _signed(over: Estimate) -> str:
    return f"difference {over.value:+.3f} [{over.low:+.3f}, {over.high:+.3f}]"
