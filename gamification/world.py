"""What the CRM may ask of the game: metrics as they stand (``crm.working.World``)."""

from domain.player import Snapshot
from gamification.metrics import metric_value, next_change
from gamification.rules import Rules


class Metrics:
    """The metrics of one programme version, asked of any player at any moment."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.metrics

    def metric(self, state: Snapshot, metric_id: str, now: int, /) -> int | float | None:
        """Return a metric's value; None when it has none, or is not configured."""
        rule = self._rules.get(metric_id)
        return metric_value(rule, state.metrics.get(metric_id), now) if rule else None

    def metric_changes(self, state: Snapshot, metric_id: str, now: int, thresholds: tuple[float, ...], /) -> int:
        """Return the next ms at which time alone may move the metric past a threshold; 0: never."""
        rule = self._rules.get(metric_id)
        return next_change(rule, state.metrics.get(metric_id), now, thresholds) if rule else 0
